//! One connection of the agent, as the checks use it: what it says is sorted, and what is
//! waited for has its time.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use drover_proto::v1::command::Action;
use drover_proto::v1::{
    self, AgentFrame, Command, Failure, Inventory, Report, ReportAnswer, SeenContainer,
    ServerFrame, agent_frame, failure, reply, report, server_frame,
};
use tokio::time::Instant;
use uuid::Uuid;

use crate::Form;
use crate::facts::Verdict;
use crate::server::{Accepted, Heard, Order};

/// How long a reply or a report may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// What was seen on all connections.
#[derive(Default)]
pub(crate) struct Tally {
    /// How often each command was sent, and replied to.
    commands: HashMap<String, (u32, u32)>,
    /// What the protocol does not have.
    pub(crate) oddities: Vec<String>,
}

impl Tally {
    /// The commands that have more replies than they were sent.
    pub(crate) fn talked_over(&self) -> usize {
        let all = self.commands.values();
        all.filter(|(sent, replied)| replied > sent).count()
    }
}

/// See the module. The server closes it when it is dropped.
pub(crate) struct Connection {
    accepted: Accepted,
    reports: VecDeque<Report>,
    /// Signs of life so far; frames are some too.
    pub(crate) signs: u32,
}

impl Connection {
    pub(crate) fn new(accepted: Accepted) -> Self {
        Self {
            accepted,
            reports: VecDeque::new(),
            signs: 0,
        }
    }

    pub(crate) fn form(&self) -> Form {
        self.accepted.form
    }

    pub(crate) async fn order(&self, order: Order) -> Verdict {
        let sent = self.accepted.orders.send(order).await;
        sent.map_err(|_| "the connection is gone".to_owned())
    }

    async fn say(&self, content: server_frame::Content) -> Verdict {
        let content = Some(content);
        let frame = Box::new(ServerFrame { content });
        self.order(Order::Say(frame)).await
    }

    /// Sends a command and waits for its reply.
    pub(crate) async fn ask(
        &mut self,
        command: &Command,
        tally: &mut Tally,
    ) -> Verdict<reply::Result> {
        let content = server_frame::Content::Command(Box::new(command.clone()));
        tally.commands.entry(command.id.clone()).or_default().0 += 1;
        match command.action {
            Some(_) => self.say(content).await?,
            None => {
                let content = Some(content);
                self.order(Order::SayUnknown(ServerFrame { content }))
                    .await?;
            }
        }
        self.reply(&command.id, tally).await
    }

    /// Sends a command twice, one right after the other, and waits for both replies.
    pub(crate) async fn ask_twice(
        &mut self,
        command: &Command,
        tally: &mut Tally,
    ) -> Verdict<(reply::Result, reply::Result)> {
        tally.commands.entry(command.id.clone()).or_default().0 += 2;
        for _ in 0..2 {
            let content = server_frame::Content::Command(Box::new(command.clone()));
            self.say(content).await?;
        }
        let first = self.reply(&command.id, tally).await?;
        Ok((first, self.reply(&command.id, tally).await?))
    }

    /// Waits for the reply to a command that was sent.
    async fn reply(&mut self, command: &str, tally: &mut Tally) -> Verdict<reply::Result> {
        let until = Instant::now() + PATIENCE;
        while let Some(frame) = self.frame(until, tally).await? {
            match frame.content {
                Some(agent_frame::Content::Reply(reply)) if reply.command_id == command => {
                    match reply.result {
                        Some(reply::Result::Progress(_)) => {}
                        Some(result) => return Ok(result),
                        None => return Err("a reply says nothing".to_owned()),
                    }
                }
                Some(agent_frame::Content::Report(report)) => self.reports.push_back(report),
                _ => {}
            }
        }
        Err(format!("there was no reply within {PATIENCE:?}"))
    }

    /// Sends a command whose reply describes its container.
    pub(crate) async fn seen(
        &mut self,
        command: &Command,
        tally: &mut Tally,
    ) -> Verdict<SeenContainer> {
        let id = command
            .resource
            .as_ref()
            .map_or("", |resource| &resource.id)
            .to_owned();
        match self.ask(command, tally).await? {
            reply::Result::Container(seen) if seen.container_id == id => Ok(seen),
            reply::Result::Container(seen) => {
                Err(format!("the reply is about `{}`", seen.container_id))
            }
            other => Err(format!("the reply was {other:?}")),
        }
    }

