//! Where what a watcher is told goes: into the body of an answer, or into a WebSocket.

use std::time::Duration;

use axum::body::Bytes;
use drover_store::Position;

use super::choice::Choice;
use super::event::Ending;
use super::form::{Form, Told};
use super::page::Page;
use super::queue::{Filling, Refused};

/// Something that a watcher is told.
pub(super) enum Telling<'a> {
    /// Changes of a page, as they are for everybody.
    Page(&'a Page, &'a Choice),
    /// Events made for this one.
    Events(&'a [Told]),
}

/// Where it goes.
pub(super) trait Outlet: Send {
    /// How often something is said if there is nothing to tell; none for never.
    fn beat(&self) -> Option<Duration>;

    /// Tells something, after which whoever comes back goes on from a position.
    fn tell(
        &mut self,
        telling: Telling<'_>,
        position: Option<Position>,
    ) -> impl Future<Output = Result<(), Ending>> + Send;

    /// Shows that the watch is alive, in a way that is no event.
    fn keep_alive(
        &mut self,
        position: Option<Position>,
    ) -> impl Future<Output = Result<(), Ending>> + Send;

    /// Ends when whoever watches has gone.
    fn left(&mut self) -> impl Future<Output = ()> + Send;

    /// Tells that the watch is over, if that can still be told.
    fn end(self, ending: Ending, position: Option<Position>) -> impl Future<Output = ()> + Send;
}

/// The body of an answer.
pub(super) struct Body {
    pub(super) form: Form,
    pub(super) queue: Filling,
}

impl From<Refused> for Ending {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Left => Self::Left,
            Refused::Slow => Self::Slow,
        }
    }
}

impl Outlet for Body {
    /// Proxies close an event stream that is silent for a minute or so. A reader of lines may not
    /// know what to do with an empty one.
    fn beat(&self) -> Option<Duration> {
        match self.form {
            Form::Lines => None,
            Form::Events => Some(Duration::from_secs(15)),
        }
    }

    async fn tell(
        &mut self,
        telling: Telling<'_>,
        position: Option<Position>,
    ) -> Result<(), Ending> {
        let chunk = match telling {
            Telling::Page(page, choice) => page.chosen(self.form, choice),
            Telling::Events(told) => self.form.text(told.iter()).bytes,
        };
        Ok(self.queue.put(chunk, position).await?)
    }

    async fn keep_alive(&mut self, position: Option<Position>) -> Result<(), Ending> {
        let comment = Bytes::from_static(b": still here\n\n");
        Ok(self.queue.put(comment, position).await?)
    }

    async fn left(&mut self) {
        self.queue.left().await;
    }

    async fn end(self, ending: Ending, position: Option<Position>) {
        let position = match ending {
            // What waits will not be read; whoever comes back is told it again.
            Ending::Slow | Ending::Left => self.queue.clear(),
            _ => position,
        };
        let last = [Told::of(&ending.event(position))];
        let last = self.form.text(last.iter()).bytes;
        self.queue.end(last, position);
    }
}
