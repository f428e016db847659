//! The tally: which transactions, items and rows were written, for the metrics.
//!
//! Rows are counted from what was committed, and not by the database: what a batch writes follows
//! from its items and their outcomes.

use std::sync::Arc;

use drover_domain::write::{Passed, ProcessWrite, Written};
use drover_metrics::CounterHandle;
use drover_metrics::table::{STORE_ITEMS, STORE_ROWS, STORE_TRANSACTIONS};

use crate::{Accepted, StoreError, Submitted};

/// What is counted of one group.
#[derive(Clone)]
pub(crate) struct Tally {
    group: &'static str,
    committed: CounterHandle,
    resources: CounterHandle,
    processes: CounterHandle,
    changes: CounterHandle,
}

/// Something that is written in batches.
pub(crate) trait Item {
    /// What becomes of it.
    type Outcome;

    /// The rows that it left in the database, or why it left none.
    fn written(&self, outcome: &Self::Outcome) -> Result<Rows, &'static str>;
}

/// How many rows of each table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rows {
    resources: u64,
    processes: u64,
    changes: u64,
}

/// The outcome of an item that left its rows.
const COMMITTED: &str = "committed";

impl Tally {
    /// The tally of a group.
    pub(crate) fn of(group: &'static str) -> Self {
        Self {
            group,
            committed: STORE_TRANSACTIONS.of([group, COMMITTED]),
            resources: STORE_ROWS.of(["resource"]),
            processes: STORE_ROWS.of(["process"]),
            changes: STORE_ROWS.of(["change"]),
        }
    }

    /// Counts one transaction of the group.
    pub(crate) fn count<I: Item>(
        &self,
        items: &[I],
        outcomes: &Result<Vec<I::Outcome>, StoreError>,
    ) {
        let outcomes = match outcomes {
            Ok(outcomes) => outcomes,
            Err(error) => {
                let outcome = match error.is_unavailable() {
                    true => "lost",
                    false => "refused",
                };
                STORE_TRANSACTIONS.add([self.group, outcome], 1);
                return;
            }
        };
        self.committed.increment(1);
        let mut rows = Rows::default();
        let mut committed = 0;
        for (item, outcome) in items.iter().zip(outcomes) {
            match item.written(outcome) {
                Ok(left) => {
                    committed += 1;
                    rows.add(left);
                }
                Err(why) => STORE_ITEMS.add([self.group, why], 1),
            }
        }
        STORE_ITEMS.add([self.group, COMMITTED], committed);
        self.resources.increment(rows.resources);
        self.processes.increment(rows.processes);
        self.changes.increment(rows.changes);
    }
}

impl Rows {
    fn add(&mut self, other: Self) {
        self.resources += other.resources;
        self.processes += other.processes;
        self.changes += other.changes;
    }
}

impl Item for Submitted {
    type Outcome = Accepted;

    fn written(&self, outcome: &Accepted) -> Result<Rows, &'static str> {
        match outcome {
            Accepted::Committed { superseded } => Ok(Rows {
                resources: 1,
                processes: 1 + u64::from(superseded.is_some()),
                changes: records(&self.intent.passed),
            }),
            Accepted::VersionMoved => Err("version_moved"),
            Accepted::Repeated => Err("repeated"),
            Accepted::OverQuota(_) => Err("over_quota"),
            Accepted::NoProject => Err("no_project"),
        }
    }
}

impl Item for Arc<ProcessWrite> {
    type Outcome = Written;

    fn written(&self, outcome: &Written) -> Result<Rows, &'static str> {
        match outcome {
            Written::Committed => {
                let children = self.children.len() as u64;
                let of_children: u64 = self.children.iter().map(|it| records(&it.passed)).sum();
                // Change records tell of the resource, so there are none without it.
                let of_ours = self.resource.as_ref().map_or(0, |_| records(&self.passed));
                Ok(Rows {
                    resources: u64::from(self.resource.is_some()) + children,
                    processes: 1 + u64::from(self.successor.is_some()) + children,
                    changes: of_ours + of_children,
                })
            }
            Written::NotOurs => Err("not_ours"),
            Written::VersionMoved => Err("version_moved"),
            Written::NoRoom => Err("no_room"),
        }
    }
}

fn records(passed: &[Passed]) -> u64 {
    passed.len() as u64
}
