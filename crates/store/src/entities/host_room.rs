//! `host_room`.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "host_room")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub host_id: Uuid,
    pub cpu_millis: i64,
    pub memory_mib: i64,
    pub cpu_millis_taken: i64,
    pub memory_mib_taken: i64,
    pub containers: i32,
    pub maximum_containers: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
