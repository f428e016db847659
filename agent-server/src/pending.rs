//! Commands that were sent on a connection and wait for their reply.
//!
//! A reply counts only for a command that stands here, and only while somebody waits: an agent
//! cannot answer what it was not asked, nor after its time. A command that was sent twice is answered
//! by the first reply, for all who wait; the second reply is expected then, and of no use.
//!
//! Nobody waits for ever, so an entry goes some time after its own is over; until then it tells a
//! late reply from one that nobody asked for. There is a bound to how many there can be.

use std::collections::HashMap;
use std::time::Duration;

use drover_proto::v1::Envelope;
use tokio::time::Instant;

/// The most commands that can wait at the same time on one connection.
const MOST: usize = 4_096;
/// For how long a command is known after nobody waits for it any more.
const KNOWN_FOR: Duration = Duration::from_secs(300);

/// The commands that were sent, by their ids.
#[derive(Default)]
pub(crate) struct Pending {
    sent: HashMap<String, Sent>,
}

struct Sent {
    /// Who waits, and until when.
    waiting: Vec<(Instant, Envelope)>,
    /// Replies that will come.
    replies: u32,
    /// When nobody waits any more.
    over: Instant,
}

/// What a reply is to those who asked.
#[derive(Debug, PartialEq)]
pub(crate) enum Answers {
    /// It answers them.
    Requests(Vec<Envelope>),
    /// They were answered already, by another reply to the same command.
    Again,
    /// They have gone.
    Late,
    /// Nobody asked.
    Unasked,
}

impl Pending {
    /// Adds a request. False if there are too many.
    pub(crate) fn add(&mut self, command: String, request: Envelope, patience: Duration) -> bool {
        let now = Instant::now();
        if self.sent.len() >= MOST {
            self.forget(|sent| sent.over <= now);
        }
        if self.sent.len() >= MOST {
            return false;
        }
        let until = now + patience;
        let sent = self.sent.entry(command).or_insert_with(|| Sent {
            waiting: Vec::with_capacity(1),
            replies: 0,
            over: until,
        });
        // Whoever asks twice gets two answers.
        sent.waiting.push((until, request));
        sent.replies += 1;
        sent.over = sent.over.max(until);
        true
    }

    /// What a last reply answers.
    pub(crate) fn finish(&mut self, command: &str, now: Instant) -> Answers {
        let Some(sent) = self.sent.get_mut(command) else {
            return Answers::Unasked;
        };
        sent.replies = sent.replies.saturating_sub(1);
        let waiting = std::mem::take(&mut sent.waiting);
        let (over, is_last) = (sent.over, sent.replies == 0);
        if is_last {
            self.sent.remove(command);
        }
        let was_waited_for = !waiting.is_empty();
        let requests: Vec<_> = waiting
            .into_iter()
            .filter(|(until, _)| *until > now)
            .map(|(_, request)| request)
            .collect();
        match requests.is_empty() {
            false => Answers::Requests(requests),
            true if was_waited_for || over <= now => Answers::Late,
            true => Answers::Again,
        }
    }

    /// Who is to be told how a command goes on.
    pub(crate) fn progress(&self, command: &str, now: Instant) -> Answers {
        let Some(sent) = self.sent.get(command) else {
            return Answers::Unasked;
        };
        let requests: Vec<_> = sent
            .waiting
            .iter()
            .filter(|(until, _)| *until > now)
            .map(|(_, request)| request.clone())
            .collect();
        match requests.is_empty() {
            false => Answers::Requests(requests),
            true => Answers::Late,
        }
    }

    /// The first who asked for a command, if it was sent.
    pub(crate) fn asked(&self, command: &str) -> Option<&Envelope> {
        let sent = self.sent.get(command)?;
        sent.waiting.first().map(|(_, request)| request)
    }

