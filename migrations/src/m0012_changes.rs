//! The labels that a resource had when it changed, in its change record.
//!
//! A reader that selects by labels goes by those of the moment, not by those that the resource has
//! by the time that the record is read; and one whose selection a resource has left is told of it,
//! which takes the labels from before. They are JSON as text, since the database never looks into
//! them: NULL where there are none, and where a write has left them as they were.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum Change {
    Table,
    Labels,
    LabelsBefore,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // One column a statement: SQLite takes no more.
        for column in [Change::Labels, Change::LabelsBefore] {
            let mut column = ColumnDef::new(column);
            let table = Table::alter()
                .table(Change::Table)
                .add_column(column.text())
                .to_owned();
            manager.alter_table(table).await?;
        }
        Ok(())
    }
}
