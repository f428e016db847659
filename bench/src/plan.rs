//! Which workloads there are, and how large each is: alone, in `all`, and in `quick`.

use anyhow::Result;
use clap::Parser;

use crate::outcome::Outcome;
use crate::workloads::{
    agents, api, budget, churn, create, docker, faults, floors, idle, matrix, placement, scaling,
    stuck, watchers,
};

/// One workload and its size.
#[derive(clap::Subcommand)]
pub(crate) enum Workload {
    /// Many containers at once, on a cluster
    Create(create::Size),
    /// Many containers at once, on one process
    CreateEmbedded(create::Size),
    /// Many containers at once, under many circumstances
    Matrix(matrix::Size),
    /// Many containers at once, beside many others and by several servers
    Scaling(scaling::Size),
    /// What one container costs
    Budget(budget::Size),
    /// One container at a time
    Idle(idle::Size),
    /// Others beside processes that are stuck
    Stuck(stuck::Size),
    /// Containers that come and go
    Churn(churn::Size),
    /// Reads, lists and creates, by the API server alone
    Api(api::Size),
    /// Many who watch
    Watchers(watchers::Size),
    /// Every part struck in turn, with much under way
    Faults(faults::Size),
    /// Many agents that do nothing, and their return
    Agents(agents::Size),
    /// Real containers, beside the bare engine and Docker Swarm
    Docker(docker::Size),
    /// Real containers by one process, beside the bare engine and Docker Swarm
    DockerEmbedded(docker::Size),
    /// Choosing hosts
    Placement(placement::Size),
    /// The database and the lock service alone
    Floors(floors::Size),
}

impl Workload {
    pub(crate) async fn run(&self) -> Result<Outcome> {
        match self {
            Self::Create(size) => create::on_cluster(*size).await,
            Self::CreateEmbedded(size) => create::on_one_process(*size).await,
            Self::Matrix(size) => matrix::run(size).await,
            Self::Scaling(size) => scaling::run(size).await,
            Self::Budget(size) => budget::run(*size).await,
            Self::Idle(size) => idle::run(*size).await,
            Self::Stuck(size) => stuck::run(*size).await,
            Self::Churn(size) => churn::run(*size).await,
            Self::Api(size) => api::run(*size).await,
            Self::Watchers(size) => watchers::run(*size).await,
            Self::Faults(size) => faults::run(size).await,
            Self::Agents(size) => agents::run(*size).await,
            Self::Docker(size) => docker::on_cluster(*size).await,
            Self::DockerEmbedded(size) => docker::on_one_process(*size).await,
            Self::Placement(size) => placement::run(*size),
            Self::Floors(size) => floors::run(*size).await,
        }
    }

    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Create(_) => "create",
            Self::CreateEmbedded(_) => "create-embedded",
            Self::Matrix(_) => "matrix",
            Self::Scaling(_) => "scaling",
            Self::Budget(_) => "budget",
            Self::Idle(_) => "idle",
            Self::Stuck(_) => "stuck",
            Self::Churn(_) => "churn",
            Self::Api(_) => "api",
            Self::Watchers(_) => "watchers",
            Self::Faults(_) => "faults",
            Self::Agents(_) => "agents",
            Self::Docker(_) => "docker",
            Self::DockerEmbedded(_) => "docker-embedded",
            Self::Placement(_) => "placement",
            Self::Floors(_) => "floors",
        }
    }
}

/// A line as somebody would type it.
#[derive(Parser)]
struct Line {
    #[command(subcommand)]
    workload: Workload,
}

/// Lines as somebody would type them, so that what is left out is as large as it is by itself.
fn parsed(lines: &[&str]) -> Vec<Workload> {
    let parsed = lines.iter().map(|line| {
        let words = std::iter::once("drover-bench").chain(line.split_whitespace());
        Line::try_parse_from(words).map(|line| line.workload)
    });
    parsed.flatten().collect()
}

const ALL: [&str; 16] = [
    "create",
    "create-embedded",
    "matrix",
    "scaling",
    "budget",
    "idle",
    "stuck",
    "churn",
    "api",
    "watchers",
    "faults",
    "agents",
    "docker",
    "docker-embedded",
    "placement",
    "floors",
];

/// What is in `create-embedded` stands in `matrix` too, and is left out here; so are the faults whose mending
/// takes most of a minute.
const QUICK: [&str; 14] = [
    "create --containers 1000 --hosts 20 --floor-seconds 1",
    "matrix --containers 200,500 --hosts 20 --floor-seconds 1",
    "scaling --servers 2 --there 200,1000 --containers 200",
    "budget --containers 500 --alone 30 --hosts 20",
    "idle --containers 60 --hosts 20",
    "stuck --containers 1000 --hosts 10 --seconds 3",
    "churn --containers 500 --hosts 10 --warm-up 6 --seconds 6",
    "api --containers 1000 --seconds 1",
    "watchers --watchers 200 --seconds 3",
    "faults --containers 100 --hosts 10 --rate 20 --away 1 --lease-seconds 5 \
        --only api-server,process-server,agent-server,etcd-wiped,postgres",
    "agents --agents 200 --settle 2 --seconds 4",
    "docker --containers 15 --rounds 1 --held 15",
    "placement --placed 200",
    "floors --seconds 1",
];

/// Each at the size that it has by itself.
pub(crate) fn all() -> Vec<Workload> {
    parsed(&ALL)
}

/// Small enough for under three minutes.
pub(crate) fn quick() -> Vec<Workload> {
    parsed(&QUICK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_plans_is_a_workload() {
        assert_eq!(all().len(), ALL.len());
        assert_eq!(quick().len(), QUICK.len());
        let names = all().iter().map(Workload::name).collect::<Vec<_>>();
        assert_eq!(names, ALL);
    }
}
