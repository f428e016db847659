//! Announcements: hints that follow a commit. None of them is needed for anything but speed, so a
//! bus that is out of reach is no error here.

use std::sync::Arc;

use drover_bus::{EventBus, Subject};
use drover_domain::ProcessId;
use drover_proto::name;
use drover_proto::v1::Envelope;
use drover_store::Ready;
use uuid::Uuid;

/// Tells others what has been committed.
#[derive(Clone)]
pub(crate) struct Announcer {
    bus: Arc<dyn EventBus>,
}

impl Announcer {
    pub(crate) fn new(bus: Arc<dyn EventBus>) -> Self {
        Self { bus }
    }

    /// A process can be claimed.
    pub(crate) async fn ready(&self, ready: Ready) {
        let envelope = Envelope {
            resource: Some(ready.resource.into()),
            payload: ready.process.to_string().into_bytes(),
            ..named(name::PROCESS_READY)
        };
        self.publish(Subject::process_ready(ready.process), envelope)
            .await;
    }

    /// A process is finished.
    pub(crate) async fn ended(&self, process: ProcessId) {
        let envelope = Envelope {
            payload: process.to_string().into_bytes(),
            ..named(name::PROCESS_ENDED)
        };
        self.publish(Subject::process_ended(process), envelope)
            .await;
    }

    /// The change log has grown.
    pub(crate) async fn changed(&self) {
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
