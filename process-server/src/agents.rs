//! Commands to agents, by way of the bus and of whichever agent server holds the agent.

use std::sync::Arc;
use std::time::Duration;

use drover_bus::{BusError, EventBus, Subject};
use drover_domain::engine::breaker::AtRest;
use drover_domain::{Fence, ResourceId, ResourceRef};
use drover_proto::v1::{self, Envelope, command, failure, reply};
use drover_proto::{Malformed, decode_payload, name};
use prost::Message;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::breakers::Breakers;

/// For how long an agent may say that it is still at a command: as long as a create has by default.
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// What a command is about, and who sends it.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    /// Names the command: the same name from the same sender is the same command.
    pub(crate) name: String,
    /// The sender, so that names of different senders differ.
    pub(crate) sender: Uuid,
    /// The host whose agent is to act.
    pub(crate) host: ResourceId,
    /// What it acts on.
    pub(crate) resource: ResourceRef,
    /// The fence under which the sender works.
    pub(crate) fence: Fence,
    /// Whether it is sent even to a host that is left alone.
    pub(crate) force: bool,
}

/// What came of a command.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// The agent did it; the container as it is now.
    Container(Box<v1::SeenContainer>),
    /// The agent did it; the volume as it is now.
    Volume(v1::SeenVolume),
    /// The agent did it; the image is there.
    Image,
    /// The agent told what the host is and runs.
    Inventory(v1::Inventory),
    /// The agent is there.
    Pong,
    /// The agent is still at it. It goes on, and whoever sends the command again is told more.
    Busy(v1::Progress),
    /// The agent has written its new credential down.
    CredentialKept,
    /// The agent, or the runtime, refused or failed.
    Failure(failure::Code, String),
    /// The agent is not connected, and the command went nowhere.
    Absent(String),
    /// Nobody knows what came of it: the agent is slow, or the bus is away, or lost a message.
    Silence(String),
    /// Nothing was sent: the host failed again and again and is left alone for a while.
    AtRest(AtRest),
}

/// Sends commands.
#[derive(Clone)]
pub(crate) struct Agents {
    bus: Arc<dyn EventBus>,
    breakers: Breakers,
    patience: Duration,
}

impl Agents {
    pub(crate) fn new(bus: Arc<dyn EventBus>, breakers: Breakers, patience: Duration) -> Self {
        Self {
            bus,
            breakers,
            patience,
        }
    }

    /// The breakers of the hosts.
    pub(crate) fn breakers(&self) -> &Breakers {
        &self.breakers
    }

    /// Sends a command and waits for its reply, within patience; unless the host is left alone.
    pub(crate) async fn send(
        &self,
        order: Order,
        action: command::Action,
    ) -> Result<Answer, Malformed> {
        let host = order.host;
        if !order.force
            && let Err(rest) = self.breakers.ask(host)
        {
            return Ok(Answer::AtRest(rest));
        }
        let asking = self.breakers.asking(host);
        let answer = self.request(order, action).await?;
        asking.answered();
        match &answer {
            Answer::Absent(reason) | Answer::Silence(reason) => self.breakers.fail(host, reason),
            Answer::Failure(code, reason) if is_fault_of_host(*code) => {
                self.breakers.fail(host, reason);
            }
            _ => self.breakers.succeed(host),
        }
        Ok(answer)
    }

    async fn request(&self, order: Order, action: command::Action) -> Result<Answer, Malformed> {
        let id = Uuid::new_v5(
            &order.sender,
            format!("{}/{}", order.name, order.fence).as_bytes(),
        );
        // An image may take long to fetch. The agent goes on with it meanwhile, and its words on the way are
        // expected for as long.
        let known_for = match &action {
            command::Action::CreateContainer(_) | command::Action::PullImage(_) => LONGEST,
            _ => self.patience,
        };
        let command = v1::Command {
            id: id.to_string(),
            resource: Some(order.resource.into()),
            fence: order.fence.raw(),
            timeout_millis: i64::try_from(known_for.as_millis()).unwrap_or(i64::MAX),
            action: Some(action),
        };
        let envelope = Envelope {
            id: command.id.clone(),
            kind: v1::envelope::Kind::Request.into(),
            name: name::AGENT_COMMAND.to_owned(),
            resource: command.resource.clone(),
            fence: command.fence,
            payload: command.encode_to_vec(),
            ..Envelope::default()
        };
        let subject = Subject::host_command(order.host);
        let (progress, mut told) = mpsc::channel(1);
        let asking = self
            .bus
            .request(&subject, envelope, self.patience, Some(progress));
        let answer = tokio::select! {
            biased;
            answer = asking => answer,
            // Nobody is waited for who says that it takes longer: the process gives everything back that it
            // holds, and asks again.
            Some(envelope) = told.recv() => return busy(&envelope),
        };
        match answer {
            Ok(envelope) => read(decode_payload(&envelope.payload)?),
            Err(error @ BusError::TooLarge { .. }) => {
                Ok(Answer::Failure(failure::Code::Refused, error.to_string()))
            }
            Err(error @ BusError::NobodyListens(_)) => Ok(Answer::Absent(no_answer(&error))),
            Err(error) => Ok(Answer::Silence(no_answer(&error))),
        }
    }
}

