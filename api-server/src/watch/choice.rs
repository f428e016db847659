//! Which changes of a page somebody is told of.

use drover_store::{Change, Position};

use super::filter::Filter;

/// Some changes of a page, in its order.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// All from this one on.
    From(usize),
    /// These.
    Some(Vec<usize>),
}

impl Choice {
    /// What comes after a position and passes a filter; none if there is nothing.
    pub(super) fn of(changes: &[Change], after: Position, filter: &Filter) -> Option<Self> {
        let first = changes.partition_point(|change| change.position <= after);
        if filter.passes_all() {
            return (first < changes.len()).then_some(Self::From(first));
        }
        let rest = changes.iter().enumerate().skip(first);
        let chosen: Vec<usize> = rest
            .filter(|(_, change)| filter.passes(change))
            .map(|(index, _)| index)
            .collect();
        match chosen.len() {
            0 => None,
            all if all == changes.len() - first => Some(Self::From(first)),
            _ => Some(Self::Some(chosen)),
        }
    }

    /// The places of the changes in the page.
    pub(super) fn indexes(&self, page: usize) -> Vec<usize> {
        match self {
            Self::From(first) => (*first..page).collect(),
            Self::Some(chosen) => chosen.clone(),
        }
    }
}
