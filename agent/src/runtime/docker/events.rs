//! Docker's stream of events, without gaps that nobody knows of.
//!
//! Each time that the stream is opened, the engine is first asked for its own time, and events are
//! asked for from [`OVERLAP`] before that moment on; then [`RuntimeEvent::Gap`] tells the reader to
//! look at everything. What happened long before that moment is in what the reader sees, what
//! happened later is in the stream, and nothing is in neither.
//!
//! The overlap is needed as Docker tells of an end before it has tidied up after it, and its list
//! has the container as running until that is done. An event that is told twice costs one look.

use std::collections::HashMap;
use std::time::Duration;

use bollard::models::EventMessage;
use bollard::query_parameters::EventsOptionsBuilder;
use drover_domain::{ResourceId, Timestamp};
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::StrDeserializer;
use tracing::{debug, warn};

use super::{DockerRuntime, explain, labels};
use crate::backoff::Backoff;
use crate::runtime::{RuntimeError, RuntimeEvent};

/// More than Docker takes from the event of an end to its list.
const OVERLAP: Duration = Duration::from_secs(60);

type Events = BoxStream<'static, Result<EventMessage, bollard::errors::Error>>;

struct Watch {
    runtime: DockerRuntime,
    events: Option<Events>,
    backoff: Backoff,
    is_away: bool,
}

/// The events of the runtime's agent; it ends when its reader drops it.
pub(super) fn watch(runtime: DockerRuntime) -> BoxStream<'static, RuntimeEvent> {
    let watch = Watch {
        runtime,
        events: None,
        backoff: Backoff::new(Duration::from_millis(100), Duration::from_secs(5)),
        is_away: false,
    };
    stream::unfold(watch, |mut watch| async {
        let event = watch.next().await;
        Some((event, watch))
    })
    .boxed()
}

impl Watch {
    async fn next(&mut self) -> RuntimeEvent {
        loop {
            let Some(events) = &mut self.events else {
                match open(&self.runtime).await {
                    Ok(events) => {
                        self.events = Some(events);
                        self.is_away = false;
                        return RuntimeEvent::Gap;
                    }
                    Err(error) => {
                        // Said once for each time that it goes away.
                        if !self.is_away {
                            warn!(%error, "the events of the Docker engine cannot be had");
                        }
                        self.is_away = true;
                        tokio::time::sleep(self.backoff.next()).await;
                        continue;
                    }
                }
            };
            match events.next().await {
                Some(Ok(event)) => {
                    self.backoff.reset();
                    if let Some(id) = container_of(&event) {
                        return match event.action.as_deref() {
                            Some("start") => RuntimeEvent::Began(id),
                            _ => RuntimeEvent::Ended(id),
                        };
                    }
                }
                ended => {
                    let error = ended.and_then(Result::err).map(|error| explain(&error));
                    debug!(?error, "the events of the Docker engine ended");
                    self.events = None;
                    tokio::time::sleep(self.backoff.next()).await;
                }
            }
        }
    }
}

async fn open(runtime: &DockerRuntime) -> Result<Events, RuntimeError> {
    let docker = runtime.client()?;
    let mut filters = runtime.labels()?.filter();
    filters.extend(HashMap::from([
        ("type".to_owned(), vec!["container".to_owned()]),
        (
            "event".to_owned(),
            ["die", "destroy", "start"].map(str::to_owned).to_vec(),
        ),
    ]));
    let info = docker.info().await.map_err(|error| explain(&error))?;
    let since = info
        .system_time
        .and_then(|time| seconds_before(&time, OVERLAP))
        .ok_or_else(|| RuntimeError::Runtime("the Docker engine does not tell its time".into()))?;
    let options = EventsOptionsBuilder::new()
        .since(&since)
        .filters(&filters)
        .build();
    Ok(docker.events(Some(options)).boxed())
}

/// The engine tells its time in RFC 3339 and takes it in seconds.
fn seconds_before(time: &str, overlap: Duration) -> Option<String> {
    let time: StrDeserializer<'_, serde::de::value::Error> = time.into_deserializer();
    let millis = Timestamp::deserialize(time).ok()?.millis();
    let since = millis.saturating_sub(i64::try_from(overlap.as_millis()).ok()?);
    Some(format!("{}.{:03}000000", since / 1_000, since % 1_000))
}

fn container_of(event: &EventMessage) -> Option<ResourceId> {
    let attributes = event.actor.as_ref()?.attributes.as_ref()?;
    attributes.get(labels::CONTAINER)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_the_engine_is_given_back_in_seconds() {
        let told = "2026-11-21T00:00:00.123456789Z";
        let of = |overlap: u64| seconds_before(told, Duration::from_millis(overlap));
        assert_eq!(of(0).as_deref(), Some("1795219200.123000000"));
        assert_eq!(of(60_124).as_deref(), Some("1795219139.999000000"));
        assert_eq!(seconds_before("soon", OVERLAP), None);
    }
}
