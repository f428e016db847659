//! Streams: from an API server to an agent, passed on without looking.
//!
//! ```text
//!   API server -- GET /streams/v1/{ticket} --> [open]   ticket taken, a place, an order to the session
//!                                                |
//!        agent <-- openStream ---------------- session
//!        agent -- GET /agent/v1/streams/{id} --> [dial]  hands its socket to whoever opened the stream
//!                                                |
//!   API server <=========================== [pipe] ====> agent     message by message
//! ```
//!
//! The API server has looked who asks and whether they may; the ticket says so ([`drover_store`]). Here
//! it is looked that the agent that dials is the one that was asked, once and in time.
//!
//! A stream has a connection of its own on either side, and two tasks' worth of work: each takes a
//! message and hands it on before it takes the next. So what is held of a stream is a message in each
//! direction and the buffers of its sockets, a stream whose reader is slow is read as slowly, and
//! everything else goes on. A reader that takes nothing is cut by the server as on any connection
//! ([`Limits::stalled`](drover_serving::Limits)).

mod dial;
mod open;
mod pipe;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::ws::{WebSocket, WebSocketUpgrade};
use drover_domain::ResourceId;
use drover_domain::stream::frame::MESSAGE_LIMIT;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub(crate) use dial::dial;
pub(crate) use open::open;

/// The most streams of one agent, and of all.
const OF_AN_AGENT: usize = 64;
const OF_ALL: usize = 2_000;
/// What a socket reads into, in bytes. Much is read at once where there is much.
const READ_BUFFER: usize = 32 * 1024;

/// The streams of this server.
#[derive(Default)]
pub(crate) struct Streams {
    books: Mutex<Books>,
}

#[derive(Default)]
struct Books {
    /// Streams whose agent has yet to dial.
    waiting: HashMap<Uuid, (ResourceId, oneshot::Sender<WebSocket>)>,
    of_agents: HashMap<ResourceId, OfAgent>,
    count: usize,
}

struct OfAgent {
    count: usize,
    /// Ends all of them.
    ended: CancellationToken,
}

/// A place among the streams, as long as this lives.
struct Place {
    streams: Arc<Streams>,
    agent: ResourceId,
    /// Names the stream.
    id: Uuid,
    /// Ends when the agent may not be connected any more.
    ended: CancellationToken,
}

/// Why a dial leads to no stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NoStream {
    /// No stream of that id waits; it may have waited too long.
    Unknown,
    /// It waits for another agent.
    Foreign,
}

impl Streams {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a stream to an agent, and the socket that the agent will dial; none if there are as
    /// many as there may be.
    fn enter(self: &Arc<Self>, agent: ResourceId) -> Option<(Place, oneshot::Receiver<WebSocket>)> {
        let id = Uuid::new_v4();
        let (sender, socket) = oneshot::channel();
        let mut books = self.books();
        let of_agent = books.of_agents.get(&agent).map_or(0, |of| of.count);
        if books.count >= OF_ALL || of_agent >= OF_AN_AGENT {
            return None;
        }
        books.count += 1;
        books.waiting.insert(id, (agent, sender));
        let of_agent = books.of_agents.entry(agent).or_insert_with(|| OfAgent {
            count: 0,
            ended: CancellationToken::new(),
        });
        of_agent.count += 1;
        let place = Place {
            streams: Arc::clone(self),
            agent,
            id,
            ended: of_agent.ended.clone(),
        };
        Some((place, socket))
    }

    /// Where the socket of an agent goes that has dialled for a stream. Once.
    fn take(&self, id: Uuid, agent: ResourceId) -> Result<oneshot::Sender<WebSocket>, NoStream> {
        let mut books = self.books();
        match books.waiting.get(&id) {
            None => Err(NoStream::Unknown),
            Some((asked, _)) if *asked != agent => Err(NoStream::Foreign),
            Some(_) => {
                let waiting = books.waiting.remove(&id);
                waiting.map(|(_, socket)| socket).ok_or(NoStream::Unknown)
            }
        }
    }

    /// Ends the streams of an agent that may not be connected any more.
    pub(crate) fn end_of(&self, agent: ResourceId) {
        if let Some(of_agent) = self.books().of_agents.get(&agent) {
            of_agent.ended.cancel();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut books = self.streams.books();
        books.waiting.remove(&self.id);
        books.count -= 1;
        if let Some(of_agent) = books.of_agents.get_mut(&self.agent) {
            of_agent.count -= 1;
            if of_agent.count == 0 {
                books.of_agents.remove(&self.agent);
            }
        }
    }
}

/// A WebSocket for a stream: it holds next to nothing of what passes.
fn of_a_stream(upgrade: WebSocketUpgrade) -> WebSocketUpgrade {
    upgrade
        .max_frame_size(MESSAGE_LIMIT)
        .max_message_size(MESSAGE_LIMIT)
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent(number: u128) -> ResourceId {
        ResourceId::new(Uuid::from_u128(number))
    }

    #[test]
    fn a_stream_is_taken_once_and_by_its_agent_only() {
        let streams = Arc::new(Streams::default());
        let (place, _socket) = streams.enter(agent(1)).unwrap();
        assert_eq!(
            streams.take(place.id, agent(2)).unwrap_err(),
            NoStream::Foreign
        );
        assert!(streams.take(place.id, agent(1)).is_ok());
        assert_eq!(
            streams.take(place.id, agent(1)).unwrap_err(),
            NoStream::Unknown
        );
    }

    #[test]
    fn what_nobody_waits_for_any_more_cannot_be_taken_and_leaves_nothing() {
        let streams = Arc::new(Streams::default());
        let (place, _socket) = streams.enter(agent(1)).unwrap();
        let id = place.id;
        drop(place);
        assert_eq!(streams.take(id, agent(1)).unwrap_err(), NoStream::Unknown);
        let books = streams.books();
        assert!(books.waiting.is_empty() && books.of_agents.is_empty() && books.count == 0);
    }

    #[test]
    fn one_agent_cannot_have_all_streams_and_the_server_has_a_bound_too() {
        let streams = Arc::new(Streams::default());
        let mut places: Vec<_> = (0..OF_AN_AGENT)
            .map(|_| streams.enter(agent(1)).unwrap())
            .collect();
        assert!(streams.enter(agent(1)).is_none());
        let others = u128::try_from(OF_ALL).unwrap();
        places.extend((2..=others).map_while(|number| streams.enter(agent(number))));
        assert_eq!(places.len(), OF_ALL);
        places.pop();
        assert!(streams.enter(agent(9)).is_some());
    }

    #[test]
    fn the_streams_of_an_agent_end_with_its_credential() {
        let streams = Arc::new(Streams::default());
        let (one, _socket) = streams.enter(agent(1)).unwrap();
        let (other, _socket) = streams.enter(agent(2)).unwrap();
        streams.end_of(agent(1));
        assert!(one.ended.is_cancelled() && !other.ended.is_cancelled());
        drop(one);
        let (again, _socket) = streams.enter(agent(1)).unwrap();
        assert!(!again.ended.is_cancelled());
    }
}
