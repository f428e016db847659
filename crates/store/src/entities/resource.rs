//! `resource`.

use std::collections::BTreeMap;

use drover_domain::resource::Details;
use drover_domain::{Resource, ResourceId, Timestamp};
use sea_orm::IntoActiveModel;
use sea_orm::entity::prelude::*;

use crate::StoreError;

const TABLE: &str = "resource";

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "resource")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    #[sea_orm(column_name = "type")]
    pub resource_type: String,
    pub project_id: Option<Uuid>,
    pub name: String,
    pub description: String,
    pub labels: Json,
    pub metadata: Json,
    pub state: String,
    pub version: i64,
    pub host_id: Option<Uuid>,
    pub created_at: i64,
    pub updated_at: i64,
    pub removed_at: Option<i64>,
    pub spec: Json,
    pub status: Json,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// The row of a resource.
    pub(crate) fn of(resource: &Resource) -> Result<Self, StoreError> {
        let unreadable = |error: serde_json::Error| StoreError::unreadable(TABLE, error);
        let (spec, status) = resource.details.encode().map_err(unreadable)?;
        Ok(Self {
            id: resource.id.uuid(),
            resource_type: resource.resource_type().as_str().to_owned(),
            project_id: resource.project.map(ResourceId::uuid),
            name: resource.name.clone(),
            description: resource.description.clone(),
            labels: serde_json::to_value(&resource.labels).map_err(unreadable)?,
            metadata: Json::Object(resource.metadata.clone()),
            state: resource.state.as_str().to_owned(),
            version: resource.version,
            host_id: resource.host.map(ResourceId::uuid),
            created_at: resource.created.millis(),
            updated_at: resource.updated.millis(),
            removed_at: resource.removed.map(Timestamp::millis),
            spec,
            status,
        })
    }

    /// The same, to be inserted.
    pub(crate) fn active(resource: &Resource) -> Result<ActiveModel, StoreError> {
        Ok(Self::of(resource)?.into_active_model())
    }
}

impl TryFrom<Model> for Resource {
    type Error = StoreError;

    fn try_from(row: Model) -> Result<Self, StoreError> {
        let unreadable = |error: &dyn std::fmt::Display| StoreError::unreadable(TABLE, error);
        let resource_type = row
            .resource_type
            .parse()
            .map_err(|error| unreadable(&error))?;
        let labels: BTreeMap<String, String> =
            serde_json::from_value(row.labels).map_err(|error| unreadable(&error))?;
        let Json::Object(metadata) = row.metadata else {
            return Err(StoreError::unreadable(TABLE, "metadata is no object"));
        };
        Ok(Self {
            id: ResourceId::new(row.id),
            project: row.project_id.map(ResourceId::new),
            name: row.name,
            description: row.description,
            labels,
            metadata,
            state: row.state.parse().map_err(|error| unreadable(&error))?,
            version: row.version,
            host: row.host_id.map(ResourceId::new),
            created: Timestamp::from_millis(row.created_at),
            updated: Timestamp::from_millis(row.updated_at),
            removed: row.removed_at.map(Timestamp::from_millis),
            details: Details::decode(resource_type, row.spec, row.status)
                .map_err(|error| unreadable(&error))?,
        })
    }
}

/// The columns that can change after a resource was made.
pub(crate) const CHANGING: &[Column] = &[
    Column::Name,
    Column::Description,
    Column::Labels,
    Column::Metadata,
    Column::State,
    Column::Version,
    Column::HostId,
    Column::UpdatedAt,
    Column::RemovedAt,
    Column::Spec,
    Column::Status,
];

/// The columns that a process changes: where the resource stands and what was seen of it. What was
/// asked of it is not for a process to change.
pub(crate) const MOVING: &[Column] = &[
    Column::State,
    Column::Version,
    Column::HostId,
    Column::UpdatedAt,
    Column::RemovedAt,
    Column::Status,
];
