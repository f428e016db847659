//! What is shown of resources beside their own rows: the process at work on each, the rooms of hosts, and
//! the last uses of accounts and keys. Two queries at most, whatever the number of resources.

use drover_domain::resource::Details;
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
        for one in shown.iter_mut() {
            one.room = rooms.remove(&one.resource.id);
        }
    }
    add_last_uses(shared, shown).await
}

/// Adds when accounts and keys were last used. A use changes no version, so that nobody who reads and
/// changes them is in anybody's way.
async fn add_last_uses<K>(shared: &Shared, shown: &mut [Shown<K>]) -> Result<(), Problem> {
    let Some(first) = shown.first() else {
        return Ok(());
    };
    let resource_type = first.resource.resource_type();
    let ids: Vec<ResourceId> = shown.iter().map(|one| one.resource.id).collect();
    let mut moments = match resource_type {
        ResourceType::ApiKey => shared.store.last_uses(&ids).await?,
        ResourceType::Account => shared.store.last_logins(&ids).await?,
        _ => return Ok(()),
    };
    for one in shown {
        let moment = moments.remove(&one.resource.id);
        match &mut one.resource.details {
            Details::ApiKey { status, .. } => status.last_used = moment,
            Details::Account { status, .. } => status.last_login = moment,
            _ => {}
        }
    }
    Ok(())
}
