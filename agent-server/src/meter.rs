//! The meter: how many agents are connected, and what passes between them and the bus.

use drover_metrics::table::{
    AGENT_COMMANDS, AGENT_FRAMES, AGENT_REPLIES, AGENT_REPORTS, AGENT_STREAMS, AGENTS_CONNECTED,
};
use drover_metrics::{CounterHandle, GaugeHandle, Presence};

/// What is measured of one server.
pub(crate) struct Meter {
    connected: GaugeHandle,
    streams: GaugeHandle,
    pub(crate) commands_sent: CounterHandle,
    pub(crate) commands_dropped: CounterHandle,
    pub(crate) commands_unsound: CounterHandle,
    replies_delivered: CounterHandle,
    replies_unasked: CounterHandle,
    reports_settled: CounterHandle,
    reports_left: CounterHandle,
    pub(crate) frames_in: CounterHandle,
    pub(crate) frames_out: CounterHandle,
}

impl Meter {
    pub(crate) fn new() -> Self {
        Self {
            connected: AGENTS_CONNECTED.of([]),
            streams: AGENT_STREAMS.of([]),
            commands_sent: AGENT_COMMANDS.of(["sent"]),
            commands_dropped: AGENT_COMMANDS.of(["dropped"]),
            commands_unsound: AGENT_COMMANDS.of(["unsound"]),
            replies_delivered: AGENT_REPLIES.of(["delivered"]),
            replies_unasked: AGENT_REPLIES.of(["unasked"]),
            reports_settled: AGENT_REPORTS.of(["settled"]),
            reports_left: AGENT_REPORTS.of(["left"]),
            frames_in: AGENT_FRAMES.of(["in"]),
            frames_out: AGENT_FRAMES.of(["out"]),
        }
    }

    /// Counts an agent as connected, as long as the answer lives.
    pub(crate) fn connected(&self) -> Presence {
        Presence::in_gauge(self.connected.clone())
    }

    /// Counts a stream as open, as long as the answer lives.
    pub(crate) fn stream(&self) -> Presence {
        Presence::in_gauge(self.streams.clone())
    }

    /// Counts a reply, by whether anybody waited for it.
    pub(crate) fn replied(&self, is_delivered: bool) {
        match is_delivered {
            true => self.replies_delivered.increment(1),
            false => self.replies_unasked.increment(1),
        }
    }

    /// Counts a report, by whether it was settled.
    pub(crate) fn reported(&self, is_settled: bool) {
        match is_settled {
            true => self.reports_settled.increment(1),
            false => self.reports_left.increment(1),
        }
    }
}
