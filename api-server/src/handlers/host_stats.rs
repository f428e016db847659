//! `/v1/hosts/{id}/stats`: how busy a host is, asked of its agent at that moment.
//!
//! Nothing of it is kept anywhere, so a fleet whose stats nobody looks at costs nothing, and who looks sees
//! what is, not what was. An agent that is not connected cannot be asked.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use drover_bus::{BusError, Subject};
use drover_domain::{ResourceId, ResourceRef, ResourceType, Timestamp};
use drover_proto::v1::{self, Envelope, command, failure, reply};
use drover_proto::{decode_payload, name};
use prost::Message;
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use super::Id;
use crate::Shared;
use crate::answer::{Reply, Told};
use crate::authorization::Caller;
use crate::problem::Problem;
use crate::problem::catalogue::{HOST_UNREACHABLE, HOST_UNSUPPORTED};
use crate::query::{Nothing, Strict};
use crate::representation::{Host, Kind};
use crate::routes::{Needs, Routes, about};

/// How long the agent may take. It looks at its processors for a quarter of a second.
const PATIENCE: Duration = Duration::from_secs(5);

/// How busy a host is, by whatever runs there.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct HostStats {
    /// The host.
    host_id: ResourceId,
    /// When it was asked.
    taken: Timestamp,
    /// Thousandths of one CPU in use, over the last moment.
    cpu_millis: u32,
    /// Memory in use, in MiB.
    #[serde(rename = "memoryUsedMiB")]
    memory_used_mib: u64,
    /// All its memory, in MiB.
    #[serde(rename = "memoryMiB")]
    memory_mib: u64,
    /// What is taken of the file system on which the runtime keeps what containers write, in MiB.
    #[serde(rename = "diskUsedMiB")]
    disk_used_mib: u64,
    /// All of that file system, in MiB.
    #[serde(rename = "diskMiB")]
    disk_mib: u64,
    /// Programs that ran or waited to, on average over one, five and fifteen minutes.
    load: [f64; 3],
    /// Its containers of this installation, by state.
    containers: Counted,
}

/// Containers by state.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Counted {
    /// Made, and never started.
    created: u32,
    /// Running.
    running: u32,
    /// Ended.
    exited: u32,
}

/// The address to ask at.
pub(crate) fn routes(routes: Routes) -> Routes {
    let stats = about(
        Needs::to_see(ResourceType::Host),
        Host::NAMES,
        "readHostStats",
        "Tells how busy a host is at this moment",
    );
    let stats = stats.fails(&[&HOST_UNREACHABLE, &HOST_UNSUPPORTED]);
    routes.get("/hosts/{id}/stats", stats, self::stats)
}

async fn stats(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Id(id): Id,
    Strict(Nothing {}): Strict<Nothing>,
) -> Result<Reply<Told, HostStats>, Problem> {
    let host = shared.store.resource(ResourceType::Host, id).await?;
    let host = host.filter(|host| host.removed.is_none());
    caller.seen(host.ok_or_else(|| Problem::not_found("host"))?)?;
    let taken = shared.clock.now();
    let stats = ask(&shared, id).await?;
    Ok(Reply::new(HostStats {
        host_id: id,
        taken,
        cpu_millis: stats.cpu_millis,
        memory_used_mib: stats.memory_used_mib,
        memory_mib: stats.memory_mib,
        disk_used_mib: stats.disk_used_mib,
        disk_mib: stats.disk_mib,
        load: [stats.load_1, stats.load_5, stats.load_15],
        containers: Counted {
            created: stats.containers_created,
            running: stats.containers_running,
            exited: stats.containers_exited,
        },
    }))
}

async fn ask(shared: &Shared, host: ResourceId) -> Result<v1::HostStats, Problem> {
    let resource = ResourceRef {
        resource_type: ResourceType::Host,
        id: host,
    };
    let command = v1::Command {
        id: Uuid::now_v7().to_string(),
        resource: Some(resource.into()),
        timeout_millis: i64::try_from(PATIENCE.as_millis()).unwrap_or(i64::MAX),
        action: Some(command::Action::TakeStats(v1::TakeStats {})),
        ..v1::Command::default()
    };
    let envelope = Envelope {
        id: command.id.clone(),
        kind: v1::envelope::Kind::Request.into(),
        name: name::AGENT_COMMAND.to_owned(),
        resource: command.resource.clone(),
        payload: command.encode_to_vec(),
        ..Envelope::default()
    };
    let subject = Subject::host_command(host);
    let answer = shared.bus.request(&subject, envelope, PATIENCE, None).await;
    let answer = answer.map_err(|error| {
        unreachable_because(match error {
            BusError::NobodyListens(_) => "its agent is not connected",
            BusError::TimedOut(_) => "its agent does not answer",
            _ => "the event bus is out of reach",
        })
    })?;
    let reply: v1::Reply = decode_payload(&answer.payload).map_err(|error| {
        tracing::warn!(%error, %host, "the reply of an agent cannot be read");
        Problem::internal()
    })?;
    match reply.result {
        Some(reply::Result::HostStats(stats)) => Ok(*stats),
        Some(reply::Result::Failure(failure)) if failure.code() == failure::Code::Unsupported => {
            Err(Problem::new(
                &HOST_UNSUPPORTED,
                "the agent of the host does not tell how busy it is",
            ))
        }
        Some(reply::Result::Failure(failure)) => Err(unreachable_because(&failure.message)),
        _ => {
            tracing::warn!(%host, "the agent answered something else than what was asked");
            Err(Problem::internal())
        }
    }
}

fn unreachable_because(reason: &str) -> Problem {
    let detail = format!("the host cannot be asked: {reason}");
    Problem::new(&HOST_UNREACHABLE, detail)
        .with_hint("its `state` says how it stands; ask again once it is active")
}
