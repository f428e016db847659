//! What this server itself has asked of an agent, and who waits for the reply.
//!
//! It is as with the commands of others ([`pending`](crate::pending)), but that nobody else has to be
//! told: the reply goes to a task of this server. An entry stays until its reply has come or nobody
//! can expect it any more, so that a reply which comes late is not taken for one that nobody asked for.

use std::collections::HashMap;
use std::time::Duration;

use drover_proto::v1::{Reply, reply};
use tokio::sync::oneshot;
use tokio::time::Instant;

/// The most that can be asked at the same time on one connection.
const MOST: usize = 256;
/// For how long an agent may owe a reply.
const KNOWN_FOR: Duration = Duration::from_secs(300);

/// What was asked, by the ids of the commands.
#[derive(Default)]
pub(crate) struct Own {
    asked: HashMap<String, (Instant, oneshot::Sender<reply::Result>)>,
}

impl Own {
    /// Adds one more. False if there are too many: whoever waits is told so by the end of the channel.
    pub(crate) fn add(
        &mut self,
        command: &str,
        reply: oneshot::Sender<reply::Result>,
        now: Instant,
    ) -> bool {
        if self.asked.len() >= MOST {
            return false;
        }
        self.asked.insert(command.to_owned(), (now, reply));
        true
    }

    /// Whether a reply to this is expected.
    pub(crate) fn has(&self, command: &str) -> bool {
        self.asked.contains_key(command)
    }

    /// Hands a reply to whoever waits. Progress is of no interest here.
    pub(crate) fn replied(&mut self, reply: Reply) {
        let Some(result) = reply.result else { return };
        if matches!(result, reply::Result::Progress(_)) {
            return;
        }
        let asked = self.asked.remove(&reply.command_id);
        if let Some((_, waiting)) = asked
            && waiting.send(result).is_err()
        {
            tracing::debug!(command = %reply.command_id, "a reply came after its time");
        }
    }

    /// Forgets what nobody expects any more.
    pub(crate) fn tidy(&mut self, now: Instant) {
        self.asked
            .retain(|_, (asked, _)| now.saturating_duration_since(*asked) < KNOWN_FOR);
        if self.asked.is_empty() {
            // Most agents are asked nothing most of the time.
            self.asked.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use drover_proto::v1::{Pong, Progress};

    use super::*;

    fn reply(result: reply::Result) -> Reply {
        Reply {
            command_id: "c".into(),
            result: Some(result),
        }
    }

    #[test]
    fn the_last_reply_goes_to_whoever_waits_and_a_second_one_is_not_expected() {
        let mut own = Own::default();
        let (sender, mut receiver) = oneshot::channel();
        assert!(own.add("c", sender, Instant::now()));
        own.replied(reply(reply::Result::Progress(Progress::default())));
        assert!(receiver.try_recv().is_err() && own.has("c"));
        own.replied(reply(reply::Result::Pong(Pong {})));
        assert_eq!(receiver.try_recv(), Ok(reply::Result::Pong(Pong {})));
        assert!(!own.has("c"));
    }

    #[test]
    fn what_is_owed_for_long_is_forgotten_and_there_is_a_bound() {
        let mut own = Own::default();
        let now = Instant::now();
        for number in 0..MOST {
            assert!(own.add(&number.to_string(), oneshot::channel().0, now));
        }
        assert!(!own.add("more", oneshot::channel().0, now));
        own.tidy(now + KNOWN_FOR);
        assert!(own.add("more", oneshot::channel().0, now));
    }
}
