//! Reports: what agents saw without being asked.
//!
//! A report is a hint as well: it may be old by the time that it arrives. So it is settled under the
//! lock of its container, and only after the agent was asked how the container is now:
//!
//! ```text
//!   report --> worth a look? --> lock --> inspect on the host --> what does it say about the row?
//!                  |               |                                  |
//!                  no              held                               ended: rewrite, or recover
//!                  |               |                                  health: rewrite, or recover
//!               settled         later: the agent reports again        runs unasked: stop it
//! ```
//!
//! An agent can only tell of containers that live on its own host. One that it has and that lives
//! nowhere, or elsewhere, is taken away from it.

mod concern;
mod inventory;
pub(crate) mod settle;

use std::sync::Arc;

use drover_bus::{EventBus, Subscribe};
use drover_domain::ResourceId;
use drover_domain::process::{Cause, WaitsFor};
use drover_proto::v1::{Envelope, HostReport, ReportAnswer, envelope, report};
use drover_proto::{Malformed, decode_payload, name};
use prost::Message;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::Parts;
use crate::engine::hints::subscribe;
use crate::engine::offers::Offers;
use crate::engine::runner::Runner;
use settle::Settler;

/// Reports that are settled at the same time.
const AT_ONCE: usize = 64;

/// Listens for reports until `shutdown`.
pub(crate) async fn run(
    parts: Parts,
    runner: Arc<Runner>,
    offers: Offers,
    news: Arc<Notify>,
    shutdown: CancellationToken,
) {
    let Some(mut reports) = subscribe(&*parts.bus, Subscribe::host_reports(), &shutdown).await
    else {
        return;
    };
    let settler = Arc::new(Settler {
        parts,
        runner,
        offers,
        news,
    });
    let permits = Arc::new(Semaphore::new(AT_ONCE));
    let tasks = TaskTracker::new();
    loop {
        let next = async {
            let permit = permits.clone().acquire_owned().await.ok()?;
            Some((reports.next().await?, permit))
        };
        let received = tokio::select! {
            received = next => received,
            () = shutdown.cancelled() => break,
        };
        let Some((envelope, permit)) = received else {
            break;
        };
        let settler = settler.clone();
        tasks.spawn(async move {
            hear(&settler, envelope).await;
            drop(permit);
        });
    }
    tasks.close();
    tasks.wait().await;
}

/// Settles what was reported, or wakes those who wait for an agent, and answers.
pub(crate) async fn hear(settler: &Settler, envelope: Envelope) {
    if envelope.name == name::HOST_CONNECTED {
        match drover_proto::resource(envelope.resource.as_ref()) {
            Ok(host) => {
                settler.news.notify_one();
                settler.wake(WaitsFor::Host(host.id)).await;
            }
            Err(error) => tracing::warn!(%error, "unsound news of a connection dropped"),
        }
        return;
    }
    match take(settler, &envelope).await {
        Ok(answer) => answer_report(&*settler.parts.bus, &envelope, answer).await,
        Err(error) => tracing::warn!(%error, envelope = %envelope.id, "unsound report dropped"),
    }
}

async fn take(settler: &Settler, envelope: &Envelope) -> Result<ReportAnswer, Malformed> {
    let report: HostReport = decode_payload(&envelope.payload)?;
    let host: ResourceId = report.host_id.parse().map_err(|_| Malformed::Field {
        field: "hostId",
        value: report.host_id.chars().take(64).collect(),
    })?;
    let agent_id = report.agent_id;
    let report = report.report.ok_or(Malformed::Missing("report"))?;
    let cause = Cause {
        request_id: report.id.clone(),
        account_id: (!agent_id.is_empty()).then_some(agent_id),
    };
    let settled = match report.what.ok_or(Malformed::Missing("what"))? {
        report::What::Container(seen) => settler.settle_container(host, &seen, &cause).await,
        report::What::Inventory(inventory) => {
            settler.settle_inventory(host, &inventory, &cause).await
        }
    };
    let settled = settled.unwrap_or_else(|error| {
        tracing::info!(%error, %host, "a report could not be settled yet");
        false
    });
    Ok(ReportAnswer {
        report_id: report.id,
        settled,
    })
}

async fn answer_report(bus: &dyn EventBus, request: &Envelope, answer: ReportAnswer) {
    let envelope = Envelope {
        id: Uuid::now_v7().to_string(),
        kind: envelope::Kind::Reply.into(),
        name: name::HOST_REPORT.to_owned(),
        payload: answer.encode_to_vec(),
        ..Envelope::default()
    };
    if let Err(error) = bus.answer(request, envelope).await {
        tracing::debug!(%error, "the answer to a report was lost, it will be reported again");
    }
}
