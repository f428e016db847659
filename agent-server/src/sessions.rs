//! Which agents are connected here. An agent that connects again takes the place of its older
//! connection, which is most likely dead without having noticed.
//!
//! A session in the plain form has a [`Door`] besides, through which what is posted comes in. It is
//! found by the id of the session and opened with the credential that the session was begun with, so
//! that a POST costs no look at the database.
//!
//! What this server itself wants of an agent is an [`Order`] to its session: it needs no bus.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use drover_domain::ResourceId;
use drover_proto::v1::{Command, reply};
use drover_store::Presented;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::link::plain::Post;

/// Orders that wait for a session to take them.
const ORDERS: usize = 16;

/// A command that this server itself has for an agent, and where the reply goes.
pub(crate) struct Order {
    pub(crate) command: Command,
    pub(crate) reply: oneshot::Sender<reply::Result>,
}

/// The sessions of this server.
#[derive(Default)]
pub(crate) struct Sessions {
    books: Mutex<Books>,
}

#[derive(Default)]
struct Books {
    by_agent: HashMap<ResourceId, Entry>,
    doors: HashMap<Uuid, Arc<Door>>,
}

struct Entry {
    session: Uuid,
    replaced: CancellationToken,
    orders: mpsc::Sender<Order>,
}

/// Where the POSTs of a plain session go.
pub(crate) struct Door {
    agent: ResourceId,
    credential: Presented,
    posts: mpsc::Sender<Post>,
    one_at_a_time: Semaphore,
}

/// The place of one session, as long as it lives.
pub(crate) struct Place {
    shared: Arc<Sessions>,
    agent: ResourceId,
    /// Names the session.
    pub(crate) session: Uuid,
    /// Ends when a newer connection of the agent takes the place.
    pub(crate) replaced: CancellationToken,
    /// What this server itself wants of the agent.
    pub(crate) orders: mpsc::Receiver<Order>,
}

impl Sessions {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the place of an agent, and ends whoever had it.
    pub(crate) fn enter(self: &Arc<Self>, agent: ResourceId) -> Place {
        let replaced = CancellationToken::new();
        let session = Uuid::now_v7();
        let (sender, orders) = mpsc::channel(ORDERS);
        let entry = Entry {
            session,
            replaced: replaced.clone(),
            orders: sender,
        };
        let older = self.books().by_agent.insert(agent, entry);
        if let Some(older) = older {
            older.replaced.cancel();
        }
        Place {
            shared: Arc::clone(self),
            agent,
            session,
            replaced,
            orders,
        }
    }

    /// Hands an order to the session of an agent. False if it is not connected here, or has more orders
    /// in hand than it takes.
    pub(crate) fn order(&self, agent: ResourceId, order: Order) -> bool {
        let books = self.books();
        let entry = books.by_agent.get(&agent);
        entry.is_some_and(|entry| entry.orders.try_send(order).is_ok())
    }

    /// Ends every session.
    pub(crate) fn end_all(&self) {
        let books = self.books();
        books
            .by_agent
            .values()
            .for_each(|entry| entry.replaced.cancel());
    }

    /// The door of a plain session, if that session is held here.
    pub(crate) fn door(&self, session: Uuid) -> Option<Arc<Door>> {
        self.books().doors.get(&session).cloned()
    }
}

impl Door {
    /// The agent whose session it is.
    pub(crate) const fn agent(&self) -> ResourceId {
        self.agent
    }

    /// Whether it is opened with this credential.
    pub(crate) fn opens_with(&self, credential: &Presented) -> bool {
        self.credential == *credential
    }

    /// The right to post; one POST at a time has it, so that they keep their order and no agent
    /// has this server hold many.
    pub(crate) async fn turn(&self) -> Option<tokio::sync::SemaphorePermit<'_>> {
        self.one_at_a_time.acquire().await.ok()
    }

    /// Hands in what was posted, as soon as there is room. False if the session has ended.
    pub(crate) async fn hand_in(&self, post: Post) -> bool {
        self.posts.send(post).await.is_ok()
    }
}

impl Place {
    /// Opens a door to this session.
    pub(crate) fn open_door(&self, credential: Presented, posts: mpsc::Sender<Post>) {
        let door = Door {
            agent: self.agent,
            credential,
            posts,
            one_at_a_time: Semaphore::new(1),
        };
        self.shared
            .books()
            .doors
            .insert(self.session, Arc::new(door));
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut books = self.shared.books();
        books.doors.remove(&self.session);
        let is_ours = books
            .by_agent
            .get(&self.agent)
            .is_some_and(|entry| entry.session == self.session);
        if is_ours {
            books.by_agent.remove(&self.agent);
        }
    }
}

#[cfg(test)]
mod tests {
    use drover_store::CredentialKind;

    use super::*;

    fn agent() -> ResourceId {
        ResourceId::new(Uuid::from_u128(1))
    }

    #[test]
    fn a_newer_connection_ends_the_older_and_keeps_its_own_place() {
        let sessions = Arc::new(Sessions::default());
        let older = sessions.enter(agent());
        let newer = sessions.enter(agent());
        assert!(older.replaced.is_cancelled());
        drop(older);
        assert!(!newer.replaced.is_cancelled());
        let newest = sessions.enter(agent());
        assert!(newer.replaced.is_cancelled());
        assert!(!newest.replaced.is_cancelled());
    }

    #[test]
    fn a_door_opens_with_the_credential_of_its_session_and_goes_with_it() {
        let shown = |secret| {
            let text = format!("dra_{}_{secret}", Uuid::nil());
            Presented::parse(CredentialKind::Agent, &text).unwrap()
        };
        let sessions = Arc::new(Sessions::default());
        let place = sessions.enter(agent());
        let session = place.session;
        assert!(sessions.door(session).is_none());
        place.open_door(shown("a"), mpsc::channel(1).0);
        let door = sessions.door(session).unwrap();
        assert!(door.opens_with(&shown("a")));
        assert!(!door.opens_with(&shown("b")));
        drop(place);
        assert!(sessions.door(session).is_none());
    }
}
