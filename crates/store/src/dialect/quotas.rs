//! What stands in the JSON of projects and containers about quotas.

use std::collections::HashSet;

use drover_domain::quota::Usage;
use sea_orm::entity::prelude::Uuid;
use sea_orm::sea_query::ArrayType;
use sea_orm::{
    ConnectionTrait, DatabaseBackend, DatabaseTransaction, DbErr, FromQueryResult, Statement, Value,
};

use super::Together;

/// Projects that are there and in which anything may be made.
const OPEN: &str = "type = 'project' AND removed_at IS NULL AND \
     spec->'quota'->>'containers' IS NULL AND spec->'quota'->>'memoryMiB' IS NULL AND \
     spec->'quota'->>'cpuMillis' IS NULL";

#[derive(FromQueryResult)]
struct Project {
    id: Uuid,
}

/// Has all of it written, and tells which of some projects are held by a quota, or gone. On PostgreSQL
/// that is one journey, and whoever would remove one of the others waits for this transaction.
pub(crate) async fn run_and_find_held(
    mut together: Together<'_>,
    projects: &[Uuid],
) -> Result<Vec<Uuid>, DbErr> {
    let transaction = together.transaction();
    let backend = transaction.get_database_backend();
    let statement = if backend == DatabaseBackend::Postgres {
        let (number, projects) = (together.values.len() + 1, array(projects));
        // In the order of the ids, as all that lock several.
        let find = format!(
            "SELECT id FROM resource WHERE id = ANY(${number}) AND {OPEN} \
             ORDER BY id FOR KEY SHARE"
        );
        together.values.push(projects);
        together.parts.push(find);
        together.statement()
    } else {
        let find = format!(
            "SELECT id FROM resource WHERE id IN ({}) AND {OPEN}",
            marks(projects)
        );
        Some(Statement::from_sql_and_values(backend, find, ids(projects)))
    };
    let Some(statement) = statement else {
        return Ok(Vec::new());
    };
    let open = Project::find_by_statement(statement)
        .all(transaction)
        .await?;
    let open: HashSet<Uuid> = open.into_iter().map(|project| project.id).collect();
    let held = projects.iter().filter(|project| !open.contains(project));
    Ok(held.copied().collect())
}

#[derive(FromQueryResult)]
struct Used {
    project_id: Uuid,
    containers: i64,
    memory_mib: i64,
    cpu_millis: i64,
}

/// What the containers of some projects ask for that are not removed. Costs as much as the projects
/// have containers.
pub(crate) async fn usage(
    transaction: &DatabaseTransaction,
    projects: &[Uuid],
) -> Result<Vec<(Uuid, Usage)>, DbErr> {
    let backend = transaction.get_database_backend();
    let (which, values) = match backend {
        DatabaseBackend::Postgres => ("= ANY($1)".to_owned(), vec![array(projects)]),
        _ => (format!("IN ({})", marks(projects)), ids(projects)),
    };
    let sum = |field: &str| {
        format!("CAST(COALESCE(SUM(CAST(spec->'resources'->>'{field}' AS bigint)), 0) AS bigint)")
    };
    let text = format!(
        "SELECT project_id, COUNT(*) AS containers, {} AS memory_mib, {} AS cpu_millis \
         FROM resource WHERE type = 'container' AND removed_at IS NULL AND project_id {which} \
         GROUP BY project_id",
        sum("memoryMiB"),
        sum("cpuMillis"),
    );
    let statement = Statement::from_sql_and_values(backend, text, values);
    let rows = Used::find_by_statement(statement).all(transaction).await?;
    let rows = rows.into_iter().map(|row| {
        let usage = Usage {
            containers: row.containers,
            memory_mib: row.memory_mib,
            cpu_millis: row.cpu_millis,
        };
        (row.project_id, usage)
    });
    Ok(rows.collect())
}

fn array(projects: &[Uuid]) -> Value {
    let ids = projects.iter().copied().map(Value::from).collect();
    Value::Array(ArrayType::Uuid, Some(Box::new(ids)))
}

fn ids(projects: &[Uuid]) -> Vec<Value> {
    projects.iter().copied().map(Value::from).collect()
}

fn marks(projects: &[Uuid]) -> String {
    vec!["?"; projects.len()].join(", ")
}
