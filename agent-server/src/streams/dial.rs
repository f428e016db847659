//! `GET /agent/v1/streams/{id}`: an agent dials for a stream that it was asked for.

use std::sync::Arc;

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Path, State};
use axum::response::Response;
use uuid::Uuid;

use super::{NoStream, of_a_stream};
use crate::Shared;
use crate::connect::Identity;
use crate::offences::Offence;
use crate::problem::Problem;

pub(crate) async fn dial(
    State(shared): State<Arc<Shared>>,
    identity: Identity,
    Path(id): Path<String>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let upgrade = upgrade.map_err(|rejection| Problem::NoSocket(rejection.body_text()))?;
    let id = Uuid::try_parse(&id).map_err(|_| Problem::NoStream)?;
    let waiting = shared.streams.take(id, identity.agent).map_err(|reason| {
        // One that came too late did nothing that it may not.
        if reason == NoStream::Foreign {
            shared
                .offences
                .note(&shared, identity, Offence::ForeignStream);
        }
        Problem::NoStream
    })?;
    Ok(of_a_stream(upgrade).on_upgrade(async move |socket| {
        if waiting.send(socket).is_err() {
            tracing::debug!(agent = %identity.agent, "an agent dialled for a stream after its time");
        }
    }))
}
