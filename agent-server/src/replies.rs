//! `POST /agent/v1/replies`: an agent of the plain form says something, or that it is there.
//!
//! The POST names the session for which it speaks, as the welcome told it, and shows the credential
//! with which that session was begun. A session lives on one agent server: another one, or the same
//! one after the session has ended, tells the agent to connect again.

use std::sync::Arc;

use axum::Json;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use drover_proto::plain::{self, SESSION_HEADER};
use serde::Serialize;
use uuid::Uuid;

use crate::Shared;
use crate::connect::{identify, presented};
use crate::link::FRAME_LIMIT;
use crate::link::plain::Post;
use crate::offences::Offence;
use crate::problem::Problem;
use crate::sessions::Door;

/// The most frames of one POST.
const FRAMES: usize = 10_000;

/// What is answered.
#[derive(Serialize)]
pub(crate) struct Accepted {
    /// How many frames were taken in.
    accepted: usize,
}

pub(crate) async fn post(
    State(shared): State<Arc<Shared>>,
    request: Request,
) -> Result<Json<Accepted>, Problem> {
    let door = door(&shared, request.headers()).await?;
    let length = request.headers().get(header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > FRAME_LIMIT as u64) {
        return Err(Problem::TooLarge);
    }
    let turn = door.turn().await.ok_or(Problem::NoSession)?;
    let body = to_bytes(request.into_body(), FRAME_LIMIT).await;
    let body = body.map_err(|_| Problem::TooLarge)?;
    let frames = plain::frames(&body, FRAMES);
    let frames = frames.map_err(|unreadable| Problem::Invalid(unreadable.to_string()))?;
    let accepted = frames.len();
    let post = Post {
        frames,
        length: body.len(),
    };
    let is_taken = door.hand_in(post).await;
    drop(turn);
    match is_taken {
        true => Ok(Json(Accepted { accepted })),
        false => Err(Problem::NoSession),
    }
}

/// The door of the session that a POST names, if it may come in.
async fn door(shared: &Shared, headers: &HeaderMap) -> Result<Arc<Door>, Problem> {
    let credential = presented(headers)?;
    let named = headers
        .get(SESSION_HEADER)
        .and_then(|named| Uuid::try_parse(named.to_str().ok()?).ok());
    let door = named.and_then(|named| shared.sessions.door(named));
    if let Some(door) = &door
        && door.opens_with(&credential)
    {
        return Ok(Arc::clone(door));
    }
    let identity = identify(shared, &credential).await?;
    match door {
        Some(door) if door.agent() != identity.agent => {
            shared
                .offences
                .note(shared, identity, Offence::ForeignSession);
            Err(Problem::ForeignSession)
        }
        _ if named.is_none() => Err(Problem::Invalid(format!(
            "the header {SESSION_HEADER} does not name the session that the welcome told"
        ))),
        _ => Err(Problem::NoSession),
    }
}
