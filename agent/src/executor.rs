//! Carries out commands.
//!
//! [`Executor::accept`] never waits: it answers at once what can be answered at once (a ping, a
//! stale fence, a repeat) and starts a task for everything else. The task waits for its turn in its
//! resource's line and for one of [`AT_A_TIME`] permits, checks that the command is still wanted,
//! acts on the runtime, and writes the reply into the ledger. It is not tied to the connection on
//! which the command came: when that goes, the work goes on and the reply is kept for a repeat.
//!
//! What takes long says how far it is ([`Telling`](crate::telling)), to whoever waits for it and to whoever
//! stands in line behind it.

use std::sync::Arc;
use std::time::Duration;

use drover_domain::{Fence, ResourceId, ResourceRef, ResourceType};
use drover_proto::v1::{
    AgentFrame, Command, CredentialKept, Failure, Inventory, Pong, Reply, RotateCredential,
    SeenContainer, agent_frame, command::Action, failure::Code, reply,
};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use tracing::{debug, info};

use crate::credentials::{Credentials, NotKept};
use crate::health::HealthChecks;
use crate::images::Images;
use crate::ledger::{Admission, Ledger, Place, Ticket, Waiter};
use crate::machine;
use crate::registrar::Chain;
use crate::reports::{Cause, Reports};
use crate::runtime::{Runtime, RuntimeError};
use crate::telling::{Asked, Telling};
use crate::usage;

/// Commands carried out at a time.
const AT_A_TIME: usize = 64;

/// Questions how busy the host is that are answered at a time.
const STATS_AT_A_TIME: usize = 4;

/// See the module.
pub(crate) struct Executor {
    tools: Tools,
    permits: Semaphore,
    stats: Arc<Semaphore>,
    tasks: TaskTracker,
    telling: Telling,
}

/// What commands are carried out with.
pub(crate) struct Tools {
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) ledger: Ledger,
    pub(crate) reports: Arc<Reports>,
    pub(crate) health: Arc<HealthChecks>,
    pub(crate) credentials: Arc<Credentials>,
}

/// A command that was understood.
struct Order {
    command_id: String,
    resource: ResourceRef,
    fence: Fence,
    /// When nobody waits for the reply any more.
    expires: Option<Instant>,
    action: Action,
}

impl Executor {
    pub(crate) fn new(tools: Tools) -> Self {
        Self {
            telling: Telling::new(tools.ledger.clone()),
            tools,
            permits: Semaphore::new(AT_A_TIME),
            stats: Arc::new(Semaphore::new(STATS_AT_A_TIME)),
            tasks: TaskTracker::new(),
        }
    }

    /// Takes in a command. What it gives back is the answer; otherwise the waiter will have it.
    pub(crate) fn accept(self: &Arc<Self>, command: Command, waiter: &Waiter) -> Option<Reply> {
        let now = Instant::now();
        if let Some(Action::TakeStats(_)) = command.action {
            return self.tell_stats(command.id, waiter);
        }
        let order = match understand(command, now) {
            Ok(order) => order,
            Err(reply) => return Some(*reply),
        };
        let admission =
            self.tools
                .ledger
                .admit(&order.command_id, order.resource, order.fence, waiter, now);
        match admission {
            Admission::Stale(highest) => Some(stale(order.command_id, order.fence, highest)),
            Admission::Remembered(reply) => Some(*reply),
            Admission::Joined => None,
            Admission::Full => Some(failed(
                order.command_id,
                Code::Unavailable,
                "the agent has too many commands in hand".to_owned(),
            )),
            Admission::Begin(ticket, place) => {
                let executor = Arc::clone(self);
                self.tasks
                    .spawn(async move { executor.carry_out(order, ticket, place).await });
                None
            }
        }
    }

    /// Waits for what is in hand, but not for ever.
    pub(crate) async fn finish_within(&self, limit: Duration) {
        self.tasks.close();
        if tokio::time::timeout(limit, self.tasks.wait())
            .await
            .is_err()
        {
            info!(
                commands = self.tasks.len(),
                "ending while commands are in hand"
            );
        }
    }

    async fn carry_out(&self, order: Order, ticket: Ticket, place: Place) {
        let waiting = place.turn();
        let asked = Asked {
            command_id: &order.command_id,
            resource: order.resource,
            expires: order.expires,
        };
        let Some(turn) = self.telling.during(asked, waiting).await else {
            return;
        };
        let Ok(permit) = self.permits.acquire().await else {
            return;
        };
        let reply = match self.unwanted(&order) {
            Some(reply) => reply,
            None => self.telling.during(asked, self.act(&order)).await,
        };
        if let Some(reply::Result::Container(seen)) = &reply.result {
            let cause = match order.action {
                Action::StopContainer(_) | Action::RemoveContainer(_) => Cause::End,
                Action::CreateContainer(_) | Action::StartContainer(_) => Cause::Begin,
                _ => Cause::Look,
            };
            self.tools.reports.replied(order.resource.id, seen, cause);
        }
        let waiters = match &reply.result {
            Some(reply::Result::Inventory(_)) => ticket.finish_unremembered(),
            _ => ticket.finish(&reply, Instant::now()),
        };
        // In the turn, so that no report of what happens next goes out before the reply ...
        let patient = hand_out(waiters, &reply);
        drop((permit, turn));
        // ... but a connection that takes nothing holds up its own reply only.
        for (waiter, frame) in patient {
            if waiter.send(frame).await.is_err() {
                debug!(command = %order.command_id, "the reply is kept: its connection is gone");
            }
        }
    }

