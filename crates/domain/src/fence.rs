//! Fencing tokens.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A number that grows each time a lock changes hands.
///
/// Whoever acts under a lock presents its fence; whoever is asked to act (the database, an agent)
/// remembers the highest that it saw and refuses an older one. A server that was paused past its
/// lease can therefore do no harm when it wakes.
///
/// A fence orders first by the *epoch* of the lock service, which the database hands out anew
/// each time that the service is found empty, then by the service's own revision. A lock service
/// that lost its disk starts counting at one again; its fences are still higher than all before.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Fence(i64);

/// Bits that the revision takes: enough for 10,000 lock operations a second over 55 years.
const REVISION_BITS: u32 = 44;

impl Fence {
    /// Lower than every fence that a lock hands out.
    pub const NONE: Self = Self(0);

    /// Restores a fence that was stored or received.
    pub const fn from_raw(raw: i64) -> Self {
        Self(raw)
    }

    /// Composes a fence from the epoch of the lock service and its revision in that epoch.
    /// The epoch must be less than 2^19, the revision less than 2^44; higher bits are cut off.
    pub const fn compose(epoch: u32, revision: u64) -> Self {
        let revision = revision & ((1 << REVISION_BITS) - 1);
        let epoch = (epoch as u64) & ((1 << (63 - REVISION_BITS)) - 1);
        Self(((epoch << REVISION_BITS) | revision) as i64)
    }

    /// The number to store or to send.
    pub const fn raw(self) -> i64 {
        self.0
    }
}

impl fmt::Display for Fence {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_epoch_outranks_every_revision_of_an_earlier_one() {
        assert!(Fence::compose(2, 1) > Fence::compose(1, (1 << REVISION_BITS) - 1));
        assert!(Fence::compose(1, 2) > Fence::compose(1, 1));
        assert!(Fence::compose(1, 1) > Fence::NONE);
    }

    #[test]
    fn the_highest_epoch_stays_positive() {
        assert!(Fence::compose((1 << 19) - 1, u64::MAX) > Fence::compose(1, 1));
    }
}
