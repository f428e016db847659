//! What is shown of resources beside their own rows: the process at work on each, and the rooms of hosts.
//! Two queries at most, whatever the number of resources.

use drover_domain::{ResourceId, ResourceType};

use crate::Shared;
use crate::problem::Problem;
use crate::representation::Shown;

/// Adds it.
pub(super) async fn add<K>(shared: &Shared, shown: &mut [Shown<K>]) -> Result<(), Problem> {
    let ids = |is_wanted: fn(&Shown<K>) -> bool, shown: &[Shown<K>]| -> Vec<ResourceId> {
        let wanted = shown.iter().filter(|one| is_wanted(one));
        wanted.map(|one| one.resource.id).collect()
    };
    let moving = ids(|one| one.resource.state.is_transitional(), shown);
    if !moving.is_empty() {
        let processes = shared.store.unfinished(moving).await?;
        let mut processes: std::collections::HashMap<ResourceId, _> = processes
            .into_iter()
            .map(|process| (process.resource.id, process))
            .collect();
        for one in shown.iter_mut() {
            one.process = processes.remove(&one.resource.id);
        }
    }
    let hosts = ids(
        |one| one.resource.resource_type() == ResourceType::Host,
        shown,
    );
    if !hosts.is_empty() {
        let mut rooms = shared.store.rooms(hosts).await?;
        for one in shown {
            one.room = rooms.remove(&one.resource.id);
        }
    }
    Ok(())
}
