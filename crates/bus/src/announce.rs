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

/// What many may have to tell at the same time is told at once, and then once in this time at most.
const TOLD_EVERY: Duration = Duration::from_millis(2);

/// The most processes that one message names.
const NAMED: usize = 1_000;

/// Tells others what has been committed.
#[derive(Clone)]
pub struct Announcer {
    bus: Arc<dyn EventBus>,
    news: Arc<Mutex<News>>,
}

/// What is told of many at a time.
#[derive(Clone, Copy)]
enum Topic {
    /// That the change log has grown: who reads it reads all that there is.
    Changed,
    /// Which processes have ended.
    Ended,
}

/// What is to be told, and when it was told last.
#[derive(Default)]
struct News {
    changed: Telling,
    ended: Telling,
    /// Processes that have ended, and are not told of yet.
    ended_processes: Vec<ProcessId>,
}

impl News {
    fn telling(&mut self, topic: Topic) -> &mut Telling {
        match topic {
            Topic::Changed => &mut self.changed,
            Topic::Ended => &mut self.ended,
        }
    }
}

/// When something was told, and whether somebody waits to tell it again.
#[derive(Default)]
struct Telling {
    told: Option<Instant>,
    is_to_be_told: bool,
}

/// When whoever has something to tell does so.
#[derive(Clone, Copy)]
enum Turn {
    Now,
    At(Instant),
    /// Somebody waits who tells it as well.
    Never,
}

impl Telling {
    fn turn(&mut self, now: Instant) -> Turn {
        if self.is_to_be_told {
            return Turn::Never;
        }
        let due = self.told.map(|told| told + TOLD_EVERY);
        if let Some(due) = due.filter(|due| *due > now) {
            self.is_to_be_told = true;
            return Turn::At(due);
        }
        self.told = Some(now);
        Turn::Now
    }

    /// Whoever has waited tells it.
    fn tells(&mut self) {
        self.told = Some(Instant::now());
        self.is_to_be_told = false;
    }
}

impl Announcer {
    /// Announcements on a bus.
    pub fn new(bus: Arc<dyn EventBus>) -> Self {
        Self {
            bus,
            news: Arc::default(),
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
        self.news().ended_processes.push(process);
        self.tell_in_turn(Topic::Ended).await;
    }

    /// The change log has grown.
    pub async fn changed(&self) {
        self.tell_in_turn(Topic::Changed).await;
    }

    async fn tell_in_turn(&self, topic: Topic) {
        let turn = self.news().telling(topic).turn(Instant::now());
        match turn {
            Turn::Now => self.tell(topic).await,
            Turn::At(due) => {
                let announcer = self.clone();
                tokio::spawn(async move {
                    tokio::time::sleep_until(due).await;
                    announcer.news().telling(topic).tells();
                    announcer.tell(topic).await;
                });
            }
            Turn::Never => {}
        }
    }

    async fn tell(&self, topic: Topic) {
        match topic {
            Topic::Changed => self.publish(Subject::changed(), named(name::CHANGED)).await,
            Topic::Ended => self.tell_ended().await,
        }
    }

    async fn tell_ended(&self) {
        let ended = std::mem::take(&mut self.news().ended_processes);
        for some in ended.chunks(NAMED) {
            let names: Vec<String> = some.iter().map(ToString::to_string).collect();
            let envelope = Envelope {
                payload: names.join("\n").into_bytes(),
                ..named(name::PROCESSES_ENDED)
            };
            self.publish(Subject::processes_ended(), envelope).await;
        }
    }

    fn news(&self) -> MutexGuard<'_, News> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn publish(&self, subject: Subject, envelope: Envelope) {
        if let Err(error) = self.bus.publish(&subject, envelope).await {
            tracing::debug!(%error, %subject, "announcement dropped");
        }
    }
}

/// The processes whose end an envelope tells of; what is no process is left out.
pub fn ended_in(envelope: &Envelope) -> impl Iterator<Item = ProcessId> + '_ {
    let names = std::str::from_utf8(&envelope.payload).unwrap_or_default();
    names.lines().filter_map(|name| name.parse().ok())
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
        while tokio::time::timeout(TOLD_EVERY * 50, heard.next())
            .await
            .is_ok()
        {
            told += 1;
        }
        let most = burst.as_micros() / TOLD_EVERY.as_micros() + 1;
        assert!((1..=most).contains(&told), "{told} times in {burst:?}");
    }

    #[tokio::test]
    async fn each_end_of_a_burst_is_told_once_and_in_few_messages() {
        let bus = Arc::new(MemoryBus::new());
        let mut heard = bus.subscribe(Subscribe::processes_ended()).await.unwrap();
        let announcer = Announcer::new(bus);
        let ids: Vec<_> = (0..500)
            .map(|number| ProcessId::new(Uuid::from_u128(number)))
            .collect();
        let began = Instant::now();
        for id in &ids {
            announcer.ended(*id).await;
        }
        let most = began.elapsed().as_micros() / TOLD_EVERY.as_micros() + 2;
        let (mut told, mut messages) = (Vec::new(), 0);
        while told.len() < ids.len() {
            let heard = tokio::time::timeout(Duration::from_secs(10), heard.next());
            let envelope = heard.await.expect("all are told soon").unwrap();
            told.extend(ended_in(&envelope));
            messages += 1;
        }
        assert_eq!(told, ids);
        assert!(messages <= most, "{messages} messages");
    }
}
