//! What agents do that they may not: each counts for nothing, and leaves a row in the audit log.
//!
//! Not one row each, for who is hostile would fill the database: one for each agent and kind of
//! offence in [`ONE_EACH`], and of all agents together no more than [`AT_ONCE`] and then one each
//! [`ONE_OF_ALL_EACH`]. So what a thousand hostile agents can write is some ten thousand rows a day.
//! The metrics count what the rows leave out.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use drover_domain::{ResourceId, ResourceType};
use drover_store::{AuditEntry, fresh};
use tokio::time::Instant;

use crate::Shared;
use crate::connect::Identity;

/// How often one offence of one agent is written down.
const ONE_EACH: Duration = Duration::from_secs(60);
/// How often offences are written down.
const ONE_OF_ALL_EACH: Duration = Duration::from_secs(10);
const AT_ONCE: u32 = 200;
/// The most agents and offences that are known.
const KNOWN: usize = 10_000;

/// What an agent may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Offence {
    /// A reply to a command that was not sent on this connection, or was answered already.
    Unasked,
    /// A reply after its deadline. Slow hosts do this too.
    Late,
    /// A reply that tells of another container than the one that was asked for.
    ForeignContainer,
    /// A POST for the session of another agent.
    ForeignSession,
    /// A dial for a stream that was opened for another agent, or for none.
    ForeignStream,
    /// What no honest agent says: characters that a terminal would act on, fields without end.
    Unsound,
    /// A frame that cannot be read, or is too large.
    BadFrame,
}

impl Offence {
    /// As the audit log has it: what was done, the status and the code that it comes to.
    const fn entry(self) -> (&'static str, u16, &'static str) {
        match self {
            Self::Unasked => ("agent.reply", 403, "agent.reply.unasked"),
            Self::Late => ("agent.reply", 408, "agent.reply.late"),
            Self::ForeignContainer => ("agent.reply", 403, "agent.reply.foreign"),
            Self::ForeignSession => ("agent.reply", 403, "agent.session.foreign"),
            Self::ForeignStream => ("agent.stream", 404, "agent.stream.foreign"),
            Self::Unsound => ("agent.frame", 422, "agent.invalid"),
            Self::BadFrame => ("agent.frame", 400, "agent.frame"),
        }
    }
}

/// What was written down of late.
pub(crate) struct Offences {
    books: Mutex<Books>,
}

struct Books {
    written: HashMap<(ResourceId, Offence), Instant>,
    left: u32,
    at: Instant,
}

impl Offences {
    pub(crate) fn new() -> Self {
        Self {
            books: Mutex::new(Books {
                written: HashMap::new(),
                left: AT_ONCE,
                at: Instant::now(),
            }),
        }
    }

    /// Writes an offence down, in the background, unless that was done of late.
    pub(crate) fn note(&self, shared: &Shared, identity: Identity, offence: Offence) {
        let Identity { agent, .. } = identity;
        tracing::debug!(%agent, ?offence, "an agent did what it may not");
        if !self.is_news(agent, offence, Instant::now()) {
            return;
        }
        let (operation, status, code) = offence.entry();
        tracing::warn!(%agent, code, "an agent did what it may not; it counts for nothing");
        let at = shared.clock.now();
        let entry = AuditEntry {
            id: fresh::audit_id(at),
            at,
            account: None,
            credential: Some(identity.credential.id()),
            from: None,
            method: "AGENT".to_owned(),
            path: drover_proto::registration::EVENTS_PATH.to_owned(),
            operation: operation.to_owned(),
            resource_type: Some(ResourceType::Agent.as_str().to_owned()),
            resource: Some(agent.uuid()),
            project: None,
            status,
            code: Some(code.to_owned()),
            request_id: fresh::audit_id(at).to_string(),
        };
        let store = shared.store.clone();
        shared.tasks.spawn(async move {
            if let Err(error) = store.record(entry).await {
                tracing::warn!(%error, %agent, code, "an offence could not be written down");
            }
        });
    }

    fn is_news(&self, agent: ResourceId, offence: Offence, now: Instant) -> bool {
        let mut books = self.books.lock().unwrap_or_else(PoisonError::into_inner);
        books.catch_up(now);
        let known = books.written.get(&(agent, offence));
        if known.is_some_and(|written| now.saturating_duration_since(*written) < ONE_EACH) {
            return false;
        }
        if books.left == 0 {
            return false;
        }
        if books.written.len() >= KNOWN {
            books
                .written
                .retain(|_, written| now.saturating_duration_since(*written) < ONE_EACH);
        }
        books.left -= 1;
        books.written.insert((agent, offence), now);
        true
    }
}

impl Books {
    fn catch_up(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_secs() / ONE_OF_ALL_EACH.as_secs();
        let passed = u32::try_from(passed).unwrap_or(AT_ONCE);
        if passed > 0 {
            self.left = self.left.saturating_add(passed).min(AT_ONCE);
            self.at = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn agent(number: u128) -> ResourceId {
        ResourceId::new(Uuid::from_u128(number))
    }

    #[test]
    fn one_agent_leaves_one_row_of_a_kind_a_minute() {
        let offences = Offences::new();
        let now = Instant::now();
        assert!(offences.is_news(agent(1), Offence::Unasked, now));
        assert!(offences.is_news(agent(1), Offence::Late, now));
        assert!(offences.is_news(agent(2), Offence::Unasked, now));
        let soon = now + Duration::from_secs(59);
        assert!(!offences.is_news(agent(1), Offence::Unasked, soon));
        let later = now + Duration::from_secs(60);
        assert!(offences.is_news(agent(1), Offence::Unasked, later));
    }

    #[test]
    fn a_thousand_agents_leave_few_rows() {
        let offences = Offences::new();
        let now = Instant::now();
        let written = |now| {
            (0..1_000)
                .filter(|number| offences.is_news(agent(*number), Offence::Unasked, now))
                .count()
        };
        assert_eq!(written(now), 200);
        assert_eq!(written(now + Duration::from_secs(100)), 10);
    }
}
