//! Quotas: how much the containers of a project may ask for together, whoever accepts them.
//!
//! A container that a project with a quota is to have is accepted under the lock of the project's
//! row: what the project has is counted after the row is locked, so of two servers that race for the
//! last place one sees what the other took. Creations in one such project follow one another
//! therefore, batch after batch, and each batch costs a count of the containers of the project.
//!
//! Projects without a quota pay nothing but a shared lock, so that no project is removed while a
//! container is made in it. Which projects have a quota is remembered here from one time to the next,
//! as a hint: one that is not known of is found by the statement that writes, before anything is
//! committed, and so is a project that is gone.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use drover_domain::quota::Usage;
use drover_domain::resource::{Details, Quota, ResourceLimits};
use drover_domain::write::Intent;
use drover_domain::{Resource, ResourceId};
use sea_orm::entity::prelude::Uuid;
use sea_orm::{ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, QueryFilter};

use crate::StoreError;
use crate::attached::Submitted;
use crate::dialect::{self, Together};
use crate::entities::resource;
use crate::intents::Accepted;

/// Projects that are known to have had a quota, or to be gone. One that has none any more costs its
/// lock until the server is started again, and nothing else.
#[derive(Clone, Default)]
pub(crate) struct KnownQuotas(Arc<Mutex<HashSet<Uuid>>>);

impl KnownQuotas {
    /// Those of some projects that are known.
    pub(crate) fn of(&self, projects: BTreeSet<Uuid>) -> BTreeSet<Uuid> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.is_empty() {
            return BTreeSet::new();
        }
        projects
            .into_iter()
            .filter(|project| known.contains(project))
            .collect()
    }

    pub(crate) fn learn(&self, projects: &[Uuid]) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.extend(projects);
    }
}

/// The projects in which some intents make containers.
pub(crate) fn projects(submitted: &[Submitted]) -> BTreeSet<Uuid> {
    submitted
        .iter()
        .filter_map(|one| new_container(&one.intent))
        .map(|(project, _)| project.uuid())
        .collect()
}

/// What stands against containers in some projects, read while the projects are locked.
pub(crate) struct Quotas {
    by_project: HashMap<ResourceId, Locked>,
}

enum Locked {
    /// The quota, and what is taken of it.
    Open(Quota, Usage),
    Gone,
}

impl Quotas {
    pub(crate) async fn read(
        transaction: &DatabaseTransaction,
        projects: &BTreeSet<Uuid>,
    ) -> Result<Self, StoreError> {
        let mut by_project: HashMap<_, _> = projects
            .iter()
            .map(|project| (ResourceId::new(*project), Locked::Gone))
            .collect();
        if projects.is_empty() {
            return Ok(Self { by_project });
        }
        let projects: Vec<Uuid> = projects.iter().copied().collect();
        let rows = resource::Entity::find()
            .filter(dialect::is_one_of(
                transaction.get_database_backend(),
                resource::Column::Id,
                projects.clone(),
            ))
            .filter(resource::Column::RemovedAt.is_null())
            .all(transaction)
            .await?;
        let used: HashMap<Uuid, Usage> = dialect::usage(transaction, &projects)
            .await?
            .into_iter()
            .collect();
        for row in rows {
            let project = Resource::try_from(row)?;
            if let Details::Project { spec } = &project.details {
                let used = used.get(&project.id.uuid()).copied().unwrap_or_default();
                by_project.insert(project.id, Locked::Open(spec.quota, used));
            }
        }
        Ok(Self { by_project })
    }

    /// Accepts the intent, which counts from now on, or tells why its project does not allow it.
    pub(crate) fn admit(&mut self, intent: &Intent) -> Accepted {
        let admitted = Accepted::Committed { superseded: None };
        let Some((project, asked)) = new_container(intent) else {
            return admitted;
        };
        match self.by_project.get_mut(&project) {
            None => admitted,
            Some(Locked::Gone) => Accepted::NoProject,
            Some(Locked::Open(quota, used)) => match quota.admit(*used, asked) {
                Ok(()) => {
                    *used = used.with(asked);
                    admitted
                }
                Err(refusal) => Accepted::OverQuota(refusal),
            },
        }
    }

    /// Has everything written, and tells which projects of the intents are gone, or have a quota that
    /// was not held against them.
    pub(crate) async fn run_and_find(
        &self,
        together: Together<'_>,
        intents: &[&Intent],
    ) -> Result<Vec<Uuid>, StoreError> {
        let unknown: BTreeSet<Uuid> = intents
            .iter()
            .filter_map(|intent| new_container(intent))
            .filter(|(project, _)| !self.by_project.contains_key(project))
            .map(|(project, _)| project.uuid())
            .collect();
        if unknown.is_empty() {
            together.run().await?;
            return Ok(Vec::new());
        }
        let unknown: Vec<Uuid> = unknown.into_iter().collect();
        Ok(dialect::run_and_find_held(together, &unknown).await?)
    }
}

/// The project and the wishes of a container that an intent makes.
fn new_container(intent: &Intent) -> Option<(ResourceId, &ResourceLimits)> {
    let Details::Container { spec, .. } = &intent.resource.details else {
        return None;
    };
    let project = intent.resource.project?;
    intent
        .expected
        .is_none()
        .then_some((project, &spec.resources))
}
