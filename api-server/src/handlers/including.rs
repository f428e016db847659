//! What is shown along with items: the targets of their links.
//!
//! The targets of all items of a page are read together, one query for each kind of thing, and shown as
//! the caller would see them alone. What the caller does not see is null, as what is not there.

use std::collections::{BTreeSet, HashMap};

use drover_domain::listing::{self, Source};
use drover_domain::resource::Details;
use drover_domain::{Process, ProcessId, ResourceId};
use serde::Serialize;
use serde_json::Value;

use super::beside;
use crate::Shared;
use crate::authorization::Caller;
use crate::problem::Problem;
use crate::representation::{Included, Item, Shown, ShownProcess};

/// Where a link leads.
pub(super) enum Target {
    /// To a resource.
    Resource(ResourceId),
    /// To a process.
    Process(ProcessId),
}

/// An item with links.
pub(super) trait Linked {
    /// Where one of its links leads, if anywhere.
    fn target(&self, source: Source) -> Option<Target>;
}

impl<K> Linked for Shown<K> {
    fn target(&self, source: Source) -> Option<Target> {
        let resource = &self.resource;
        let found = match (source, &resource.details) {
            (Source::Process, _) => {
                return self
                    .process
                    .as_ref()
                    .map(|process| Target::Process(process.id));
            }
            (Source::Project, _) => resource.project,
            (Source::Host, Details::Agent { spec, .. }) => Some(spec.host_id),
            (Source::Host, _) => resource.host,
            (Source::Agent, Details::Host { spec, .. }) => Some(spec.agent_id),
            (Source::Account, Details::ApiKey { spec, .. }) => Some(spec.account_id),
            _ => None,
        };
        found.map(Target::Resource)
    }
}

impl Linked for Process {
    fn target(&self, source: Source) -> Option<Target> {
        match source {
            Source::Resource => Some(Target::Resource(self.resource.id)),
            Source::Project => self.project.map(Target::Resource),
            Source::Parent => self.parent.map(Target::Process),
            Source::Successor => self.successor.map(Target::Process),
            Source::Host | Source::Agent | Source::Account | Source::Process => None,
        }
    }
}

/// Items as they were asked for. `show` makes of each what is shown of it.
pub(super) async fn tailor<L: Linked, T: Serialize>(
    shared: &Shared,
    caller: &Caller,
    shown: &listing::Shown,
    items: Vec<L>,
    show: impl Fn(L) -> T,
) -> Result<Vec<Item<T>>, Problem> {
    if shown.is_plain() {
        let whole = items.into_iter().map(|item| Item::Whole(show(item)));
        return Ok(whole.collect());
    }
    let targets = Targets::read(shared, caller, shown, &items).await?;
    let tailored = items.into_iter().map(|item| {
        let included = targets.of(shown, &item);
        Item::tailored(&show(item), shown, included)
    });
    tailored.collect()
}

/// What links lead to, as the caller sees it.
struct Targets {
    resources: HashMap<ResourceId, Value>,
    processes: HashMap<ProcessId, Value>,
}

impl Targets {
    async fn read<L: Linked>(
        shared: &Shared,
        caller: &Caller,
        shown: &listing::Shown,
        items: &[L],
    ) -> Result<Self, Problem> {
        let (mut resources, mut processes) = (BTreeSet::new(), BTreeSet::new());
        for link in &shown.include {
            for item in items {
                match item.target(link.source) {
                    Some(Target::Resource(id)) => drop(resources.insert(id)),
                    Some(Target::Process(id)) => drop(processes.insert(id)),
                    None => {}
                }
            }
        }
        let mut targets = Self {
            resources: HashMap::new(),
            processes: HashMap::new(),
        };
        if !resources.is_empty() {
            let found = shared.store.resources_of(resources).await?;
            let seen = found
                .into_values()
                .filter_map(|found| caller.seen(found).ok());
            let mut seen: Vec<Shown<Anything>> =
                seen.map(|resource| Shown::new(resource, caller)).collect();
            beside::add(shared, &mut seen).await?;
            for one in seen {
                targets.resources.insert(one.resource.id, written(&one)?);
            }
        }
        if !processes.is_empty() {
            let found = shared.store.processes_of(processes).await?;
            let seen = found
                .into_values()
                .filter(|process| caller.sees_process(process));
            for process in seen {
                let id = process.id;
                let shown = ShownProcess::new(process, caller);
                targets.processes.insert(id, written(&shown)?);
            }
        }
        Ok(targets)
    }

    fn of(&self, shown: &listing::Shown, item: &impl Linked) -> Included {
        let of = shown.include.iter().map(|link| {
            let target = item.target(link.source).and_then(|target| match target {
                Target::Resource(id) => self.resources.get(&id),
                Target::Process(id) => self.processes.get(&id),
            });
            (link.name.to_owned(), target.cloned().unwrap_or(Value::Null))
        });
        of.collect()
    }
}

/// Resources of whatever type.
struct Anything;

fn written(shown: &impl Serialize) -> Result<Value, Problem> {
    serde_json::to_value(shown).map_err(|error| {
        tracing::error!(%error, "what is included cannot be shown");
        Problem::internal()
    })
}
