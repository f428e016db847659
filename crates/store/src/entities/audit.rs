//! `audit`.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "audit")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub at: i64,
    pub account_id: Option<Uuid>,
    pub credential_id: Option<Uuid>,
    pub from_address: Option<String>,
    pub method: String,
    pub path: String,
    pub operation: String,
    pub resource_type: Option<String>,
    pub resource_id: Option<Uuid>,
    pub project_id: Option<Uuid>,
    pub status: i16,
    pub code: Option<String>,
    pub request_id: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
