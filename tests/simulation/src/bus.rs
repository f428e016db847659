//! The bus of a simulation: it loses, delays, repeats and reorders what it carries, and is away at
//! times.
//!
//! It knows who listens: the process servers as one queue group, the agents each to the commands of
//! its host. What it delivers it hands to a [`Listener`] inside of an actor of its own.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use drover_bus::{BusError, EventBus, Subject, Subscribe, Subscription};
use drover_proto::name;
use drover_proto::v1::Envelope;
use tokio::sync::mpsc;

use crate::kernel::{Kernel, Owner};

/// Who hears what the bus delivers.
pub trait Listener: Send + Sync + 'static {
    /// Whether anybody would hear of a subject now.
    fn is_there(&self, subject: &Subject) -> bool;

    /// Something has arrived.
    fn arrive(&self, subject: &Subject, envelope: Envelope);
}

/// See the module. Clones are the same bus, each in the hands of somebody with a name.
#[derive(Clone)]
pub struct SimBus {
    kernel: Kernel,
    holder: String,
    listener: Arc<OnceLock<Box<dyn Listener>>>,
}

impl SimBus {
    /// A bus to which nobody listens yet.
    pub fn new(kernel: Kernel) -> Self {
        Self {
            kernel,
            holder: "bus".to_owned(),
            listener: Arc::new(OnceLock::new()),
        }
    }

    /// The same bus in the hands of somebody.
    pub fn held_by(&self, holder: impl Into<String>) -> Self {
        Self {
            holder: holder.into(),
            ..self.clone()
        }
    }

    /// Says who listens, once.
    pub fn listen(&self, listener: Box<dyn Listener>) {
        drop(self.listener.set(listener));
    }

    /// Sends the copies of an envelope on their ways.
    fn send(&self, subject: &Subject, envelope: &Envelope) {
        let plan = self.kernel.plan();
        let arrivals = self.kernel.chance(|random| plan.arrivals(random));
        if arrivals.len() != 1 {
            let fate = if arrivals.is_empty() {
                "lost"
            } else {
                "doubled"
            };
            self.kernel.log(
                &self.holder,
                format!("{} to {subject} is {fate}", envelope.name),
            );
        }
        for after in arrivals {
            let bus = self.clone();
            let (subject, envelope) = (subject.clone(), envelope.clone());
            self.kernel.spawn(Owner::World, async move {
                bus.kernel.sleep(after).await;
                if let Some(listener) = bus.listener.get() {
                    listener.arrive(&subject, envelope);
                }
            });
        }
    }
}

#[async_trait]
impl EventBus for SimBus {
    async fn publish(&self, subject: &Subject, envelope: Envelope) -> Result<(), BusError> {
        if matches!(
            envelope.name.as_str(),
            name::CHANGED | name::PROCESSES_ENDED
        ) {
            // Only API servers listen, and they look by themselves as well.
            return Ok(());
        }
        self.kernel.pass().await;
        self.send(subject, &envelope);
        Ok(())
    }

    async fn subscribe(&self, _: Subscribe) -> Result<Subscription, BusError> {
        // Whoever listens was named to the bus before.
        Err(BusError::Disconnected { source: None })
    }

    async fn request(
        &self,
        subject: &Subject,
        mut envelope: Envelope,
        timeout: Duration,
        _: Option<mpsc::Sender<Envelope>>,
    ) -> Result<Envelope, BusError> {
        self.kernel.pass().await;
        let is_heard = self
            .listener
            .get()
            .is_some_and(|listener| listener.is_there(subject));
        if !is_heard {
            self.kernel
                .log(&self.holder, format!("finds nobody at {subject}"));
            return Err(BusError::NobodyListens(subject.to_string()));
        }
        let slot = self.kernel.slot();
        envelope.reply_to = slot.number().to_string();
        // When it was sent: what was on its way to an agent that dies is lost.
        envelope.trace_parent = self.kernel.now().millis().to_string();
        self.send(subject, &envelope);
        let answer = slot.take(timeout).await;
        answer.ok_or(BusError::TimedOut(timeout))
    }

    async fn answer(&self, request: &Envelope, answer: Envelope) -> Result<(), BusError> {
        let Ok(slot) = request.reply_to.parse::<u64>() else {
            return Err(BusError::NotARequest);
        };
        let plan = self.kernel.plan();
        for after in self.kernel.chance(|random| plan.arrivals(random)) {
            let kernel = self.kernel.clone();
            let answer = answer.clone();
            self.kernel.spawn(Owner::World, async move {
                kernel.sleep(after).await;
                kernel.put(slot, answer);
            });
        }
        Ok(())
    }

    fn is_connected(&self) -> bool {
        true
    }
}
