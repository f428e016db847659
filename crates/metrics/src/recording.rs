//! Recording: the metrics of the table as something that can be told a value.

use metrics::{Key, Label, Level, Metadata, with_recorder};

use crate::{CounterHandle, Description, GaugeHandle, HistogramHandle};

const METADATA: Metadata<'static> = Metadata::new("drover", Level::INFO, None);

/// A metric that only grows, with so many labels.
#[derive(Clone, Copy, Debug)]
pub struct Counter<const LABELS: usize>(&'static Description);

/// A metric that goes up and down, with so many labels.
#[derive(Clone, Copy, Debug)]
pub struct Gauge<const LABELS: usize>(&'static Description);

/// A metric that tells how values are spread, with so many labels.
#[derive(Clone, Copy, Debug)]
pub struct Histogram<const LABELS: usize>(&'static Description);

impl<const LABELS: usize> Counter<LABELS> {
    pub(crate) const fn new(description: &'static Description) -> Self {
        Self(description)
    }

    pub(crate) const fn description(&self) -> &'static Description {
        self.0
    }

    /// The series with these values of its labels: to be kept by whoever adds to it often.
    pub fn of(&self, values: [&'static str; LABELS]) -> CounterHandle {
        let key = key(self.0, values);
        with_recorder(|recorder| recorder.register_counter(&key, &METADATA))
    }

    /// Adds to one series.
    pub fn add(&self, values: [&'static str; LABELS], count: u64) {
        self.of(values).increment(count);
    }
}

impl<const LABELS: usize> Gauge<LABELS> {
    pub(crate) const fn new(description: &'static Description) -> Self {
        Self(description)
    }

    pub(crate) const fn description(&self) -> &'static Description {
        self.0
    }

    /// The series with these values of its labels: to be kept by whoever changes it often.
    pub fn of(&self, values: [&'static str; LABELS]) -> GaugeHandle {
        let key = key(self.0, values);
        with_recorder(|recorder| recorder.register_gauge(&key, &METADATA))
    }

    /// Says how one series stands.
    pub fn set(&self, values: [&'static str; LABELS], value: f64) {
        self.of(values).set(value);
    }

    /// Adds one to a series, for as long as the answer lives.
    pub fn enter(&self, values: [&'static str; LABELS]) -> Presence {
        Presence::in_gauge(self.of(values))
    }
}

impl<const LABELS: usize> Histogram<LABELS> {
    pub(crate) const fn new(description: &'static Description) -> Self {
        Self(description)
    }

    pub(crate) const fn description(&self) -> &'static Description {
        self.0
    }

    /// The series with these values of its labels: to be kept by whoever records to it often.
    pub fn of(&self, values: [&'static str; LABELS]) -> HistogramHandle {
        let key = key(self.0, values);
        with_recorder(|recorder| recorder.register_histogram(&key, &METADATA))
    }

    /// Records a value: a number, or a [`Duration`](std::time::Duration).
    pub fn record(&self, values: [&'static str; LABELS], value: impl metrics::IntoF64) {
        self.of(values).record(value);
    }
}

/// Something that a gauge counts while it lives.
#[must_use = "it is counted for as long as this lives"]
pub struct Presence(GaugeHandle);

impl Presence {
    /// Counted by this series from now on.
    pub fn in_gauge(gauge: GaugeHandle) -> Self {
        gauge.increment(1.0);
        Self(gauge)
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

fn key<const LABELS: usize>(
    description: &'static Description,
    values: [&'static str; LABELS],
) -> Key {
    let labels = description.labels.iter().zip(values);
    let labels: Vec<Label> = labels
        .map(|(label, value)| Label::from_static_parts(label, value))
        .collect();
    Key::from_parts(description.name, labels)
}
