//! Whether a connection is used: how many requests are being answered, and if none is, since when,
//! and since when the next one has been arriving.
//!
//! The socket notes the first byte that it reads after a pause, the service each request from its
//! headers to the last byte of its answer. Whoever watches over the connection asks when it will
//! have been quiet for too long, sleeps until then, and asks again.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body, Frame, SizeHint};
use tokio::time::Instant;

use crate::Limits;

/// No byte was heard since the last answer.
const NOTHING: u64 = u64::MAX;

/// What one connection does. Times are milliseconds since it began.
pub(crate) struct Activity {
    began: Instant,
    answers: AtomicUsize,
    quiet_since: AtomicU64,
    heard_at: AtomicU64,
}

impl Activity {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            began: Instant::now(),
            answers: AtomicUsize::new(0),
            quiet_since: AtomicU64::new(0),
            heard_at: AtomicU64::new(NOTHING),
        })
    }

    /// A byte was read.
    pub(crate) fn hear(&self) {
        let is_first = self.heard_at.load(Ordering::Relaxed) == NOTHING;
        if is_first && self.answers.load(Ordering::Relaxed) == 0 {
            self.heard_at(Instant::now());
        }
    }

    fn heard_at(&self, now: Instant) {
        self.heard_at.store(self.millis(now), Ordering::Relaxed);
    }

    fn answered_at(&self, now: Instant) {
        self.quiet_since.store(self.millis(now), Ordering::Relaxed);
        self.heard_at.store(NOTHING, Ordering::Relaxed);
        self.answers.fetch_sub(1, Ordering::Relaxed);
    }

    fn millis(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.began);
        u64::try_from(since.as_millis()).unwrap_or(NOTHING - 1)
    }

    /// A request has arrived; it is being answered until what this gives is dropped.
    pub(crate) fn answer(self: &Arc<Self>) -> Answer {
        self.answers.fetch_add(1, Ordering::Relaxed);
        Answer(Arc::clone(self))
    }

    /// When the connection will have been quiet, or a request on its way, for too long, if nothing
    /// happens until then; none while an answer is under way.
    pub(crate) fn ends_at(&self, limits: &Limits) -> Option<Instant> {
        if self.answers.load(Ordering::Relaxed) > 0 {
            return None;
        }
        let millis = Duration::from_millis;
        let quiet = millis(self.quiet_since.load(Ordering::Relaxed)) + limits.idle;
        let after = match self.heard_at.load(Ordering::Relaxed) {
            NOTHING => quiet,
            heard_at => quiet.min(millis(heard_at) + limits.headers_within),
        };
        Some(self.began + after)
    }
}

/// A request that is being answered.
pub(crate) struct Answer(Arc<Activity>);

impl Drop for Answer {
    fn drop(&mut self) {
        self.0.answered_at(Instant::now());
    }
}

/// The body of an answer, which is under way until all of it was taken.
pub(crate) struct Answered {
    pub(crate) body: axum::body::Body,
    pub(crate) _answer: Answer,
}

impl Body for Answered {
    type Data = axum::body::Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_ends_when_it_was_quiet_for_too_long_but_not_during_an_answer() {
        let limits = Limits {
            idle: Duration::from_secs(75),
            headers_within: Duration::from_secs(30),
            ..Limits::default()
        };
        let activity = Activity::new();
        let after = |seconds| activity.began + Duration::from_secs(seconds);
        assert_eq!(activity.ends_at(&limits), Some(after(75)));

        activity.heard_at(after(10));
        assert_eq!(activity.ends_at(&limits), Some(after(40)));
        activity.hear();
        let end = activity.ends_at(&limits);
        assert_eq!(end, Some(after(40)), "the first byte counts");

        let answer = activity.answer();
        assert_eq!(activity.ends_at(&limits), None);
        std::mem::forget(answer);
        activity.answered_at(after(120));
        assert_eq!(activity.ends_at(&limits), Some(after(195)));
    }
}
