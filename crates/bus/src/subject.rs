//! Where envelopes go. All subjects begin with `drover.v1.` and are made here, nowhere else.

use std::fmt;

use drover_domain::{ProcessId, ResourceId};

/// The queue group of the process servers.
const PROCESS_SERVERS: &str = "process-servers";

/// What every subject begins with.
const PREFIX: &str = "drover.v1.";

/// What subjects can be about: the part that follows the prefix.
pub(crate) const TOPICS: [&str; 6] = ["process", "ended", "changed", "host", "report", "connected"];

/// The topic of a subject or pattern.
fn topic(subject: &str) -> &'static str {
    let rest = subject.strip_prefix(PREFIX).unwrap_or(subject);
    let first = rest.split('.').next();
    let known = TOPICS.iter().find(|topic| Some(**topic) == first);
    known.copied().unwrap_or("other")
}

/// The address of an envelope.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Subject(String);

impl Subject {
    /// A process is ready to be claimed.
    pub fn process_ready(id: ProcessId) -> Self {
        Self(format!("drover.v1.process.{id}"))
    }

    /// Processes have ended.
    pub fn processes_ended() -> Self {
        Self("drover.v1.ended".to_owned())
    }

    /// The change log has grown.
    pub fn changed() -> Self {
        Self("drover.v1.changed".to_owned())
    }

    /// Commands to the agent of a host.
    pub fn host_command(host: ResourceId) -> Self {
        Self(format!("drover.v1.host.{host}.command"))
    }

    /// Reports of the agent of a host, and that it is connected.
    pub fn host_report(host: ResourceId) -> Self {
        Self(format!("drover.v1.report.{host}"))
    }

    /// The agent of a host is connected, for whoever has stopped to ask it.
    pub fn host_connected(host: ResourceId) -> Self {
        Self(format!("drover.v1.connected.{host}"))
    }

    /// The subject as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What it is about.
    pub(crate) fn topic(&self) -> &'static str {
        topic(&self.0)
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// What to subscribe to: a subject, or all that match a pattern in which `*` stands for one part.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Subscribe {
    pattern: String,
    group: Option<&'static str>,
}

impl Subscribe {
    /// Processes that are ready; each goes to one process server.
    pub fn processes_ready() -> Self {
        Self {
            pattern: "drover.v1.process.*".to_owned(),
            group: Some(PROCESS_SERVERS),
        }
    }

    /// Processes that have ended; to everyone.
    pub fn processes_ended() -> Self {
        Self {
            pattern: Subject::processes_ended().0,
            group: None,
        }
    }

    /// News of the change log; to everyone.
    pub fn changed() -> Self {
        Self {
            pattern: Subject::changed().0,
            group: None,
        }
    }

    /// Commands to the agent of one host.
    pub fn host_commands(host: ResourceId) -> Self {
        Self {
            pattern: Subject::host_command(host).0,
            group: None,
        }
    }

    /// Reports of every agent; each goes to one process server.
    pub fn host_reports() -> Self {
        Self {
            pattern: "drover.v1.report.*".to_owned(),
            group: Some(PROCESS_SERVERS),
        }
    }

    /// Agents that are connected; to everyone.
    pub fn hosts_connected() -> Self {
        Self {
            pattern: "drover.v1.connected.*".to_owned(),
            group: None,
        }
    }

    /// The pattern.
    pub fn pattern(&self) -> &str {
        &self.pattern
    }

    /// What it is about.
    pub(crate) fn topic(&self) -> &'static str {
        topic(&self.pattern)
    }

    /// The queue group, where only one of its members is to receive each envelope.
    pub fn group(&self) -> Option<&'static str> {
        self.group
    }

    /// Whether the pattern covers a subject.
    pub fn covers(&self, subject: &Subject) -> bool {
        let mut wanted = self.pattern.split('.');
        let mut given = subject.as_str().split('.');
        loop {
            match (wanted.next(), given.next()) {
                (None, None) => return true,
                (Some(part), Some(other)) if part == "*" || part == other => {}
                _ => return false,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_subject_is_about_a_topic_of_its_own() {
        let id = ProcessId::new(uuid::Uuid::from_u128(1));
        let host = ResourceId::new(uuid::Uuid::from_u128(1));
        let subjects = [
            Subject::process_ready(id),
            Subject::processes_ended(),
            Subject::changed(),
            Subject::host_command(host),
            Subject::host_report(host),
            Subject::host_connected(host),
        ];
        assert_eq!(subjects.each_ref().map(Subject::topic), TOPICS);
        assert_eq!(Subscribe::host_commands(host).topic(), "host");
        assert_eq!(Subscribe::host_reports().topic(), "report");
        assert_eq!(Subscribe::hosts_connected().topic(), "connected");
    }

    #[test]
    fn a_star_stands_for_exactly_one_part() {
        let id = ProcessId::new(uuid::Uuid::from_u128(1));
        let host = ResourceId::new(uuid::Uuid::from_u128(1));
        assert!(Subscribe::processes_ready().covers(&Subject::process_ready(id)));
        assert!(!Subscribe::processes_ready().covers(&Subject::processes_ended()));
        assert!(!Subscribe::host_reports().covers(&Subject::host_command(host)));
        assert!(Subscribe::host_commands(host).covers(&Subject::host_command(host)));
    }
}
