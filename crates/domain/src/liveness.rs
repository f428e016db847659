//! Liveness: what becomes of a host whose agent is, or is not, connected.
//!
//! A connection is told of in two tables. Each agent server keeps a row of its own and counts its
//! heartbeats there; each agent has a row that says which server it is connected to, and by which
//! connection: a number that grows with every one, so that late news of an older connection change
//! nothing. An agent is lost if its server said so, or if that server has ended. Process servers look
//! at both about once a second, and write only what has changed:
//!
//! ```text
//!            lost                    lost for long                 done
//!   active ---------> reconnecting ---------------> disconnecting ------> disconnected
//!   or  ^                |    ^                          |                    |
//! inactive  back in time |    |  back late: a process    |                    |
//!       +----------------+    +--------------------------+--------------------+
//! ```
//!
//! What a person asked and what is seen stand apart: `deactivated` in the host's spec is the one, the
//! state the other. A host that is deactivated comes back `inactive`, whatever became of it meanwhile.
//!
//! # When
//!
//! All times are counted from the moment at which the agent was last heard: after three heartbeats its
//! server lets it go, and after [`Patience::disconnected`] the host is given up.
//!
//! # What is promised of containers that are replaced
//!
//! A container whose policy is to be replaced is brought up elsewhere only once its host is given up, nobody
//! on the bus holds its agent, and its new host and fence are written. From then on nothing that was sent
//! to the old host under an older fence is obeyed there. What ran there goes on until the agent is back:
//! before its host is active again it is taken away there, and whoever starts the container elsewhere stops
//! it first wherever it can be reached. So two may run at the same time for as long as a host lives on, cut
//! off from every agent server; for as long as it is dead, one does.

use std::collections::HashMap;
use std::time::Duration;

use crate::lifecycle::{self, Report, Reported, Request};
use crate::settings::Values;
use crate::{ResourceType, ServerId, State, Timestamp};

/// Whoever is silent for so many heartbeats is taken for dead, by either side.
pub const SILENT_HEARTBEATS: u32 = 3;
/// An agent whose connection broke is back within this time if nothing is wrong with it.
const BLINK: Duration = Duration::from_secs(3);
/// The agents of a server that ended are back within this time, from when its end was found.
const MOVE: Duration = Duration::from_secs(5);
/// How often an agent server says in the database that it lives.
pub const SERVER_HEARTBEAT: Duration = Duration::from_secs(1);
/// An agent server that says nothing for so long has ended.
pub const SERVER_SILENCE: Duration = Duration::from_secs(5);

/// How long who is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// How often an agent gives a sign of life.
    pub heartbeat: Duration,
    /// Whoever is not heard for so long is gone.
    pub silence: Duration,
    /// A host that was not heard for so long is given up.
    pub disconnected: Duration,
}

impl Patience {
    /// What the settings say, and a little more if that leaves no time for what must happen before.
    pub fn of(values: &Values) -> Self {
        let seconds = |value: Option<i64>, usual| {
            let value = value.and_then(|value| u64::try_from(value).ok());
            Duration::from_secs(value.unwrap_or(usual))
        };
        let heartbeat = seconds(values.agent_heartbeat_seconds, 3);
        let silence = heartbeat * SILENT_HEARTBEATS;
        // Time to come back for an agent that was found to be silent.
        let least = silence + heartbeat + BLINK;
        let disconnected = seconds(values.host_reconnect_seconds, 20).max(least);
        Self {
            heartbeat,
            silence,
            disconnected,
        }
    }
}

impl Default for Patience {
    fn default() -> Self {
        Self::of(&Values::default())
    }
}

/// How an agent was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Its connection ended; the agent was last heard then.
    Connection(Timestamp),
    /// Its agent server ended; that was found then.
    Server(Timestamp),
}

impl Loss {
    /// When.
    pub fn since(self) -> Timestamp {
        match self {
            Self::Connection(since) | Self::Server(since) => since,
        }
    }

    /// How long nothing is written about it, since it is most likely over by then.
    fn grace(self) -> Duration {
        match self {
            Self::Connection(_) => BLINK,
            Self::Server(_) => MOVE,
        }
    }
}