    /// Gives those who still wait, each with the command that it waits for; nobody waits any more then.
    pub(crate) fn abandon(&mut self, now: Instant) -> Vec<(String, Envelope)> {
        let sent = std::mem::take(&mut self.sent).into_iter();
        let waiting = sent.flat_map(|(command, sent)| {
            let requests = sent.waiting.into_iter();
            requests
                .filter(move |(until, _)| *until > now)
                .map(move |(_, request)| (command.clone(), request))
        });
        waiting.collect()
    }

    /// Lets go of those who wait no more, and in the end of their commands.
    pub(crate) fn tidy(&mut self, now: Instant) {
        for sent in self.sent.values_mut() {
            sent.waiting.retain(|(until, _)| *until > now);
        }
        self.forget(|sent| sent.over + KNOWN_FOR <= now);
        if self.sent.is_empty() {
            // Most agents are idle most of the time.
            self.sent.shrink_to_fit();
        }
    }

    fn forget(&mut self, is_old: impl Fn(&Sent) -> bool) {
        self.sent.retain(|_, sent| !is_old(sent));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(9);

    fn request(id: &str) -> Envelope {
        Envelope {
            id: id.to_owned(),
            ..Envelope::default()
        }
    }

    fn count(answers: &Answers) -> usize {
        match answers {
            Answers::Requests(requests) => requests.len(),
            other => panic!("nobody is answered: {other:?}"),
        }
    }

    #[test]
    fn a_command_that_was_sent_twice_is_answered_by_the_first_reply_and_the_second_is_expected() {
        let mut pending = Pending::default();
        let now = Instant::now();
        assert!(pending.add("c".into(), request("1"), SOON));
        assert!(pending.add("c".into(), request("2"), SOON));
        assert_eq!(count(&pending.progress("c", now)), 2);
        assert_eq!(count(&pending.finish("c", now)), 2);
        assert_eq!(pending.finish("c", now), Answers::Again);
        assert_eq!(pending.finish("c", now), Answers::Unasked);
    }

    #[test]
    fn a_reply_after_its_time_counts_for_nothing() {
        let mut pending = Pending::default();
        let now = Instant::now();
        assert!(pending.add("c".into(), request("1"), SOON));
        let late = now + 2 * SOON;
        assert_eq!(pending.progress("c", late), Answers::Late);
        pending.tidy(late);
        assert_eq!(pending.finish("c", late), Answers::Late);
        assert_eq!(pending.finish("c", late), Answers::Unasked);
    }

    #[test]
    fn whoever_still_waits_at_the_end_is_told_once() {
        let mut pending = Pending::default();
        assert!(pending.add("a".into(), request("1"), SOON));
        assert!(pending.add("a".into(), request("2"), SOON));
        assert!(pending.add("b".into(), request("3"), Duration::ZERO));
        assert!(pending.add("c".into(), request("4"), SOON));
        let now = Instant::now();
        assert_eq!(count(&pending.finish("c", now)), 1);
        let mut told = pending.abandon(now);
        told.sort_by(|left, right| left.1.id.cmp(&right.1.id));
        let told: Vec<_> = told
            .iter()
            .map(|(command, request)| (command.as_str(), request.id.as_str()))
            .collect();
        assert_eq!(told, [("a", "1"), ("a", "2")]);
        assert!(pending.abandon(now).is_empty());
    }

    #[test]
    fn what_is_long_over_is_forgotten() {
        let mut pending = Pending::default();
        assert!(pending.add("c".into(), request("1"), SOON));
        pending.tidy(Instant::now() + SOON + KNOWN_FOR + SOON);
        assert!(pending.sent.is_empty());
    }

    #[test]
    fn what_nobody_waits_for_makes_room() {
        let mut pending = Pending::default();
        for number in 0..MOST {
            assert!(pending.add(number.to_string(), request("x"), Duration::ZERO));
        }
        assert!(pending.add("one more".into(), request("x"), SOON));
        assert_eq!(pending.sent.len(), 1);
    }
}
