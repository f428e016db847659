//! `GET /streams/v1/{ticket}`: an API server asks for a stream.
//!
//! The answer is held back until the agent has dialled, so that whatever keeps it from that is a problem
//! with a code, and not a stream that ends at once.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{WebSocket, WebSocketUpgrade};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use drover_domain::{ResourceRef, ResourceType};
use drover_proto::stream::{code, open_stream};
use drover_proto::v1::{Command, Failure, command, failure, reply};
use drover_store::{StreamTicket, TicketText};
use tokio::sync::oneshot;
use tokio::time::timeout;
use uuid::Uuid;

use super::{of_a_stream, pipe};
use crate::Shared;
use crate::problem::Problem;
use crate::sessions::Order;

/// How long an agent has until it has dialled.
const OPEN_WITHIN: Duration = Duration::from_secs(15);

pub(crate) async fn open(
    State(shared): State<Arc<Shared>>,
    Path(ticket): Path<String>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let upgrade = upgrade.map_err(|rejection| Problem::NoSocket(rejection.body_text()))?;
    let unknown = || refused(code::TICKET, "there is no such ticket, or not any more");
    let shown = shown(&ticket, &headers).ok_or_else(unknown)?;
    let taken = shared.store.take_ticket(&shown, shared.clock.now()).await?;
    let ticket = taken.ok_or_else(unknown)?;
    let (place, socket) = shared.streams.enter(ticket.agent).ok_or_else(|| {
        let reason = "the host, or its agent server, has as many streams as it takes";
        refused(code::TOO_MANY, reason)
    })?;
    let replied = order(&shared, &ticket, place.id)?;
    let dialled = timeout(OPEN_WITHIN, dialled(replied, socket)).await;
    let agent = dialled.map_err(|_| {
        let reason = format!("the agent has not dialled within {OPEN_WITHIN:?}");
        Problem::Stream(code::TIMED_OUT, reason)
    })??;
    let kind = ticket.request.name();
    tracing::debug!(agent = %ticket.agent, container = %ticket.container, kind, "stream opened");
    let tasks = shared.tasks.clone();
    Ok(of_a_stream(upgrade).on_upgrade(move |client| {
        tasks.track_future(async move {
            let _counted = shared.meter.stream();
            let ends = pipe::Ends {
                agent: place.ended.clone(),
                server: shared.shutdown.clone(),
            };
            pipe::run(client, agent, ends).await;
            drop(place);
        })
    }))
}

/// The ticket that a request shows: its id in the address, its secret beside it.
fn shown(id: &str, headers: &HeaderMap) -> Option<TicketText> {
    let bearer = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    Some(TicketText {
        id: Uuid::try_parse(id).ok()?,
        secret: bearer.strip_prefix("Bearer ")?.to_owned(),
    })
}

/// Sends the command to the agent, and gives what its reply comes to.
fn order(
    shared: &Shared,
    ticket: &StreamTicket,
    stream: Uuid,
) -> Result<oneshot::Receiver<reply::Result>, Problem> {
    let container = ResourceRef {
        resource_type: ResourceType::Container,
        id: ticket.container,
    };
    let open = open_stream(stream.to_string(), &ticket.request);
    let patience = OPEN_WITHIN.as_millis();
    let command = Command {
        id: Uuid::now_v7().to_string(),
        resource: Some(container.into()),
        fence: 0,
        timeout_millis: i64::try_from(patience).unwrap_or(i64::MAX),
        action: Some(command::Action::OpenStream(Box::new(open))),
    };
    let (reply, replied) = oneshot::channel();
    match shared
        .sessions
        .order(ticket.agent, Order { command, reply })
    {
        true => Ok(replied),
        false => Err(away()),
    }
}

/// Waits until the agent has dialled, or has said why it does not.
async fn dialled(
    mut replied: oneshot::Receiver<reply::Result>,
    mut socket: oneshot::Receiver<WebSocket>,
) -> Result<WebSocket, Problem> {
    let has_failed = || refused(code::FAILED, "the agent could not dial");
    tokio::select! {
        // An agent that dials before it replies has replied.
        socket = &mut socket => return socket.map_err(|_| has_failed()),
        reply = &mut replied => match reply {
            Ok(reply::Result::StreamOpened(_)) => {}
            Ok(reply::Result::Failure(failure)) => return Err(of_failure(failure)),
            Ok(_) => return Err(refused(code::FAILED, "the agent replied something else")),
            Err(_) => return Err(away()),
        },
    }
    socket.await.map_err(|_| has_failed())
}

fn of_failure(failure: Failure) -> Problem {
    use failure::Code;
    let reason = match failure.code() {
        Code::NotFound => code::NOT_THERE,
        Code::Refused | Code::ImageMissing => code::REFUSED,
        Code::Unsupported => code::UNSUPPORTED,
        _ => code::FAILED,
    };
    Problem::Stream(reason, failure.message)
}

fn away() -> Problem {
    let reason = "the agent of the host is not connected to this agent server";
    refused(code::AWAY, reason)
}

fn refused(code: &'static str, reason: &str) -> Problem {
    Problem::Stream(code, reason.to_owned())
}
