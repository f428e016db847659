//! The change log: what became of resources, in an order that misses nothing.
//!
//! A record bears the labels that the resource had then, and those from before if the write has
//! changed them. That costs a write of a resource with labels their text once more, and one of a
//! resource without any two NULLs.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::str::FromStr;

use drover_domain::resource::Version;
use drover_domain::write::Passed;
use drover_domain::{Resource, ResourceId, ResourceRef, State, Timestamp};
use sea_orm::entity::prelude::{Json, Uuid};
use sea_orm::{
    ActiveValue, ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, QueryFilter,
    QueryOrder, QuerySelect,
};

use crate::dialect::Together;
use crate::entities::{change, resource};
use crate::{Store, StoreError, dialect};

/// A place in the change log. A reader that goes on from where it stopped misses nothing, whatever
/// was committed at the same time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    pub(crate) transaction: i64,
    pub(crate) position: i64,
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", self.transaction, self.position)
    }
}

/// The text is no position.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a position of the change log")]
pub struct UnknownPosition(pub String);

impl FromStr for Position {
    type Err = UnknownPosition;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unknown = || UnknownPosition(text.chars().take(64).collect());
        if text == "0" {
            return Ok(Self::default());
        }
        let (transaction, position) = text.split_once('-').ok_or_else(unknown)?;
        Ok(Self {
            transaction: transaction.parse().map_err(|_| unknown())?,
            position: position.parse().map_err(|_| unknown())?,
        })
    }
}

/// Labels of a resource.
pub type Labels = BTreeMap<String, String>;

/// One record of the change log.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Its place.
    pub position: Position,
    /// What changed.
    pub resource: ResourceRef,
    /// The project of what changed.
    pub project: Option<ResourceId>,
    /// The state that it changed to.
    pub state: State,
    /// The version at which it did.
    pub version: Version,
    /// When.
    pub at: Timestamp,
    /// The labels that it had then.
    pub labels: Labels,
    /// The labels that it had before, if the change has changed them.
    pub labels_before: Option<Labels>,
}

/// Which changes to read.
#[derive(Clone, Debug, Default)]
pub struct ChangeFilter {
    /// Only of this resource.
    pub resource: Option<ResourceId>,
    /// Only of this project.
    pub project: Option<ResourceId>,
}

impl Store {
    /// The position after which lies only what is committed from now on.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn end_of_changes(&self) -> Result<Position, StoreError> {
        Ok(dialect::end_of_changes(&self.reader).await?)
    }

    /// The next changes after a position, oldest first. A change that is committed but could still
    /// be preceded by another that is not is left for the next call.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn changes(
        &self,
        after: Position,
        filter: &ChangeFilter,
        limit: u64,
    ) -> Result<Vec<Change>, StoreError> {
        let backend = self.reader.get_database_backend();
        let mut query = dialect::changes_after(backend, after).limit(limit);
        if let Some(resource) = filter.resource {
            query = query.filter(change::Column::ResourceId.eq(resource.uuid()));
        }
        if let Some(project) = filter.project {
            query = query.filter(change::Column::ProjectId.eq(project.uuid()));
        }
        query
            .all(&self.reader)
            .await?
            .into_iter()
            .map(Change::try_from)
            .collect()
    }
}

impl TryFrom<change::Model> for Change {
    type Error = StoreError;

    fn try_from(row: change::Model) -> Result<Self, StoreError> {
        let unreadable = |error: &dyn fmt::Display| StoreError::unreadable("change", error);
        Ok(Self {
            position: Position {
                transaction: row.transaction,
                position: row.position,
            },
            resource: ResourceRef {
                resource_type: row
                    .resource_type
                    .parse()
                    .map_err(|error| unreadable(&error))?,
                id: ResourceId::new(row.resource_id),
            },
            project: row.project_id.map(ResourceId::new),
            state: row.state.parse().map_err(|error| unreadable(&error))?,
            version: row.version,
            at: Timestamp::from_millis(row.at),
            labels: labels(row.labels.as_deref())?.unwrap_or_default(),
            labels_before: labels(row.labels_before.as_deref())?,
        })
    }
}

fn labels(text: Option<&str>) -> Result<Option<Labels>, StoreError> {
    let unreadable = |error| StoreError::unreadable("change", error);
    text.map(serde_json::from_str)
        .transpose()
        .map_err(unreadable)
}

