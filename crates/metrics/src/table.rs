//! The table: every metric that there is. What is written above a metric is its help text, for
//! whoever reads the code and for whoever reads the metrics.
//!
//! A metric that is added here is to be recorded somewhere, and `docs/metrics.md` to be brought up
//! to date: a test says how.

use crate::{Counter, Description, Gauge, Histogram, Kind, Unit};

/// For what takes from half a millisecond to half a minute.
const SHORT: &[f64] = &[
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];
/// For what takes up to an hour.
const LONG: &[f64] = &[
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0,
];
/// For how many go together.
const SIZES: &[f64] = &[1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0];

macro_rules! table {
    ($(
        $(#[doc = $help:literal])+
        $constant:ident: $kind:ident[$($label:ident),*] = $name:literal in $unit:ident
            $(, $buckets:ident)?;
    )+) => {
        $(
            $(#[doc = $help])+
            pub const $constant: $kind<{ <[&str]>::len(&[$(stringify!($label)),*]) }> =
                $kind::new(&Description {
                    name: $name,
                    kind: Kind::$kind,
                    unit: Unit::$unit,
                    labels: &[$(stringify!($label)),*],
                    buckets: table!(@buckets $($buckets)?),
                    help: concat!($($help),+).trim_ascii(),
                });
        )+

        /// Every metric, in the order of the table.
        pub const ALL: &[&Description] = &[$($constant.description()),+];
    };
    (@buckets) => { &[] };
    (@buckets $buckets:ident) => { $buckets };
}

table! {
    // --- processes: recorded by process servers ---

    /// Unfinished processes as the database has them, looked at every few seconds. Every process
    /// server tells the same, so take the maximum and not the sum. Beyond 100,000 no more are
    /// counted.
    PROCESSES: Gauge[phase, request] = "drover_processes" in Count;
    /// Age of the oldest unfinished process, 0 where there is none. Every process server tells the
    /// same.
    OLDEST_PROCESS_SECONDS: Gauge[phase, request] = "drover_oldest_process_age_seconds" in Seconds;
    /// Processes that were ended by the server that worked on them, by the phase in which they
    /// ended.
    PROCESSES_ENDED: Counter[resource_type, request, phase] =
        "drover_processes_ended_total" in Count;
    /// Time from the acceptance of a process to its end.
    PROCESS_SECONDS: Histogram[request] = "drover_process_duration_seconds" in Seconds, LONG;
    /// Time from the acceptance of a process to its first claim. One that follows from another is
    /// not claimed.
    QUEUE_SECONDS: Histogram[] = "drover_queue_latency_seconds" in Seconds, LONG;
    /// Steps that were run, by how they ended: done, partly, wait, delegate, retry or fail.
    STEPS: Counter[step, outcome] = "drover_steps_total" in Count;
    /// Time that a step took.
    STEP_SECONDS: Histogram[step, outcome] = "drover_step_duration_seconds" in Seconds, SHORT;
    /// Processes whose lock was had, by whether the claim was won or lost to somebody else.
    CLAIMS: Counter[outcome] = "drover_claims_total" in Count;
    /// Processes that this server works on now.
    IN_FLIGHT: Gauge[] = "drover_in_flight_processes" in Count;
    /// Times that a process had to wait for its turn, by whose share was used up: host or project.
    TURNS_WAITED: Counter[sharer] = "drover_turns_waited_total" in Count;
    /// Hosts that are sent nothing for a while, as they did not answer.
    HOSTS_AT_REST: Gauge[] = "drover_hosts_at_rest" in Count;

    // --- locks: recorded by process servers ---

    /// Time until a batch of locks was answered.
    LOCK_SECONDS: Histogram[] = "drover_lock_acquire_duration_seconds" in Seconds, SHORT;
    /// Locks that were asked for at once.
    LOCK_BATCH: Histogram[] = "drover_lock_batch_locks" in Count, SIZES;
    /// Locks that were asked for: acquired, held by another, or refused since the lock service was
    /// out of reach.
    LOCKS: Counter[outcome] = "drover_locks_total" in Count;
    /// Sessions that were lost, and every lock with each.
    LOCK_SESSIONS_LOST: Counter[] = "drover_lock_sessions_lost_total" in Count;

    // --- the store: recorded by whoever writes to the database ---

    /// Items that were committed, or looked up, together.
    STORE_BATCH: Histogram[group] = "drover_store_batch_items" in Count, SIZES;
    /// Time that the transaction of a batch took.
    STORE_FLUSH_SECONDS: Histogram[group] =
        "drover_store_flush_duration_seconds" in Seconds, SHORT;
    /// Transactions by kind: committed, refused, or lost with the database.
    STORE_TRANSACTIONS: Counter[kind, outcome] = "drover_store_transactions_total" in Count;
    /// Intents and writes by what became of them. Those that were not committed had been overtaken (`version_moved`), answered before (`repeated`) or refused by their project (`over_quota`, `no_project`).
    STORE_ITEMS: Counter[group, outcome] = "drover_store_items_total" in Count;
    /// Rows that were inserted, rewritten or deleted, by table: resource, process or change. Those
    /// of reservations and credentials are not counted.
    STORE_ROWS: Counter[table] = "drover_store_rows_written_total" in Count;
    /// Batches that were refused as a whole and tried again one by one.
    STORE_BATCHES_REFUSED: Counter[group] = "drover_store_batches_refused_total" in Count;

    // --- the bus: recorded by everybody ---

    /// Envelopes that were handed to the bus, by what they are about; requests too.
    BUS_PUBLISHED: Counter[topic] = "drover_bus_published_total" in Count;
    /// Envelopes that the bus did not take.
    BUS_REFUSED: Counter[] = "drover_bus_refused_total" in Count;
    /// Envelopes that arrived at a subscription and were read.
    BUS_RECEIVED: Counter[topic] = "drover_bus_received_total" in Count;
    /// Envelopes that were lost to subscribers which did not read fast enough.
    BUS_DROPPED: Counter[] = "drover_bus_dropped_total" in Count;
    /// Time until a request was over: replied, nobody_listens, timed_out or disconnected.
    BUS_REQUEST_SECONDS: Histogram[outcome] =
        "drover_bus_request_duration_seconds" in Seconds, SHORT;

    // --- agents: recorded by agent servers ---

    /// Agents that are connected to this server.
    AGENTS_CONNECTED: Gauge[] = "drover_agents_connected" in Count;
    /// Commands for agents: sent, dropped since too many wait, or unsound.
    AGENT_COMMANDS: Counter[outcome] = "drover_agent_commands_total" in Count;
    /// Replies of agents: delivered, or unasked since nobody waited for them any more.
    AGENT_REPLIES: Counter[outcome] = "drover_agent_replies_total" in Count;
    /// Reports of agents: settled, or left for the agent to repeat.
    AGENT_REPORTS: Counter[outcome] = "drover_agent_reports_total" in Count;
    /// Frames on the connections of agents: in from them, out to them.
    AGENT_FRAMES: Counter[direction] = "drover_agent_frames_total" in Count;
    /// Streams that this server passes on, of logs, commands and stats.
    AGENT_STREAMS: Gauge[] = "drover_agent_streams" in Count;

    // --- the API: recorded by API servers ---

    /// Requests that were answered, by the template of the route and the class of the status, 4xx
    /// for example.
    API_REQUESTS: Counter[method, route, status] = "drover_api_requests_total" in Count;
    /// Time until the head of an answer was ready, which is as long as the client wanted to wait
    /// where it waits for a process.
    API_REQUEST_SECONDS: Histogram[method, route] =
        "drover_api_request_duration_seconds" in Seconds, SHORT;
    /// Watches that are open.
    API_WATCHES: Gauge[] = "drover_api_watches" in Count;
    /// Watches that are over, by why: left by whoever watched, cut since it was slow or behind, gone
    /// where the log had been forgotten, ended with what was shown (`credential`), asked to come
    /// `again`, or ended by the database (`unavailable`) or the server (`shutdown`).
    API_WATCHES_ENDED: Counter[outcome] = "drover_api_watches_ended_total" in Count;
    /// Streams that are open, by what they are of: logs, exec or stats.
    API_STREAMS: Gauge[kind] = "drover_api_streams" in Count;

    // --- the program ---

    /// The version of Drover that runs.
    BUILD: Gauge[version] = "drover_build_info" in Information;
    /// When the program was started, in seconds since 1970.
    STARTED: Gauge[] = "drover_start_time_seconds" in Seconds;
}