    /// Why a command is not to be carried out now that its turn has come, if it is not.
    fn unwanted(&self, order: &Order) -> Option<Reply> {
        let id = || order.command_id.clone();
        if let Some(highest) = self.tools.ledger.outdated_by(order.resource, order.fence) {
            return Some(stale(id(), order.fence, highest));
        }
        let has_expired = order.expires.is_some_and(|moment| moment <= Instant::now());
        has_expired.then(|| {
            let message = "the command's time was over before its turn came".to_owned();
            failed(id(), Code::Unavailable, message)
        })
    }

    async fn act(&self, order: &Order) -> Reply {
        let id = order.resource.id;
        let began = Instant::now();
        let result = match &order.action {
            Action::Ping(_) => Ok(reply::Result::Pong(Pong {})),
            Action::TakeInventory(_) => self.inventory().await.map(reply::Result::Inventory),
            Action::MakeVolume(wanted) => {
                let made = self.tools.runtime.make_volume(id, wanted).await;
                made.map(reply::Result::Volume)
            }
            Action::RemoveVolume(_) => {
                let removed = self.tools.runtime.remove_volume(id).await;
                removed.map(reply::Result::Volume)
            }
            Action::PullImage(wanted) => {
                let fetched = self.images().fetch(order.resource, wanted).await;
                fetched.map(reply::Result::Image)
            }
            Action::RotateCredential(given) => self
                .keep_credential(id, given)
                .map(|()| reply::Result::CredentialKept(CredentialKept {})),
            action => self
                .act_on_container(id, action)
                .await
                .map(reply::Result::Container),
        };
        let millis = began.elapsed().as_millis();
        match result {
            Ok(result) => {
                debug!(resource = %order.resource, action = name_of(&order.action), %millis, "done");
                Reply {
                    command_id: order.command_id.clone(),
                    result: Some(result),
                }
            }
            Err(error) => {
                info!(
                    resource = %order.resource,
                    action = name_of(&order.action),
                    %millis,
                    %error,
                    "a command could not be carried out"
                );
                Reply {
                    command_id: order.command_id.clone(),
                    result: Some(reply::Result::Failure(Failure::from(&error))),
                }
            }
        }
    }

    async fn act_on_container(
        &self,
        id: ResourceId,
        action: &Action,
    ) -> Result<SeenContainer, RuntimeError> {
        let seen = match action {
            Action::CreateContainer(wanted) => {
                self.tools.health.made(id, wanted);
                self.images().create(id, wanted).await
            }
            Action::StartContainer(_) => self.tools.runtime.start(id).await,
            Action::StopContainer(stop) => {
                let grace = Duration::from_millis(u64::from(stop.grace_millis));
                self.tools.runtime.stop(id, grace).await
            }
            Action::RemoveContainer(_) => self.tools.runtime.remove(id).await,
            Action::Ping(_)
            | Action::TakeInventory(_)
            | Action::TakeStats(_)
            | Action::RotateCredential(_)
            | Action::MakeVolume(_)
            | Action::RemoveVolume(_)
            | Action::PullImage(_)
            | Action::InspectContainer(_)
            | Action::OpenStream(_) => self.tools.runtime.inspect(id).await,
        };
        let mut seen = seen?;
        self.tools.health.look(id, &mut seen);
        Ok(seen)
    }

