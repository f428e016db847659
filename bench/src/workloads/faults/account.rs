//! What became of all that was asked for around a strike.

use std::collections::HashSet;

use anyhow::Result;
use serde_json::{Value, json};

use crate::door::Asked;
use crate::observer::Seen;
use crate::system::System;

/// The columns of its row, in the order of [`Account::figures`].
pub(super) const COLUMNS: [&str; 11] = [
    "under way",
    "they run s",
    "asked meanwhile",
    "again",
    "answered s",
    "all settled s",
    "lost",
    "in error",
    "twice",
    "unasked",
    "unanswered",
];
/// So many of those that are not as they should be are told of one by one.
const TOLD: usize = 20;

/// The account of one strike, or of all.
#[derive(Debug, Default)]
pub(super) struct Account {
    accepted: HashSet<String>,
    /// Under way when it came.
    pub(super) under_way: usize,
    /// Seconds until the last of those ran.
    pub(super) they_run: f64,
    asked: usize,
    /// Requests that were made again.
    pub(super) repeated: usize,
    /// Seconds until the last of them was accepted.
    longest: f64,
    /// Requests that were never accepted.
    pub(super) refused: usize,
    /// Seconds until all that was accepted was settled; no number if that did not come.
    pub(super) settled: f64,
    /// Accepted, and neither running nor in `error` in the end.
    pub(super) lost: usize,
    pub(super) failed: usize,
    /// Seen to come to running more than once.
    pub(super) twice: usize,
    /// Running, although nobody was told that they were accepted: made twice at the door.
    pub(super) unasked: usize,
    /// What is told of those.
    pub(super) odd: Vec<Value>,
    odd_ids: Vec<(&'static str, String)>,
}

impl Account {
    /// Begins it with what was accepted before the strike, and asked for after it.
    pub(super) fn of(accepted: Vec<String>, asked: Vec<Asked>) -> Self {
        let mut account = Self {
            accepted: accepted.into_iter().collect(),
            asked: asked.len(),
            ..Self::default()
        };
        for one in asked {
            account.repeated += one.repeated;
            account.longest = account.longest.max(one.took.as_secs_f64());
            match one.accepted {
                Ok(id) => drop(account.accepted.insert(id)),
                Err(why) => {
                    account.refused += 1;
                    account
                        .odd
                        .push(json!({ "what": "unanswered", "why": why }));
                }
            }
        }
        account
    }

    /// The containers that have come to an end of some kind.
    pub(super) fn ids(seen: &Seen) -> HashSet<String> {
        seen.running.keys().chain(&seen.failed).cloned().collect()
    }

    pub(super) fn is_settled(&self, seen: &Seen) -> bool {
        let mut accepted = self.accepted.iter();
        accepted.all(|id| seen.running.contains_key(id) || seen.failed.contains(id))
    }

    /// Counts, by what was seen; `before` is what was there before.
    pub(super) fn close(&mut self, seen: &Seen, before: &HashSet<String>) {
        let failed: HashSet<&String> = seen.failed.iter().collect();
        for id in &self.accepted {
            if seen.runs.get(id).is_some_and(|runs| *runs > 1) {
                self.twice += 1;
                self.odd_ids.push(("twice", id.clone()));
            }
            if failed.contains(id) {
                self.failed += 1;
                self.odd_ids.push(("in error", id.clone()));
            } else if !seen.running.contains_key(id) {
                self.lost += 1;
                self.odd_ids.push(("lost", id.clone()));
            }
        }
        for id in Self::ids(seen).difference(before) {
            if !self.accepted.contains(id) {
                self.unasked += 1;
                self.odd_ids.push(("unasked", id.clone()));
            }
        }
    }

    /// Asks the API about those that are not as they should be.
    pub(super) async fn look_at_the_odd(&mut self, system: &System) -> Result<()> {
        for (what, id) in self.odd_ids.drain(..).take(TOLD) {
            let container = system
                .api()
                .get(&format!("/v1/containers/{id}"))
                .await?
                .body;
            let processes = system.drover().processes(&id).await?;
            let processes = processes.iter().map(|process| {
                json!({
                    "name": process["name"], "phase": process["phase"], "step": process["step"],
                    "attempt": process["attempt"], "message": process["message"],
                })
            });
            self.odd.push(json!({
                "what": what, "id": id, "state": container["state"], "error": container["error"],
                "processes": processes.collect::<Value>(),
            }));
        }
        Ok(())
    }

    /// The cells of its row.
    pub(super) fn figures(&self) -> [f64; COLUMNS.len()] {
        [
            self.under_way as f64,
            self.they_run,
            self.asked as f64,
            self.repeated as f64,
            self.longest,
            self.settled,
            self.lost as f64,
            self.failed as f64,
            self.twice as f64,
            self.unasked as f64,
            self.refused as f64,
        ]
    }

    /// Adds the counts of another, and keeps the longest time.
    pub(super) fn take(&mut self, other: Self) {
        self.repeated += other.repeated;
        self.refused += other.refused;
        self.lost += other.lost;
        self.failed += other.failed;
        self.twice += other.twice;
        self.unasked += other.unasked;
        // No number stays: it did not come to an end.
        if other.settled.is_nan() || other.settled > self.settled {
            self.settled = other.settled;
        }
    }
}
