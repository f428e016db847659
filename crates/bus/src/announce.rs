//! Announcements: hints that follow a commit. None of them is needed for anything but speed, so a
//! bus that is out of reach is no error here.

use std::sync::Arc;

use drover_domain::process::Priority;
use drover_domain::{ProcessId, ResourceRef};
use drover_proto::name;
use drover_proto::v1::Envelope;
use uuid::Uuid;

use crate::{EventBus, Subject};

/// Tells others what has been committed.
#[derive(Clone)]
pub struct Announcer {
    bus: Arc<dyn EventBus>,
}

impl Announcer {
    /// Announcements on a bus.
    pub fn new(bus: Arc<dyn EventBus>) -> Self {
        Self { bus }
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
        self.publish(Subject::changed(), named(name::CHANGED)).await;
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