/// What is to be done about a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing, or nothing yet.
    Stay,
    /// It is in this state from now on, or in what becomes of it for a host that is deactivated.
    Move(State),
    /// A process is to see to it.
    Ask(Request),
}

/// What follows for a host in a state, whose agent is lost or connected. While a process is at work on a
/// host that is connected, it is left to it.
///
/// Nobody is waited for in vain: what happened before the watch began is as if it had happened then,
/// and a host is given up only after there was an agent server all the while to come back to.
pub fn look(
    state: State,
    lost: Option<Loss>,
    is_at_work: bool,
    watch: Watch,
    patience: &Patience,
) -> Verdict {
    let lifecycle = lifecycle::of(ResourceType::Host);
    let hear = |report| match lifecycle.hear(state, report) {
        Reported::Moves(state) => Verdict::Move(state),
        Reported::Later | Reported::Ignored => Verdict::Stay,
    };
    let ask = |request| match lifecycle.decide(state, request, false) {
        Ok(_) => Verdict::Ask(request),
        Err(_) => Verdict::Stay,
    };
    let Some(loss) = lost else {
        if is_at_work && state == State::Reconnecting {
            return Verdict::Stay;
        }
        return match hear(Report::Reconnected) {
            Verdict::Stay => ask(Request::Reconnect),
            moves => moves,
        };
    };
    let waited = |since: Timestamp| loss.since().max(since).until(watch.now);
    let is_given_up = watch
        .served
        .is_some_and(|served| waited(served) >= patience.disconnected);
    if is_given_up && state == State::Reconnecting {
        ask(Request::Disconnect)
    } else if waited(watch.began) >= loss.grace() {
        hear(Report::Lost)
    } else {
        Verdict::Stay
    }
}

/// Since when somebody has looked on without a break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watch {
    /// Since then.
    pub began: Timestamp,
    /// Since when there has been an agent server at any time; none if there is none now.
    pub served: Option<Timestamp>,
    /// The present moment.
    pub now: Timestamp,
}

/// Finds the agent servers that have ended without saying so. It goes by what it sees itself, not by
/// anybody's clock: a server whose count has not grown while this looked on for [`SERVER_SILENCE`].
///
/// Who has not looked for a while has seen nothing: perhaps nobody could reach the database, the servers
/// no more than itself. It begins anew then.
#[derive(Debug, Default)]
pub struct Vigil {
    /// What each server had counted, since when, and whether it was seen to count.
    seen: HashMap<ServerId, Seen>,
    looked: Option<Timestamp>,
    watch: Option<(Timestamp, Option<Timestamp>)>,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    beats: i64,
    since: Timestamp,
    has_counted: bool,
}

impl Vigil {
    /// Looks at the servers that have not ended and the heartbeats that each has counted. Gives those
    /// that are dead, with the count that they have, and since when it has been looking.
    pub fn look(
        &mut self,
        servers: impl IntoIterator<Item = (ServerId, i64)>,
        now: Timestamp,
    ) -> (Vec<(ServerId, i64)>, Watch) {
        let gap = self.looked.replace(now);
        let has_looked_on =
            gap.is_some_and(|before| before <= now && before.until(now) <= SERVER_SILENCE / 2);
        if !has_looked_on {
            self.seen.clear();
            self.watch = None;
        }
        let before = std::mem::take(&mut self.seen);
        let mut dead = Vec::new();
        for (server, beats) in servers {
            let seen = match before.get(&server) {
                Some(same) if same.beats == beats => *same,
                known => Seen {
                    beats,
                    since: now,
                    has_counted: known.is_some(),
                },
            };
            if seen.since.until(now) >= SERVER_SILENCE {
                dead.push((server, beats));
            } else {
                self.seen.insert(server, seen);
            }
        }
        let is_served = self.seen.values().any(|seen| seen.has_counted);
        let (began, served) = self.watch.unwrap_or((now, None));
        let served = is_served.then(|| served.unwrap_or(now));
        self.watch = Some((began, served));
        (dead, Watch { began, served, now })
    }
}

#[cfg(test)]
mod tests;
