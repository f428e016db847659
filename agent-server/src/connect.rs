//! `GET /agent/v1/events`: an agent connects, in the form that it asks for.
//!
//! Who asks for a WebSocket is given one. Everybody else is answered in lines of JSON that never end,
//! and posts what it has to say ([`replies`](crate::replies)).

use std::sync::Arc;

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use drover_domain::resource::Details;
use drover_domain::{ResourceId, ResourceType};
use drover_proto::plain::LINES;
use drover_store::{CredentialKind, Presented};

use crate::link::{FRAME_LIMIT, plain};
use crate::problem::Problem;
use crate::{Shared, link, session};

/// What a connection reads into, in bytes. Most agents are idle most of the time, and the usual
/// 128 KiB for each would be nearly all the memory that they take.
const READ_BUFFER: usize = 4 * 1024;

/// An agent that has shown its credential.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Identity {
    pub(crate) agent: ResourceId,
    pub(crate) host: ResourceId,
    /// The credential that was shown.
    pub(crate) credential: Presented,
}

pub(crate) async fn connect(
    State(shared): State<Arc<Shared>>,
    identity: Identity,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    match upgrade {
        Ok(upgrade) => by_socket(shared, identity, upgrade),
        Err(rejection) if headers.contains_key(header::UPGRADE) => rejection.into_response(),
        Err(_) => by_lines(shared, identity, &headers).unwrap_or_else(IntoResponse::into_response),
    }
}

fn by_socket(shared: Arc<Shared>, identity: Identity, upgrade: WebSocketUpgrade) -> Response {
    upgrade
        .max_frame_size(FRAME_LIMIT)
        .max_message_size(FRAME_LIMIT)
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .on_upgrade(move |socket| {
            let tasks = shared.tasks.clone();
            let link = link::split(socket, shared.silence(), &shared.meter);
            let place = shared.sessions.enter(identity.agent);
            tasks.track_future(async move { session::run(shared, identity, place, link).await })
        })
}

fn by_lines(
    shared: Arc<Shared>,
    identity: Identity,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    if !takes_lines(headers) {
        return Err(Problem::NotAcceptable);
    }
    let opened = plain::open(shared.silence(), &shared.meter);
    let place = shared.sessions.enter(identity.agent);
    place.open_door(identity.credential, opened.posts);
    let tasks = shared.tasks.clone();
    tasks.spawn(async move { session::run(shared, identity, place, opened.link).await });
    let headers = [
        (header::CONTENT_TYPE, LINES),
        (header::CACHE_CONTROL, "no-store"),
        // Some proxies gather what they pass on, unless they are told not to.
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    Ok((headers, opened.body).into_response())
}

/// Whether lines are among what a client takes. One that does not say takes everything.
fn takes_lines(headers: &HeaderMap) -> bool {
    let mut accepted = headers.get_all(header::ACCEPT).iter().peekable();
    if accepted.peek().is_none() {
        return true;
    }
    accepted
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|one| one.split(';').next())
        .any(|one| matches!(one.trim(), "*/*" | "application/*") || one.trim() == LINES)
}

/// The credential that a request shows.
pub(crate) fn presented(headers: &HeaderMap) -> Result<Presented, Problem> {
    bearer(headers)
        .and_then(|text| Presented::parse(CredentialKind::Agent, text))
        .ok_or(Problem::Unauthorized(
            "show the agent's credential as a bearer token",
        ))
}

/// Whose credential it is.
pub(crate) async fn identify(shared: &Shared, presented: &Presented) -> Result<Identity, Problem> {
    let unknown = Problem::Unauthorized("the credential is not valid any more");
    let verified = shared
        .store
        .verify(CredentialKind::Agent, presented, shared.clock.now())
        .await?;
    let Some((agent, verified)) = verified.and_then(|verified| Some((verified.owner?, verified)))
    else {
        return Err(unknown);
    };
    if verified.expires.is_some() {
        // It was given to replace another one, and whoever shows it has written it down.
        shared.store.end_rotation(agent, verified.id).await?;
    }
    let resource = shared.store.resource(ResourceType::Agent, agent).await?;
    match resource.map(|resource| resource.details) {
        Some(Details::Agent { spec, .. }) => Ok(Identity {
            agent,
            host: spec.host_id,
            credential: *presented,
        }),
        _ => Err(unknown),
    }
}

impl FromRequestParts<Arc<Shared>> for Identity {
    type Rejection = Problem;

    async fn from_request_parts(
        parts: &mut Parts,
        shared: &Arc<Shared>,
    ) -> Result<Self, Self::Rejection> {
        identify(shared, &presented(&parts.headers)?).await
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?
        .strip_prefix("Bearer ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_for_whoever_takes_them() {
        let takes = |accept: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in accept {
                headers.append(header::ACCEPT, value.parse().unwrap());
            }
            takes_lines(&headers)
        };
        assert!(takes(&[]) && takes(&["*/*"]) && takes(&["application/x-ndjson"]));
        assert!(takes(&["text/html, application/*;q=0.5"]));
        assert!(!takes(&["text/html"]) && !takes(&["application/json"]));
    }
}
