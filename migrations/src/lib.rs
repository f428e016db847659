//! The steps that bring a database to the schema that the store expects, and nothing else.
//!
//! Steps are only ever added. The store runs all that are missing in one transaction, which keeps
//! other servers from doing the same; on a database that is up to date that changes nothing.
//!
//! Columns that hold a moment hold milliseconds since 1970 as a big integer: that orders alike in
//! every database. Tables whose rows are rewritten with each transition carry no index on a column that
//! transitions change, nor one with such a column in its condition, since PostgreSQL then tells all indexes
//! of each new version of a row; but for those of `process` over what is unfinished.

pub use sea_orm_migration::MigratorTrait;
use sea_orm_migration::prelude::{MigrationTrait, async_trait};

mod m0001_resources;
mod m0002_processes;
mod m0003_changes;
mod m0004_placement;
mod m0005_credentials;
mod m0006_retention;
mod m0007_families;
mod m0008_rewritten_tables;
mod m0009_people;
mod m0010_records;
mod m0011_lists;
mod m0012_changes;
mod m0013_liveness;
mod m0016_streams;
mod m0017_references;
mod m0018_registry_secrets;
mod m0019_limits_of_hosts;
mod m0020_transitions;
mod m0021_change_order;

/// All steps, in order.
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_resources::Migration),
            Box::new(m0002_processes::Migration),
            Box::new(m0003_changes::Migration),
            Box::new(m0004_placement::Migration),
            Box::new(m0005_credentials::Migration),
            Box::new(m0006_retention::Migration),
            Box::new(m0007_families::Migration),
            Box::new(m0008_rewritten_tables::Migration),
            Box::new(m0009_people::Migration),
            Box::new(m0010_records::Migration),
            Box::new(m0011_lists::Migration),
            Box::new(m0012_changes::Migration),
            Box::new(m0013_liveness::Migration),
            Box::new(m0016_streams::Migration),
            Box::new(m0017_references::Migration),
            Box::new(m0018_registry_secrets::Migration),
            Box::new(m0019_limits_of_hosts::Migration),
            Box::new(m0020_transitions::Migration),
            Box::new(m0021_change_order::Migration),
        ]
    }
}
