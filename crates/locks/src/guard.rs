//! What it means to hold a lock.

use std::fmt;

use drover_domain::{Fence, ResourceRef};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// A lock that is held. Dropping it gives it back, in the background and together with others.
pub struct Guard {
    resource: ResourceRef,
    fence: Fence,
    lost: CancellationToken,
    give_back: mpsc::UnboundedSender<(ResourceRef, Fence)>,
}

impl Guard {
    /// A guard that sends its lock to `give_back` when it is dropped. For lock managers.
    pub fn new(
        resource: ResourceRef,
        fence: Fence,
        lost: CancellationToken,
        give_back: mpsc::UnboundedSender<(ResourceRef, Fence)>,
    ) -> Self {
        Self {
            resource,
            fence,
            lost,
            give_back,
        }
    }

    /// What is locked.
    pub fn resource(&self) -> ResourceRef {
        self.resource
    }

    /// The token of this turn; higher than that of every turn before.
    pub fn fence(&self) -> Fence {
        self.fence
    }

    /// Ends when the lock may have gone to somebody else: whatever is done under it must stop.
    pub fn lost(&self) -> &CancellationToken {
        &self.lost
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if self.give_back.send((self.resource, self.fence)).is_err() {
            // The whole manager is gone, and its session with it.
            tracing::trace!(resource = %self.resource, "a lock outlived its manager");
        }
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Guard({} at {})", self.resource, self.fence)
    }
}
