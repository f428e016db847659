//! Metrics: what Drover counts and measures, and how its libraries tell.
//!
//! ```text
//!   table: names, kinds, units, labels, help ----> docs/metrics.md (held by a test)
//!     |                                      '---> telemetry: described, with buckets, to Prometheus
//!     v
//!   STEPS.add(["place", "done"], 1)                 now and then
//!   let published = BUS_PUBLISHED.of(["process"]);  often: the handle is kept
//! ```
//!
//! - *One table.* All metrics stand in [`table`], and nothing is recorded under a name that does
//!   not. A metric knows the number of its labels, so that leaving one out does not compile.
//! - *Bounded.* The value of a label is a `&'static str`: an id, or the name of a host or project,
//!   is none, so the number of series does not grow with the fleet.
//! - *Free when nobody listens.* Where no recorder is installed, handles do nothing. A handle is
//!   bound to the recorder that is there when it is made, so executables install theirs first.
//!
//! Libraries use this crate and nothing of how metrics are served: that is in `drover-telemetry`.

mod description;
mod recording;
pub mod table;

pub use description::{Description, Kind, Unit};
pub use metrics::{Counter as CounterHandle, Gauge as GaugeHandle, Histogram as HistogramHandle};
pub use recording::{Counter, Gauge, Histogram, Presence};
