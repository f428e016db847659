//! The change log: what became of resources, in an order that misses nothing.

use std::fmt;
use std::str::FromStr;

use drover_domain::resource::Version;
use drover_domain::write::Passed;
use drover_domain::{Resource, ResourceId, ResourceRef, State, Timestamp};
use sea_orm::entity::prelude::Uuid;
use sea_orm::{ActiveValue, ColumnTrait, QueryFilter, QuerySelect};

use crate::dialect::Together;
use crate::entities::change;
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
        })
    }
}

/// Appends what resources passed, inside the transaction that makes it so.
pub(crate) async fn append<'a>(
    together: &mut Together<'_>,
    passed: impl Iterator<Item = (&'a Resource, &'a [Passed])>,
) -> Result<(), StoreError> {
    let rows: Vec<change::ActiveModel> = passed
        .flat_map(|(resource, passed)| passed.iter().map(move |passed| record(resource, *passed)))
        .collect();
    Ok(together.insert::<change::Entity>(rows).await?)
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
