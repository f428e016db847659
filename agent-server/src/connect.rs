//! `GET /agent/v1/events`: an agent opens its WebSocket.

use std::sync::Arc;

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::response::Response;
use drover_domain::resource::Details;
use drover_domain::{ResourceId, ResourceType};
use drover_store::{CredentialKind, Presented};

use crate::problem::Problem;
use crate::{Shared, session};

/// The largest frame, in bytes: an inventory of some ten thousand containers.
const FRAME_LIMIT: usize = 4 * 1024 * 1024;
/// What a connection reads into, in bytes. Most agents are idle most of the time, and the usual
/// 128 KiB for each would be nearly all the memory that they take.
const READ_BUFFER: usize = 4 * 1024;

/// An agent that has shown its credential.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Identity {
    pub(crate) agent: ResourceId,
    pub(crate) host: ResourceId,
}

pub(crate) async fn connect(
    State(shared): State<Arc<Shared>>,
    identity: Identity,
    upgrade: WebSocketUpgrade,
) -> Response {
    upgrade
        .max_frame_size(FRAME_LIMIT)
        .max_message_size(FRAME_LIMIT)
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .on_upgrade(move |socket| {
            let tasks = shared.tasks.clone();
            tasks.track_future(async move { session::run(shared, identity, socket).await })
        })
}

impl FromRequestParts<Arc<Shared>> for Identity {
    type Rejection = Problem;

    async fn from_request_parts(
        parts: &mut Parts,
        shared: &Arc<Shared>,
    ) -> Result<Self, Self::Rejection> {
        let presented = bearer(&parts.headers)
            .and_then(|text| Presented::parse(CredentialKind::Agent, text))
            .ok_or(Problem::Unauthorized(
                "show the agent's credential as a bearer token",
            ))?;
        let unknown = Problem::Unauthorized("the credential is not valid any more");
        let verified = shared
            .store
            .verify(CredentialKind::Agent, &presented, shared.clock.now())
            .await?;
        let Some(agent) = verified.and_then(|verified| verified.owner) else {
            return Err(unknown);
        };
        let resource = shared.store.resource(ResourceType::Agent, agent).await?;
        match resource.map(|resource| resource.details) {
            Some(Details::Agent { spec, .. }) => Ok(Self {
                agent,
                host: spec.host_id,
            }),
            _ => Err(unknown),
        }
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?
        .strip_prefix("Bearer ")
}
