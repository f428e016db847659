//! Whether whoever reads a stream still may: looked at now and then, with what the request has shown.

use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderMap;
use drover_domain::{ResourceId, ResourceType};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::authentication::identify;
use crate::problem::Problem;
use crate::{Shared, problem::catalogue};

/// The standing of one client, looked at for as long as this lives.
pub(crate) struct Standing {
    lost: CancellationToken,
    _looking: AbortOnDropHandle<()>,
}

impl Standing {
    /// Looks after whoever has shown `headers`, and reads a container's stream or, if `changes`, runs a
    /// command in it.
    pub(crate) fn of(
        shared: &Arc<Shared>,
        headers: &HeaderMap,
        container: ResourceId,
        changes: bool,
    ) -> Self {
        let lost = CancellationToken::new();
        let looking = {
            let (shared, headers, lost) = (Arc::clone(shared), headers.clone(), lost.clone());
            async move {
                loop {
                    let pause = shared.streams.check;
                    let pause = pause.mul_f64(0.75 + rand::random::<f64>() / 4.0);
                    tokio::select! {
                        () = tokio::time::sleep(pause) => {}
                        () = shared.shutdown.cancelled() => break,
                    }
                    if let Err(problem) = look(&shared, &headers, container, changes).await {
                        // While the database is away nothing can be said against anybody.
                        if problem.code() != catalogue::UNAVAILABLE.code {
                            tracing::debug!(
                                code = problem.code(),
                                "a stream is not allowed any more"
                            );
                            break;
                        }
                    }
                }
                lost.cancel();
            }
        };
        Self {
            lost,
            _looking: AbortOnDropHandle::new(tokio::spawn(looking)),
        }
    }

    /// Ends when the stream has to: its reader may not have it any more, or the server stops.
    pub(crate) async fn lost(&self) {
        self.lost.cancelled().await;
    }
}

async fn look(
    shared: &Shared,
    headers: &HeaderMap,
    container: ResourceId,
    changes: bool,
) -> Result<(), Problem> {
    let caller = identify(shared, headers).await?;
    let resource = shared.store.resource(ResourceType::Container, container);
    let resource = resource
        .await?
        .ok_or_else(|| Problem::not_found("container"))?;
    match changes {
        true => caller.changeable(resource)?,
        false => caller.seen(resource)?,
    };
    Ok(())
}

/// How long the last words of a stream may take.
pub(super) const FAREWELL: Duration = Duration::from_secs(2);
