//! Reading processes.

use std::collections::{BTreeSet, HashMap};

use drover_domain::{Phase, Process, ProcessId, ResourceId};
use sea_orm::{ColumnTrait, DatabaseConnection, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use crate::entities::process;
use crate::{Store, StoreError, dialect};

/// Which processes to list, oldest first.
#[derive(Clone, Debug)]
pub struct ProcessFilter {
    /// Only of this resource.
    pub resource: Option<ResourceId>,
    /// Only of this project.
    pub project: Option<ResourceId>,
    /// Only the children of this one.
    pub parent: Option<ProcessId>,
    /// Only in one of these phases, if any are given.
    pub phases: Vec<Phase>,
    /// Only what comes after this one.
    pub after: Option<ProcessId>,
    /// At most so many.
    pub limit: u64,
}

impl Store {
    /// One process, if it exists.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn process(&self, id: ProcessId) -> Result<Option<Process>, StoreError> {
        let row = process::Entity::find_by_id(id.uuid())
            .one(&self.lookups)
            .await?;
        row.map(Process::try_from).transpose()
    }

    /// The processes of some ids, those that there are. One query.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn processes_of(
        &self,
        ids: impl IntoIterator<Item = ProcessId>,
    ) -> Result<HashMap<ProcessId, Process>, StoreError> {
        let ids = ids.into_iter().map(ProcessId::uuid);
        let backend = self.reader.get_database_backend();
        let rows = process::Entity::find()
            .filter(dialect::is_one_of(backend, process::Column::Id, ids))
            .all(&self.reader)
            .await?;
        let read = rows.into_iter().map(Process::try_from);
        read.map(|read| read.map(|process| (process.id, process)))
            .collect()
    }

    /// The processes that pass a filter.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn processes(&self, filter: &ProcessFilter) -> Result<Vec<Process>, StoreError> {
        let mut query = process::Entity::find()
            .order_by_asc(process::Column::Id)
            .limit(filter.limit);
        if let Some(resource) = filter.resource {
            query = query.filter(process::Column::ResourceId.eq(resource.uuid()));
        }
        if let Some(project) = filter.project {
            query = query.filter(process::Column::ProjectId.eq(project.uuid()));
        }
        if let Some(parent) = filter.parent {
            query = query.filter(process::Column::ParentId.eq(parent.uuid()));
        }
        if !filter.phases.is_empty() {
            let phases = filter.phases.iter().map(|phase| phase.as_str());
            query = query.filter(process::Column::Phase.is_in(phases));
        }
        if let Some(after) = filter.after {
            query = query.filter(process::Column::Id.gt(after.uuid()));
        }
        query
            .all(&self.reader)
            .await?
            .into_iter()
            .map(Process::try_from)
            .collect()
    }

    /// The unfinished processes of some resources: at most one each. Those that are asked for at the same
    /// time are read together, each after it was asked for.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn unfinished(
        &self,
        resources: impl IntoIterator<Item = ResourceId>,
    ) -> Result<Vec<Process>, StoreError> {
        let resources: Vec<ResourceId> = resources.into_iter().collect();
        if resources.is_empty() {
            return Ok(Vec::new());
        }
        self.unfinished.submit(resources).await
    }
}

/// Reads the unfinished processes of the resources of each question, in one statement.
pub(crate) async fn look_up(
    database: &DatabaseConnection,
    questions: &[Vec<ResourceId>],
) -> Result<Vec<Vec<Process>>, StoreError> {
    let all: BTreeSet<_> = questions.iter().flatten().map(|id| id.uuid()).collect();
    let backend = database.get_database_backend();
    let rows = process::Entity::find()
        .filter(dialect::is_one_of(
            backend,
            process::Column::ResourceId,
            all,
        ))
        .filter(process::is_unfinished())
        .all(database)
        .await?;
    let found: Result<Vec<Process>, StoreError> = rows.into_iter().map(Process::try_from).collect();
    let found = found?;
    if questions.len() == 1 {
        return Ok(vec![found]);
    }
    let by_resource: HashMap<ResourceId, &Process> = found
        .iter()
        .map(|process| (process.resource.id, process))
        .collect();
    let answers = questions.iter().map(|resources| {
        let own = resources.iter().filter_map(|id| by_resource.get(id));
        own.map(|process| Process::clone(process)).collect()
    });
    Ok(answers.collect())
}