impl Agents {
    /// Tells the agent server that holds the agent of a host to let it go.
    pub(crate) async fn retire(&self, host: ResourceId) {
        let envelope = Envelope {
            id: Uuid::now_v7().to_string(),
            name: name::HOST_RETIRED.to_owned(),
            ..Envelope::default()
        };
        if let Err(error) = self
            .bus
            .publish(&Subject::host_command(host), envelope)
            .await
        {
            tracing::debug!(%error, %host, "nobody was told that the host is retired");
        }
    }
}

impl Agents {
    /// Tells the agent server that holds the agent of a host that its credentials are others.
    pub(crate) async fn tell_credentials_changed(&self, host: ResourceId) {
        let envelope = Envelope {
            id: Uuid::now_v7().to_string(),
            name: name::CREDENTIALS_CHANGED.to_owned(),
            ..Envelope::default()
        };
        let subject = Subject::host_command(host);
        if let Err(error) = self.bus.publish(&subject, envelope).await {
            tracing::debug!(%error, %host, "nobody was told of other credentials, it will be noticed");
        }
    }

    /// Has what a host was seen to have settled by whoever settles reports. Whoever needs it looks again.
    pub(crate) async fn settle(&self, host: ResourceId, seen: &v1::SeenContainer) {
        let id = Uuid::now_v7().to_string();
        let report = v1::HostReport {
            host_id: host.to_string(),
            agent_id: String::new(),
            report: Some(v1::Report {
                id: id.clone(),
                what: Some(v1::report::What::Container(seen.clone())),
            }),
        };
        let envelope = Envelope {
            id,
            kind: v1::envelope::Kind::Request.into(),
            name: name::HOST_REPORT.to_owned(),
            payload: report.encode_to_vec(),
            ..Envelope::default()
        };
        let subject = Subject::host_report(host);
        let settled = self.bus.request(&subject, envelope, self.patience, None);
        if let Err(error) = settled.await {
            tracing::debug!(%error, %host, "a container was not settled, it is looked for again");
        }
    }
}

fn busy(envelope: &Envelope) -> Result<Answer, Malformed> {
    let reply: v1::Reply = decode_payload(&envelope.payload)?;
    match reply.result {
        Some(reply::Result::Progress(progress)) => Ok(Answer::Busy(progress)),
        _ => Err(Malformed::Missing("progress")),
    }
}

/// Whether a failure says something about the host rather than about what was asked of it. A
/// runtime that refuses one container may well run the next one.
fn is_fault_of_host(code: failure::Code) -> bool {
    matches!(
        code,
        failure::Code::Unavailable | failure::Code::Disconnected
    )
}

fn no_answer(error: &BusError) -> String {
    match error {
        BusError::NobodyListens(_) => "the agent of the host is not connected".to_owned(),
        BusError::TimedOut(after) => {
            format!(
                "the agent of the host has not answered for {} s",
                after.as_secs()
            )
        }
        other => other.to_string(),
    }
}

fn read(reply: v1::Reply) -> Result<Answer, Malformed> {
    Ok(match reply.result.ok_or(Malformed::Missing("result"))? {
        reply::Result::Container(seen) => Answer::Container(Box::new(seen)),
        reply::Result::Volume(seen) => Answer::Volume(seen),
        reply::Result::Image(_) => Answer::Image,
        reply::Result::Inventory(inventory) => Answer::Inventory(inventory),
        reply::Result::Pong(_) => Answer::Pong,
        reply::Result::CredentialKept(_) => Answer::CredentialKept,
        // Said by the agent server, when a connection ended with the command on it.
        reply::Result::Failure(failure) if failure.code() == failure::Code::Disconnected => {
            Answer::Silence(failure.message)
        }
        reply::Result::Failure(failure) => Answer::Failure(failure.code(), failure.message),
        // A process asks for none of these.
        reply::Result::HostStats(_) | reply::Result::StreamOpened(_) => {
            return Err(Malformed::Missing("what was asked for"));
        }
        reply::Result::Progress(_) => return Err(Malformed::Missing("a final result")),
    })
}
