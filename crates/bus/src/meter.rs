//! The meter: what goes over the bus and how long answers take; the same for every implementation.
//!
//! Envelopes are counted by their topic, which is the part of a subject that tells what it is
//! about. There are as many topics as constructors of [`Subject`].

use std::future::Future;
use std::time::Instant;

use drover_metrics::CounterHandle;
use drover_metrics::table::{
    BUS_DROPPED, BUS_PUBLISHED, BUS_RECEIVED, BUS_REFUSED, BUS_REQUEST_SECONDS,
};
use drover_proto::v1::Envelope;

use crate::subject::TOPICS;
use crate::{BusError, Subject};

/// What is measured of one bus.
#[derive(Clone)]
pub(crate) struct Meter {
    published: [CounterHandle; TOPICS.len()],
    refused: CounterHandle,
    dropped: CounterHandle,
}

impl Meter {
    pub(crate) fn new() -> Self {
        Self {
            published: TOPICS.map(|topic| BUS_PUBLISHED.of([topic])),
            refused: BUS_REFUSED.of([]),
            dropped: BUS_DROPPED.of([]),
        }
    }

    /// Counts an envelope that was handed to the bus.
    pub(crate) fn sent<Sent>(&self, subject: &Subject, sent: &Result<Sent, BusError>) {
        match sent {
            Ok(_) => self.published(subject),
            Err(_) => self.refused.increment(1),
        }
    }

    /// Counts an envelope that the bus took.
    pub(crate) fn published(&self, subject: &Subject) {
        let counters = TOPICS.iter().zip(&self.published);
        if let Some((_, counter)) = counters
            .into_iter()
            .find(|(topic, _)| **topic == subject.topic())
        {
            counter.increment(1);
        }
    }

    /// Counts envelopes that slow subscribers lost.
    pub(crate) fn dropped(&self, envelopes: u64) {
        self.dropped.increment(envelopes);
    }

    /// Measures a request.
    pub(crate) async fn measure(
        &self,
        asking: impl Future<Output = Result<Envelope, BusError>>,
    ) -> Result<Envelope, BusError> {
        let began = Instant::now();
        let answered = asking.await;
        let outcome = match &answered {
            Ok(_) => "replied",
            Err(BusError::NobodyListens(_)) => "nobody_listens",
            Err(BusError::TimedOut(_)) => "timed_out",
            Err(BusError::Disconnected { .. }) => "disconnected",
            Err(_) => "refused",
        };
        BUS_REQUEST_SECONDS.record([outcome], began.elapsed());
        answered
    }
}

/// The counter of what arrives at a subscription.
pub(crate) fn received(topic: &'static str) -> CounterHandle {
    BUS_RECEIVED.of([topic])
}
