//! `change`.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "change")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub position: i64,
    pub transaction: i64,
    pub resource_type: String,
    pub resource_id: Uuid,
    pub project_id: Option<Uuid>,
    pub state: String,
    pub version: i64,
    pub at: i64,
    #[sea_orm(column_type = "Text", nullable)]
    pub labels: Option<String>,
    #[sea_orm(column_type = "Text", nullable)]
    pub labels_before: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
