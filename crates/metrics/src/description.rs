//! What is said of a metric.

use std::fmt;

/// How a metric moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows, as long as the program runs.
    Counter,
    /// It goes up and down.
    Gauge,
    /// It counts how many values were at most so large.
    Histogram,
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        })
    }
}

/// What a metric is measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Things are counted; the name says which.
    Count,
    /// Seconds.
    Seconds,
    /// Nothing is: the value is 1, and what there is to say stands in the labels.
    Information,
}

impl fmt::Display for Unit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Count => "count",
            Self::Seconds => "seconds",
            Self::Information => "information",
        })
    }
}

/// One metric, as the table has it.
#[derive(Debug)]
pub struct Description {
    /// Its name, as Prometheus sees it.
    pub name: &'static str,
    /// How it moves.
    pub kind: Kind,
    /// What it is measured in.
    pub unit: Unit,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// The upper bounds of a histogram's buckets, growing; none for the other kinds.
    pub buckets: &'static [f64],
    /// What it tells, for a person.
    pub help: &'static str,
}
