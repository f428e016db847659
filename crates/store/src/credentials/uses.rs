//! When keys were last used.
//!
//! ```text
//!   verify --> note: is it a minute since the row says? --> line (bounded) --> writer: one statement
//! ```
//!
//! Nobody waits for it. A use goes into a line, and is dropped where the line is full; the writer
//! gathers for a moment and writes all keys that it has seen in one statement, which does not wait
//! for the disk. The statement leaves alone what another server has written within the last minute,
//! so a key costs one write a minute, however many servers it is shown to and however often.

use std::collections::BTreeSet;
use std::time::Duration;

use drover_domain::Timestamp;
use sea_orm::entity::prelude::Uuid;
use sea_orm::sea_query::{Cond, Expr};
use sea_orm::{ColumnTrait, DatabaseConnection, EntityTrait, QueryFilter};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use crate::entities::credential;
use crate::{StoreError, dialect};

/// A use is written down once in so long.
const ONCE_IN: Duration = Duration::from_secs(60);
/// How long the writer gathers after the first use that it sees.
const GATHERED_FOR: Duration = Duration::from_secs(2);
/// Uses that wait for the writer.
const LINE: usize = 1_024;
/// Keys of one statement.
const LARGEST: usize = 500;

/// Takes uses of keys down. Ends when the last clone is dropped.
#[derive(Clone)]
pub(crate) struct Uses {
    line: mpsc::Sender<(Uuid, Timestamp)>,
}

impl Uses {
    /// Starts the writer.
    pub(crate) fn start(database: DatabaseConnection) -> Self {
        let (line, noted) = mpsc::channel(LINE);
        tokio::spawn(write(database, noted));
        Self { line }
    }

    /// Notes that a key was used.
    pub(crate) fn note(&self, row: &credential::Model, now: Timestamp) {
        let is_due = row
            .last_used_at
            .is_none_or(|last| Timestamp::from_millis(last).until(now) >= ONCE_IN);
        if is_due {
            let noted = self.line.try_send((row.id, now));
            // A line that is full takes the next use of the key.
            noted.unwrap_or_default();
        }
    }
}

async fn write(database: DatabaseConnection, mut noted: mpsc::Receiver<(Uuid, Timestamp)>) {
    while let Some((id, mut latest)) = noted.recv().await {
        let mut keys = BTreeSet::from([id]);
        let end = Instant::now() + GATHERED_FOR;
        while keys.len() < LARGEST
            && let Ok(Some((id, at))) = timeout_at(end, noted.recv()).await
        {
            keys.insert(id);
            latest = latest.max(at);
        }
        if let Err(error) = write_down(&database, keys, latest).await {
            tracing::info!(%error, "the last use of keys could not be written down");
        }
    }
}

async fn write_down(
    database: &DatabaseConnection,
    keys: BTreeSet<Uuid>,
    at: Timestamp,
) -> Result<(), StoreError> {
    use credential::Column;
    let is_due = Cond::any()
        .add(Column::LastUsedAt.is_null())
        .add(Column::LastUsedAt.lte(at.before(ONCE_IN).millis()));
    credential::Entity::update_many()
        .col_expr(Column::LastUsedAt, Expr::value(at.millis()))
        .filter(dialect::is_one_of(
            database.get_database_backend(),
            Column::Id,
            keys,
        ))
        .filter(is_due)
        .exec(database)
        .await?;
    Ok(())
}