    /// Sends a command that is to fail with a code.
    pub(crate) async fn fails(
        &mut self,
        command: &Command,
        code: failure::Code,
        tally: &mut Tally,
    ) -> Verdict<Failure> {
        match self.ask(command, tally).await? {
            reply::Result::Failure(failure) if failure.code() == code => Ok(failure),
            other => Err(format!(
                "the reply was {other:?}, not {}",
                code.as_str_name()
            )),
        }
    }

    /// The next report, if one comes in time.
    pub(crate) async fn report(
        &mut self,
        within: Duration,
        tally: &mut Tally,
    ) -> Verdict<Option<Report>> {
        if let Some(report) = self.reports.pop_front() {
            return Ok(Some(report));
        }
        let until = Instant::now() + within;
        while let Some(frame) = self.frame(until, tally).await? {
            if let Some(agent_frame::Content::Report(report)) = frame.content {
                return Ok(Some(report));
            }
        }
        Ok(None)
    }

    /// The next inventory.
    pub(crate) async fn inventory(&mut self, tally: &mut Tally) -> Verdict<(String, Inventory)> {
        match self.report(PATIENCE, tally).await? {
            Some(Report {
                id,
                what: Some(report::What::Inventory(inventory)),
            }) => Ok((id, inventory)),
            Some(other) => Err(format!("an inventory comes first, not {other:?}")),
            None => Err("no inventory came".to_owned()),
        }
    }

    /// Waits for the inventory that follows a welcome, and settles it.
    pub(crate) async fn settle_inventory(&mut self, tally: &mut Tally) -> Verdict<Inventory> {
        let (id, inventory) = self.inventory(tally).await?;
        self.answer(&id, true).await?;
        Ok(inventory)
    }

    /// The next report of a container, if one comes in time. Inventories on the way are settled.
    pub(crate) async fn container_report(
        &mut self,
        within: Duration,
        tally: &mut Tally,
    ) -> Verdict<Option<(String, SeenContainer)>> {
        let until = Instant::now() + within;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let Some(Report { id, what }) = self.report(left, tally).await? else {
                return Ok(None);
            };
            match what {
                Some(report::What::Container(seen)) => return Ok(Some((id, seen))),
                _ => self.answer(&id, true).await?,
            }
        }
    }

    pub(crate) async fn answer(&self, report: &str, settled: bool) -> Verdict {
        let answer = ReportAnswer {
            report_id: report.to_owned(),
            settled,
        };
        self.say(server_frame::Content::ReportAnswer(answer)).await
    }

    /// Listens for so long; reports are kept.
    pub(crate) async fn listen(&mut self, within: Duration, tally: &mut Tally) -> Verdict {
        let until = Instant::now() + within;
        while let Some(frame) = self.frame(until, tally).await? {
            if let Some(agent_frame::Content::Report(report)) = frame.content {
                self.reports.push_back(report);
            }
        }
        Ok(())
    }

    /// The next frame before a moment, if there is one.
    async fn frame(&mut self, until: Instant, tally: &mut Tally) -> Verdict<Option<AgentFrame>> {
        loop {
            let heard = tokio::time::timeout_at(until, self.accepted.heard.recv()).await;
            let Ok(heard) = heard else {
                return Ok(None);
            };
            self.signs += 1;
            match heard {
                None => return Err("the agent has closed the connection".to_owned()),
                Some(Heard::Life) => {}
                Some(Heard::Odd(what)) => tally.oddities.push(what),
                Some(Heard::Frame(frame)) => {
                    if let Some(agent_frame::Content::Reply(reply)) = &frame.content
                        && !matches!(reply.result, Some(reply::Result::Progress(_)))
                    {
                        let id = reply.command_id.clone();
                        tally.commands.entry(id).or_default().1 += 1;
                    }
                    return Ok(Some(*frame));
                }
            }
        }
    }
}

/// A command about a container; without an action it is one that nobody knows.
pub(crate) fn command(container: Uuid, fence: i64, action: Option<Action>) -> Command {
    Command {
        id: Uuid::now_v7().to_string(),
        resource: Some(v1::Resource {
            r#type: "container".to_owned(),
            id: container.to_string(),
        }),
        fence,
        timeout_millis: 15_000,
        action,
    }
}
