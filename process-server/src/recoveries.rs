//! Recoveries: hosts whose agents are connected again, as every server hears it.
//!
//! Each server has breakers of its own. What waits for a host is woken by one server, the one that the
//! [report](crate::reports) of the connection went to, and may be taken up by any. One that still leaves the
//! host alone would make that work wait for its own next try; so each hears of a connection, and one that
//! had left the host alone wakes again what came to it too early.

use std::sync::Arc;

use drover_bus::{EventBus, Subscribe};
use drover_proto::v1::Envelope;
use tokio_util::sync::CancellationToken;

use crate::engine::hints::subscribe;
use crate::engine::runner::Runner;

/// Listens for connections until `shutdown`.
pub(crate) async fn run(bus: Arc<dyn EventBus>, runner: Arc<Runner>, shutdown: CancellationToken) {
    let Some(mut connected) = subscribe(&*bus, Subscribe::hosts_connected(), &shutdown).await
    else {
        return;
    };
    loop {
        let news = tokio::select! {
            news = connected.next() => news,
            () = shutdown.cancelled() => return,
        };
        let Some(news) = news else { return };
        hear(&runner, &news).await;
    }
}

/// Asks the host again from now on.
pub(crate) async fn hear(runner: &Runner, news: &Envelope) {
    match drover_proto::resource(news.resource.as_ref()) {
        Ok(host) => {
            runner.surroundings.agents.breakers().succeed(host.id);
            runner.wake_recovered().await;
        }
        Err(error) => tracing::warn!(%error, "unsound news of a connection dropped"),
    }
}
