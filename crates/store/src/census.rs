//! The census: how many processes are unfinished, and since when the oldest are.
//!
//! It is asked for every few seconds by every process server, so it reads what is unfinished by
//! its index, and no more than a bound of it, however long the history and the queue are.

use drover_domain::lifecycle::Request;
use drover_domain::{Phase, Timestamp};
use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect, QueryTrait};

use crate::entities::process;
use crate::{Store, StoreError};

/// The most processes that are counted.
const MOST: u64 = 100_000;

/// The unfinished processes of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Census {
    /// Where they stand.
    pub phase: Phase,
    /// What was asked.
    pub request: Request,
    /// How many there are.
    pub processes: u64,
    /// When the oldest of them was accepted.
    pub oldest: Timestamp,
}

#[derive(FromQueryResult)]
struct Row {
    phase: String,
    request: String,
    processes: i64,
    oldest: i64,
}

impl Store {
    /// Counts the unfinished processes, by phase and request; the most urgent first, up to
    /// 100,000. Kinds of which there is none are left out.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn census(&self) -> Result<Vec<Census>, StoreError> {
        use process::Column::{CreatedAt, Phase, Priority, Request, RunAfter};
        let unfinished = process::Entity::find()
            .select_only()
            .columns([Phase, Request, CreatedAt])
            .filter(process::is_unfinished())
            // In the order of the index, so that it is the index that is read and nothing is sorted.
            .order_by_asc(Priority)
            .order_by_asc(RunAfter)
            .limit(MOST)
            .into_query();
        let counted = Query::select()
            .columns([Phase, Request])
            .expr_as(Expr::col(CreatedAt).count(), "processes")
            .expr_as(Expr::col(CreatedAt).min(), "oldest")
            .from_subquery(unfinished, "unfinished")
            .group_by_columns([Phase, Request])
            .to_owned();
        let statement = self.reader.get_database_backend().build(&counted);
        let rows = Row::find_by_statement(statement).all(&self.reader).await?;
        rows.into_iter().map(Census::try_from).collect()
    }
}

impl TryFrom<Row> for Census {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let unreadable = |error: &dyn std::fmt::Display| StoreError::unreadable("process", error);
        Ok(Self {
            phase: row.phase.parse().map_err(|error| unreadable(&error))?,
            request: row.request.parse().map_err(|error| unreadable(&error))?,
            processes: row.processes.unsigned_abs(),
            oldest: Timestamp::from_millis(row.oldest),
        })
    }
}
