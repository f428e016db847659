//! W1 with more process servers, and with more containers there already: what one more costs must not grow
//! with what is there.
//!
//! Each number of process servers is an installation of its own; the numbers of containers are steps of one,
//! which is filled up to each by the API and left alone until PostgreSQL has cleared away what that left. On
//! one machine more servers share the same processors: what can be seen there is that they do not stand in
//! each other's way.

use anyhow::Result;
use serde_json::json;

use crate::burst::{Burst, fill, measure, warm_up};
use crate::observer::Observer;
use crate::outcome::Outcome;
use crate::system::System;

const COLUMNS: [&str; 8] = [
    "accepted/s",
    "running/s",
    "p50 ms",
    "p99 ms",
    "cpu us each",
    "postgres us",
    "statements",
    "rows",
];
const HOSTS: usize = 100;
const CONNECTIONS: usize = 64;

/// How far.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Size {
    /// How many process servers, with commas between them
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2, 4])]
    pub(crate) servers: Vec<usize>,
    /// How many containers are there already, with commas between them
    #[arg(long, value_delimiter = ',', default_values_t = [1_000, 10_000, 100_000])]
    pub(crate) there: Vec<usize>,
    /// How many more come then, and to each number of servers
    #[arg(long, default_value_t = 2_000)]
    pub(crate) containers: usize,
}

pub(crate) async fn run(size: &Size) -> Result<Outcome> {
    let parameters = json!({
        "servers": size.servers, "there": size.there, "containers": size.containers,
    });
    let mut outcome = Outcome::of("scaling", parameters);
    outcome.columns(&COLUMNS);
    for servers in &size.servers {
        let system = System::cluster(*servers, &[], HOSTS).await?;
        let observer = Observer::begin(system.api()).await?;
        warm_up(&system, &observer, CONNECTIONS).await?;
        let burst = measure(&system, &observer, size.containers, CONNECTIONS).await?;
        outcome.row(format!("{servers} process servers"), &cells(&burst));
    }

    let system = System::cluster(1, &[], HOSTS).await?;
    let observer = Observer::begin(system.api()).await?;
    warm_up(&system, &observer, CONNECTIONS).await?;
    let mut steps = Vec::new();
    for there in &size.there {
        let lacking = there.saturating_sub(observer.seen().running.len());
        if lacking > 0 {
            fill(&system, &observer, lacking, CONNECTIONS).await?;
            system.until_the_database_rests().await?;
        }
        let burst = measure(&system, &observer, size.containers, CONNECTIONS).await?;
        outcome.row(format!("{there} there already"), &cells(&burst));
        steps.push(burst);
    }
    if let (Some(few), Some(many)) = (steps.first(), steps.last()) {
        for (what, figure, goal) in [
            ("cpu", "cpu of all, each", "< 1.2"),
            ("statements", "postgres statements, each", "< 1.2"),
        ] {
            let ratio = many.cost.figure(figure) / few.cost.figure(figure);
            let name = format!("{what} of one more, most to fewest there");
            outcome.add_with_goal(name, ratio, "", goal);
        }
    }
    Ok(outcome)
}

fn cells(burst: &Burst) -> [f64; COLUMNS.len()] {
    let cost = &burst.cost;
    [
        burst.accepted,
        burst.running,
        burst.times.percentile(50),
        burst.times.percentile(99),
        cost.figure("cpu of all, each"),
        cost.figure("cpu of postgres, each"),
        cost.figure("postgres statements, each"),
        cost.figure("postgres rows, each"),
    ]
}
