//! Hints from the bus: processes that were accepted a moment ago.

use std::sync::Arc;
use std::time::Duration;

use drover_bus::{EventBus, Subscribe, Subscription};
use drover_domain::process::Priority;
use drover_proto::v1::Envelope;
use drover_store::Ready;
use tokio_util::sync::CancellationToken;

use super::offers::Offers;

/// Listens for hints until `shutdown`.
pub(crate) async fn run(bus: Arc<dyn EventBus>, offers: Offers, shutdown: CancellationToken) {
    let Some(mut hints) = subscribe(&*bus, Subscribe::processes_ready(), &shutdown).await else {
        return;
    };
    loop {
        let hint = tokio::select! {
            hint = hints.next() => hint,
            () = shutdown.cancelled() => return,
        };
        let Some(hint) = hint else { return };
        match read(&hint) {
            Some(ready) => offers.now(ready),
            None => tracing::warn!(envelope = %hint.id, "hint that names no process dropped"),
        }
    }
}

/// Subscribes, as often as it takes; none once `shutdown`.
pub(crate) async fn subscribe(
    bus: &dyn EventBus,
    to: Subscribe,
    shutdown: &CancellationToken,
) -> Option<Subscription> {
    loop {
        match bus.subscribe(to.clone()).await {
            Ok(subscription) => return Some(subscription),
            Err(error) => {
                tracing::warn!(%error, subject = to.pattern(), "cannot subscribe yet");
                let pause = Duration::from_millis(500).mul_f64(0.5 + rand::random::<f64>());
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = shutdown.cancelled() => return None,
                }
            }
        }
    }
}

/// The process that a hint tells of; none if it names none.
pub(crate) fn read(hint: &Envelope) -> Option<Ready> {
    let resource = drover_proto::resource(hint.resource.as_ref()).ok()?;
    let process = std::str::from_utf8(&hint.payload).ok()?.parse().ok()?;
    let rank = i16::try_from(hint.priority).unwrap_or_default();
    Some(Ready {
        process,
        resource,
        priority: Priority::of_rank(rank),
    })
}