    fn images(&self) -> Images<'_> {
        Images {
            runtime: &*self.tools.runtime,
            telling: &self.telling,
        }
    }

    /// Takes another credential of this agent.
    fn keep_credential(
        &self,
        id: ResourceId,
        given: &RotateCredential,
    ) -> Result<(), RuntimeError> {
        let kept = self.tools.credentials.exchange(id, &given.credential);
        kept.map_err(|error| match error {
            NotKept::File(_) => RuntimeError::Runtime(Chain(&error).to_string()),
            NotKept::Foreign | NotKept::Unsound => RuntimeError::Refused(error.to_string()),
        })
    }

    /// Tells how busy the host is, in the background and beside whatever else is going on: it changes nothing
    /// and is not remembered, so neither fences nor turns are of concern.
    fn tell_stats(self: &Arc<Self>, command_id: String, waiter: &Waiter) -> Option<Reply> {
        let Ok(permit) = Arc::clone(&self.stats).try_acquire_owned() else {
            let message = "the agent is asked too often how busy its host is".to_owned();
            return Some(failed(command_id, Code::Unavailable, message));
        };
        let (executor, waiter) = (Arc::clone(self), waiter.clone());
        self.tasks.spawn(async move {
            let runtime = &executor.tools.runtime;
            let result = match runtime.list().await {
                Ok(containers) => {
                    let stats = usage::stats(runtime.storage(), &containers).await;
                    reply::Result::HostStats(Box::new(stats))
                }
                Err(error) => reply::Result::Failure(Failure::from(&error)),
            };
            drop(permit);
            let reply = Reply {
                command_id,
                result: Some(result),
            };
            if waiter.send(frame(reply)).await.is_err() {
                debug!("nobody waits any more to hear how busy the host is");
            }
        });
        None
    }

    /// What the host is and what it runs.
    pub(crate) async fn inventory(&self) -> Result<Inventory, RuntimeError> {
        let facts = match self.tools.runtime.facts().await {
            Ok(facts) => facts,
            Err(error) => {
                debug!(%error, "the runtime does not tell what the host is");
                let mut facts = machine::facts();
                facts.runtime = self.tools.runtime.name().to_owned();
                facts
            }
        };
        let mut containers = self.tools.runtime.list().await?;
        for seen in &mut containers {
            if let Ok(id) = seen.container_id.parse() {
                self.tools.health.look(id, seen);
            }
        }
        Ok(Inventory {
            facts: Some(facts.into()),
            containers,
        })
    }
}

fn understand(command: Command, now: Instant) -> Result<Order, Box<Reply>> {
    let Some(action) = command.action else {
        let message = "this agent does not know the action".to_owned();
        return Err(Box::new(failed(command.id, Code::Unsupported, message)));
    };
    if matches!(action, Action::Ping(_)) {
        return Err(Box::new(Reply {
            command_id: command.id,
            result: Some(reply::Result::Pong(Pong {})),
        }));
    }
    let resource = match drover_proto::resource(command.resource.as_ref()) {
        Ok(resource) => resource,
        Err(error) => {
            return Err(Box::new(failed(
                command.id,
                Code::Refused,
                error.to_string(),
            )));
        }
    };
    let fits = match action {
        Action::TakeInventory(_) => true,
        Action::MakeVolume(_) | Action::RemoveVolume(_) => {
            resource.resource_type == ResourceType::Volume
        }
        Action::PullImage(_) => resource.resource_type == ResourceType::Image,
        Action::RotateCredential(_) => resource.resource_type == ResourceType::Agent,
        _ => resource.resource_type == ResourceType::Container,
    };
    if command.id.is_empty() || !fits {
        let message = format!("the action does not fit {resource}, or has no id");
        return Err(Box::new(failed(command.id, Code::Refused, message)));
    }
    let timeout = u64::try_from(command.timeout_millis).unwrap_or_default();
    Ok(Order {
        command_id: command.id,
        resource,
        fence: Fence::from_raw(command.fence),
        expires: (timeout > 0)
            .then(|| now.checked_add(Duration::from_millis(timeout)))
            .flatten(),
        action,
    })
}

/// Hands out a reply without waiting; gives back those who have no room for it now.
fn hand_out(waiters: Vec<Waiter>, reply: &Reply) -> Vec<(Waiter, AgentFrame)> {
    let mut patient = Vec::new();
    for waiter in waiters {
        if let Err(TrySendError::Full(frame)) = waiter.try_send(frame(reply.clone())) {
            patient.push((waiter, frame));
        }
    }
    patient
}

/// The frame that carries a reply.
pub(crate) fn frame(reply: Reply) -> AgentFrame {
    AgentFrame {
        content: Some(agent_frame::Content::Reply(reply)),
    }
}

fn stale(command_id: String, fence: Fence, highest: Fence) -> Reply {
    let message = format!("the fence {fence} is older than {highest}, which was seen before");
    failed(command_id, Code::StaleFence, message)
}

/// The reply that a command was not carried out.
pub(crate) fn failed(command_id: String, code: Code, message: String) -> Reply {
    Reply {
        command_id,
        result: Some(reply::Result::Failure(Failure {
            code: code.into(),
            message,
        })),
    }
}

const fn name_of(action: &Action) -> &'static str {
    match action {
        Action::Ping(_) => "ping",
        Action::TakeInventory(_) => "take inventory",
        Action::CreateContainer(_) => "create",
        Action::StartContainer(_) => "start",
        Action::StopContainer(_) => "stop",
        Action::RemoveContainer(_) => "remove",
        Action::InspectContainer(_) => "inspect",
        Action::MakeVolume(_) => "make volume",
        Action::RemoveVolume(_) => "remove volume",
        Action::PullImage(_) => "pull image",
        Action::OpenStream(_) => "open stream",
        Action::TakeStats(_) => "take stats",
        Action::RotateCredential(_) => "rotate credential",
    }
}
