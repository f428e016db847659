//! Where a test can make a process server die, or wait.
//!
//! Rule 5 of the design says that any step may run twice. Whether that is so is found out by dying
//! at each write, just before it and just after: the library in `tests/steps` does it for every
//! process there is. The simulation in `tests/simulation` lets others go first at each of these
//! points instead, which is why they are awaited.

use async_trait::async_trait;
use drover_domain::write::ProcessWrite;

/// Decides at which writes the server dies. What dies is the work on that one process: the rows and
/// the lock are left behind as a server leaves them that loses its power.
#[async_trait]
pub trait Interference: Send + Sync + 'static {
    /// Whether the server dies instead of writing.
    async fn dies_before(&self, write: &ProcessWrite) -> bool;

    /// Whether the server dies when it has written, before it tells anybody.
    async fn dies_after(&self, write: &ProcessWrite) -> bool;
}

/// Nothing ever dies of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoInterference;

#[async_trait]
impl Interference for NoInterference {
    async fn dies_before(&self, _: &ProcessWrite) -> bool {
        false
    }

    async fn dies_after(&self, _: &ProcessWrite) -> bool {
        false
    }
}
