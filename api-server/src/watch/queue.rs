//! What waits to be read by one who watches: a queue of bounded size between the watcher and the
//! body of its answer.
//!
//! It has one who fills it, who waits for room, and one who empties it, HTTP. Filling it gives up when
//! nothing was taken for too long; what waits is then thrown away at once, and the place from which
//! to go on is the end of what was taken.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use axum::body::Bytes;
use drover_store::Position;
use futures::Stream;
use tokio::sync::Notify;
use tokio::time::timeout;

/// How much waits at most, in bytes; one chunk fits in any case.
const ROOM: usize = 64 * 1024;

/// The end that is filled.
pub(super) struct Filling {
    queue: Arc<Queue>,
    patience: Duration,
}

/// The end that is emptied.
pub(super) struct Emptying(Arc<Queue>);

#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    taken: Notify,
}

#[derive(Default)]
struct State {
    chunks: VecDeque<(Bytes, Option<Position>)>,
    bytes: usize,
    /// The end of what was taken, if one can go on from there.
    position: Option<Position>,
    is_over: bool,
    is_left: bool,
    reader: Option<Waker>,
}

/// Why nothing more can be put into a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// Nobody reads any more.
    Left,
    /// What is there is not read.
    Slow,
}

/// A queue for whoever has seen everything up to a position, if there is one.
pub(super) fn queue(position: Option<Position>, patience: Duration) -> (Filling, Emptying) {
    let queue = Arc::new(Queue::default());
    queue.state().position = position;
    let filling = Filling {
        queue: Arc::clone(&queue),
        patience,
    };
    (filling, Emptying(queue))
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn push(&mut self, chunk: Bytes, position: Option<Position>) {
        self.bytes += chunk.len();
        self.chunks.push_back((chunk, position));
        self.wake();
    }

    fn wake(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

impl Filling {
    /// Adds a chunk, after which whoever comes back goes on from a position, if there is one yet.
    pub(super) async fn put(
        &self,
        chunk: Bytes,
        position: Option<Position>,
    ) -> Result<(), Refused> {
        loop {
            let taken = self.queue.taken.notified();
            tokio::pin!(taken);
            // From here on nothing that is taken is missed.
            taken.as_mut().enable();
            {
                let mut state = self.queue.state();
                if state.is_left {
                    return Err(Refused::Left);
                }
                if state.chunks.is_empty() || state.bytes + chunk.len() <= ROOM {
                    state.push(chunk, position);
                    return Ok(());
                }
            }
            let waited = timeout(self.patience, taken).await;
            waited.map_err(|_| Refused::Slow)?;
        }
    }

    /// Ends when nobody reads any more.
    pub(super) async fn left(&self) {
        loop {
            let taken = self.queue.taken.notified();
            tokio::pin!(taken);
            taken.as_mut().enable();
            if self.queue.state().is_left {
                return;
            }
            taken.await;
        }
    }

    /// Throws away what waits, and gives the end of what was taken.
    pub(super) fn clear(&self) -> Option<Position> {
        let mut state = self.queue.state();
        state.chunks.clear();
        state.bytes = 0;
        state.position
    }

    /// Adds what is told last, whether there is room or not.
    pub(super) fn end(self, last: Bytes, position: Option<Position>) {
        self.queue.state().push(last, position);
    }
}

impl Drop for Filling {
    fn drop(&mut self) {
        let mut state = self.queue.state();
        state.is_over = true;
        state.wake();
    }
}

impl Stream for Emptying {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut state = self.0.state();
        if let Some((chunk, position)) = state.chunks.pop_front() {
            state.bytes -= chunk.len();
            state.position = position;
            drop(state);
            self.0.taken.notify_waiters();
            return Poll::Ready(Some(Ok(chunk)));
        }
        if state.is_over {
            return Poll::Ready(None);
        }
        state.reader = Some(context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Emptying {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.is_left = true;
        state.chunks.clear();
        drop(state);
        self.0.taken.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;

    use super::*;

    const PATIENCE: Duration = Duration::from_millis(50);

    fn at(text: &str) -> Option<Position> {
        text.parse().ok()
    }

    fn large() -> Bytes {
        Bytes::from(vec![b'x'; ROOM / 2 + 1])
    }

    #[tokio::test]
    async fn what_is_put_in_comes_out_in_order_and_then_the_end() {
        let (filling, emptying) = queue(at("0"), PATIENCE);
        for text in ["a", "b"] {
            filling.put(text.into(), at("1-1")).await.unwrap();
        }
        filling.end("c".into(), at("1-2"));
        let chunks: Vec<_> = emptying.map(|chunk| chunk.unwrap()).collect().await;
        assert_eq!(chunks, ["a", "b", "c"]);
    }

    #[tokio::test]
    async fn one_who_takes_nothing_is_given_up_and_goes_on_from_what_was_taken() {
        let (filling, mut emptying) = queue(at("0"), PATIENCE);
        filling.put(large(), at("1-1")).await.unwrap();
        emptying.next().await.unwrap().unwrap();
        filling.put(large(), at("1-2")).await.unwrap();
        let refused = filling.put(large(), at("1-3")).await;
        assert_eq!(refused, Err(Refused::Slow));
        assert_eq!(filling.clear(), at("1-1"));
        filling.end("cut".into(), at("1-1"));
        assert_eq!(emptying.next().await.unwrap().unwrap(), "cut");
        assert!(emptying.next().await.is_none());
    }

    #[tokio::test]
    async fn one_who_takes_something_now_and_then_is_waited_for() {
        let (filling, mut emptying) = queue(at("0"), Duration::from_secs(20));
        filling.put(large(), at("1-1")).await.unwrap();
        let (put, taken) = tokio::join!(filling.put(large(), at("1-2")), emptying.next());
        assert!(put.is_ok() && taken.is_some());
    }

    #[tokio::test]
    async fn it_is_noticed_that_nobody_reads_any_more() {
        let (filling, emptying) = queue(at("0"), PATIENCE);
        let left = tokio::spawn(async move {
            filling.left().await;
            filling.put("a".into(), at("1-1")).await
        });
        drop(emptying);
        assert_eq!(left.await.unwrap(), Err(Refused::Left));
    }
}
