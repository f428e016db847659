//! What lists need: indexes for the orders that they have and for what is a small part of the whole, and
//! one order of texts in every database.
//!
//! No transition changes what is indexed here, so these indexes cost an entry when a row is made and
//! nothing while it is rewritten.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DatabaseBackend;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// The lists of a project are as dear as the project is large, and not as the installation is.
const EVERYWHERE: [&str; 3] = [
    "CREATE INDEX resource_by_project ON resource (type, project_id, id) \
     WHERE project_id IS NOT NULL",
    "CREATE INDEX resource_by_created ON resource (type, created_at, id)",
    "CREATE INDEX process_by_project ON process (project_id, id)",
];

/// Texts are compared by their characters, as SQLite does, so that a prefix is a range of the index and
/// a page ends at the same place in both. Most resources of a large installation bear no labels, and
/// cost the index over labels nothing.
const ON_POSTGRES: [&str; 2] = [
    "ALTER TABLE resource ALTER COLUMN name TYPE varchar(128) COLLATE \"C\", \
     ALTER COLUMN description TYPE text COLLATE \"C\"",
    "CREATE INDEX resource_by_label ON resource USING gin (labels jsonb_path_ops) \
     WHERE labels <> '{}'::jsonb",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        if manager.get_database_backend() == DatabaseBackend::Postgres {
            for statement in ON_POSTGRES {
                connection.execute_unprepared(statement).await?;
            }
        }
        for statement in EVERYWHERE {
            connection.execute_unprepared(statement).await?;
        }
        Ok(())
    }
}