/// What a resource passed with a write.
#[derive(Clone, Copy)]
pub(crate) struct Passing<'a> {
    /// The resource as it is written.
    pub(crate) resource: &'a Resource,
    /// The states that it passed.
    pub(crate) passed: &'a [Passed],
    /// The labels that it had before; none if the write leaves them alone, or it is new.
    pub(crate) labels_before: Option<&'a Labels>,
}

impl<'a> Passing<'a> {
    /// What a resource passed with a write that does not touch its labels.
    pub(crate) fn of(resource: &'a Resource, passed: &'a [Passed]) -> Self {
        Self {
            resource,
            passed,
            labels_before: None,
        }
    }
}

/// Locks resources in the order of their ids and tells their versions and labels.
pub(crate) async fn lock_with_labels(
    transaction: &DatabaseTransaction,
    ids: BTreeSet<Uuid>,
) -> Result<HashMap<ResourceId, (Version, Labels)>, StoreError> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let backend = transaction.get_database_backend();
    let rows: Vec<(Uuid, i64, Json)> = resource::Entity::find()
        .select_only()
        .columns([
            resource::Column::Id,
            resource::Column::Version,
            resource::Column::Labels,
        ])
        .filter(dialect::is_one_of(backend, resource::Column::Id, ids))
        .order_by_asc(resource::Column::Id)
        .lock_exclusive()
        .into_tuple()
        .all(transaction)
        .await?;
    let read = |(id, version, labels)| {
        let labels = serde_json::from_value(labels)
            .map_err(|error| StoreError::unreadable("resource", error))?;
        Ok((ResourceId::new(id), (version, labels)))
    };
    rows.into_iter().map(read).collect()
}

/// Appends what resources passed, inside the transaction that makes it so.
pub(crate) async fn append<'a>(
    together: &mut Together<'_>,
    passing: impl Iterator<Item = Passing<'a>>,
) -> Result<(), StoreError> {
    let mut rows = Vec::new();
    for one in passing {
        let [labels, before] = labels_in_text(one)?;
        for (index, passed) in one.passed.iter().enumerate() {
            // What changed the labels is the first that the resource passed.
            let before = before.as_ref().filter(|_| index == 0);
            let record = change::ActiveModel {
                labels: ActiveValue::Set(labels.clone()),
                labels_before: ActiveValue::Set(before.cloned()),
                ..record(one.resource, *passed)
            };
            rows.push(record);
        }
    }
    Ok(together.insert::<change::Entity>(rows).await?)
}

/// The labels of a write and those from before, as they stand in its records.
fn labels_in_text(passing: Passing<'_>) -> Result<[Option<String>; 2], StoreError> {
    let text = |labels: &Labels| {
        serde_json::to_string(labels).map_err(|error| StoreError::unreadable("change", error))
    };
    let labels = &passing.resource.labels;
    let before = passing.labels_before.filter(|before| *before != labels);
    let labels = Some(labels).filter(|labels| !labels.is_empty());
    Ok([labels.map(text).transpose()?, before.map(text).transpose()?])
}

fn record(resource: &Resource, passed: Passed) -> change::ActiveModel {
    change::ActiveModel {
        position: ActiveValue::NotSet,
        // The database fills in the transaction.
        transaction: ActiveValue::NotSet,
        resource_type: ActiveValue::Set(resource.resource_type().as_str().to_owned()),
        resource_id: ActiveValue::Set(resource.id.uuid()),
        project_id: ActiveValue::Set(resource.project.map(ResourceId::uuid) as Option<Uuid>),
        state: ActiveValue::Set(passed.state.as_str().to_owned()),
        version: ActiveValue::Set(passed.version),
        at: ActiveValue::Set(resource.updated.millis()),
        labels: ActiveValue::NotSet,
        labels_before: ActiveValue::NotSet,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_survives_its_text() {
        let position = Position {
            transaction: 12,
            position: 345,
        };
        assert_eq!(position.to_string().parse(), Ok(position));
        assert_eq!("0".parse(), Ok(Position::default()));
        assert!("12".parse::<Position>().is_err());
        assert!("a-b".parse::<Position>().is_err());
    }

    #[test]
    fn a_later_transaction_comes_after_every_position_of_an_earlier_one() {
        let early = Position {
            transaction: 1,
            position: 100,
        };
        let late = Position {
            transaction: 2,
            position: 1,
        };
        assert!(early < late);
    }
}
