//! Which hosts are out of reach, as they were when they were last looked at, for those who wait for one
//! and say why.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use drover_domain::{ResourceId, State};
use drover_store::OutOfReach;

/// The hosts that are out of reach, as this server knows them.
#[derive(Clone, Default)]
pub(crate) struct Reach {
    hosts: Arc<RwLock<HashMap<ResourceId, State>>>,
}

impl Reach {
    /// What was seen a moment ago.
    pub(super) fn set(&self, hosts: &[OutOfReach]) {
        let hosts = hosts.iter().map(|one| (one.host, one.state)).collect();
        *self.hosts.write().unwrap_or_else(PoisonError::into_inner) = hosts;
    }

    /// Why somebody waits for a host, with the state of one that is out of reach.
    pub(crate) fn explain(&self, host: ResourceId, reason: String) -> String {
        let hosts = self.hosts.read().unwrap_or_else(PoisonError::into_inner);
        match hosts.get(&host) {
            Some(state) => format!("the host is {state}: {reason}"),
            None => reason,
        }
    }
}
