//! Commands that were sent on a connection and wait for their reply.
//!
//! A reply counts only for a command that stands here: an agent cannot answer what it was not
//! asked. Nobody waits for ever, so an entry goes when its time is over, and there is a bound to how
//! many there can be.

use std::collections::HashMap;
use std::time::Duration;

use drover_proto::v1::Envelope;
use tokio::time::Instant;

/// The most commands that can wait at the same time on one connection.
const MOST: usize = 4_096;

/// The requests that wait, by the id of the command.
#[derive(Default)]
pub(crate) struct Pending {
    waiting: HashMap<String, Vec<(Instant, Envelope)>>,
}

impl Pending {
    /// Adds a request. False if there are too many.
    pub(crate) fn add(&mut self, command: String, request: Envelope, patience: Duration) -> bool {
        let now = Instant::now();
        if self.waiting.len() >= MOST {
            self.forget_expired(now);
        }
        if self.waiting.len() >= MOST {
            return false;
        }
        // Whoever asks twice gets two answers.
        self.waiting
            .entry(command)
            .or_default()
            .push((now + patience, request));
        true
    }

    /// The requests that a last reply answers.
    pub(crate) fn finish(&mut self, command: &str) -> Vec<Envelope> {
        let requests = self.waiting.remove(command).unwrap_or_default();
        requests.into_iter().map(|(_, request)| request).collect()
    }

    /// The requests that a progress message is for.
    pub(crate) fn progress(&self, command: &str) -> Vec<Envelope> {
        let requests = self
            .waiting
            .get(command)
            .map(Vec::as_slice)
            .unwrap_or_default();
        requests
            .iter()
            .map(|(_, request)| request.clone())
            .collect()
    }

    /// Forgets those for whom nobody waits any more.
    pub(crate) fn forget_expired(&mut self, now: Instant) {
        self.waiting.retain(|_, requests| {
            requests.retain(|(until, _)| *until > now);
            !requests.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(id: &str) -> Envelope {
        Envelope {
            id: id.to_owned(),
            ..Envelope::default()
        }
    }

    #[test]
    fn a_command_that_was_sent_twice_is_answered_twice_and_then_forgotten() {
        let mut pending = Pending::default();
        assert!(pending.add("c".into(), request("1"), Duration::from_secs(9)));
        assert!(pending.add("c".into(), request("2"), Duration::from_secs(9)));
        assert_eq!(pending.progress("c").len(), 2);
        assert_eq!(pending.finish("c").len(), 2);
        assert!(pending.finish("c").is_empty());
    }

    #[tokio::test]
    async fn what_nobody_waits_for_makes_room() {
        let mut pending = Pending::default();
        for number in 0..MOST {
            assert!(pending.add(number.to_string(), request("x"), Duration::ZERO));
        }
        assert!(pending.add("one more".into(), request("x"), Duration::from_secs(9)));
        assert_eq!(pending.waiting.len(), 1);
    }
}
