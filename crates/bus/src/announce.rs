//! Announcements: hints that follow a commit. None of them is needed for anything but speed, so a
//! bus that is out of reach is no error here.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use drover_domain::process::Priority;
use drover_domain::{ProcessId, ResourceRef};
use drover_proto::name;
use drover_proto::v1::Envelope;
use tokio::time::Instant;
use uuid::Uuid;

use crate::{EventBus, Subject};

/// That the change log has grown is told at once, and then once in this time at most: who reads it reads
/// all that there is.
const CHANGED_EVERY: Duration = Duration::from_millis(2);

/// Tells others what has been committed.
#[derive(Clone)]
pub struct Announcer {
    bus: Arc<dyn EventBus>,
    changes: Arc<Mutex<Changes>>,
}

/// When it was told that the change log has grown.
#[derive(Default)]
struct Changes {
    told: Option<Instant>,
    /// Whether it will be told again by somebody who waits for the moment.
    is_to_be_told: bool,
}

impl Announcer {
    /// Announcements on a bus.
    pub fn new(bus: Arc<dyn EventBus>) -> Self {
        Self {
            bus,
            changes: Arc::default(),
        }
    }

    /// A process can be claimed.
    pub async fn ready(&self, process: ProcessId, resource: ResourceRef, priority: Priority) {
        let envelope = Envelope {
            resource: Some(resource.into()),
            priority: priority.rank().into(),
            payload: process.to_string().into_bytes(),
            ..named(name::PROCESS_READY)
        };
        self.publish(Subject::process_ready(process), envelope)
            .await;
    }

    /// A process is finished.
    pub async fn ended(&self, process: ProcessId) {
        let envelope = Envelope {
            payload: process.to_string().into_bytes(),
            ..named(name::PROCESS_ENDED)
        };
        self.publish(Subject::process_ended(process), envelope)
            .await;
    }

    /// The change log has grown.
    pub async fn changed(&self) {
        let now = Instant::now();
        let too_early = {
            let mut changes = self.changes();
            if changes.is_to_be_told {
                return;
            }
            let due = changes.told.map(|told| told + CHANGED_EVERY);
            let too_early = due.filter(|due| *due > now);
            match too_early {
                None => changes.told = Some(now),
                Some(_) => changes.is_to_be_told = true,
            }
            too_early
        };
        match too_early {
            None => self.tell_changed().await,
            Some(due) => self.tell_changed_at(due),
        }
    }

    fn tell_changed_at(&self, due: Instant) {
        let announcer = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep_until(due).await;
            *announcer.changes() = Changes {
                told: Some(Instant::now()),
                is_to_be_told: false,
            };
            announcer.tell_changed().await;
        });
    }

    async fn tell_changed(&self) {
        self.publish(Subject::changed(), named(name::CHANGED)).await;
    }

    fn changes(&self) -> MutexGuard<'_, Changes> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn publish(&self, subject: Subject, envelope: Envelope) {
        if let Err(error) = self.bus.publish(&subject, envelope).await {
            tracing::debug!(%error, %subject, "announcement dropped");
        }
    }
}

fn named(name: &str) -> Envelope {
    Envelope {
        id: Uuid::now_v7().to_string(),
        name: name.to_owned(),
        ..Envelope::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MemoryBus, Subscribe};

    #[tokio::test]
    async fn of_a_burst_of_changes_the_first_is_told_at_once_and_the_last_soon() {
        let bus = Arc::new(MemoryBus::new());
        let mut heard = bus.subscribe(Subscribe::changed()).await.unwrap();
        let announcer = Announcer::new(bus);
        let began = Instant::now();
        announcer.changed().await;
        assert_eq!(heard.next().await.unwrap().name, name::CHANGED);

        for _ in 0..1_000 {
            announcer.changed().await;
        }
        let burst = began.elapsed();
        let mut told = 0;
        while tokio::time::timeout(CHANGED_EVERY * 50, heard.next())
            .await
            .is_ok()
        {
            told += 1;
        }
        let most = burst.as_micros() / CHANGED_EVERY.as_micros() + 1;
        assert!((1..=most).contains(&told), "{told} times in {burst:?}");
    }
}
