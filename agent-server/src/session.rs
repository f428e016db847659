//! One connected agent: its commands in, its replies and reports out.
//!
//! ```text
//!   bus ---- command ----> pending --> frame --> agent
//!   bus <--- answer ------ pending <-- reply <-- agent
//!   bus <--- request ----- reports <-- report <- agent     a few at a time, each answered
//!   this server - order -> own ------> frame --> agent     for streams; the reply goes back to it
//! ```
//!
//! It is the same whatever form the connection has: [`link`](crate::link) tells the two apart.
//!
//! The session ends when the connection does, when a newer one of the same agent takes its place, when the
//! credential is not valid any more, or when the server stops. Whoever waits for a reply then is told that
//! none will come, and asks again.

use std::sync::Arc;
use std::time::Duration;

use drover_bus::{Subject, Subscribe};
use drover_domain::{ResourceRef, ResourceType};
use drover_proto::v1::{
    AgentFrame, Command, Envelope, Failure, HostReport, Reply, Report, ReportAnswer, Welcome,
    agent_frame, envelope, failure, reply, server_frame,
};
use drover_proto::{decode_payload, name};
use drover_store::CredentialKind;
use prost::Message;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, MissedTickBehavior};
use uuid::Uuid;

use crate::allowance::Allowance;
use crate::connect::Identity;
use crate::link::{Ended, Farewell, Link, Receiver, Sender};
use crate::offences::Offence;
use crate::own::Own;
use crate::pending::{Answers, Pending};
use crate::presence::Presence;
use crate::sessions::{Order, Place};
use crate::{Shared, border};

/// Reports of one agent that are settled at the same time; further ones are left to be repeated.
const REPORTS_AT_ONCE: usize = 16;

/// Serves an agent until its connection ends, in whichever form that is.
pub(crate) async fn run(shared: Arc<Shared>, identity: Identity, mut place: Place, link: Link) {
    let Identity { agent, host, .. } = identity;
    let _connected = shared.meter.connected();
    let mut present = match Presence::enter(&shared, identity).await {
        Ok(Some(present)) => present,
        Ok(None) => return,
        Err(error) => {
            tracing::warn!(%error, "an agent cannot be written down as connected");
            return;
        }
    };
    let Link {
        sender,
        mut receiver,
    } = link;
    let mut session = Session {
        shared: &shared,
        identity,
        id: place.session,
        sender,
        pending: Pending::default(),
        own: Own::default(),
        reports: Allowance::of_reports(Instant::now()),
    };
    tracing::info!(%agent, %host, session = %place.session, "agent connected");
    let farewell = tokio::select! {
        ended = session.serve(&mut receiver, &mut place.orders) => {
            tracing::info!(%agent, %host, reason = %ended, "agent disconnected");
            if matches!(ended, Ended::Unreadable | Ended::TooLarge) {
                session.note(Offence::BadFrame);
            }
            if let Ended::Silent(silence) = ended {
                present.silent = silence;
            }
            if matches!(ended, Ended::Retired) {
                shared.streams.end_of(agent);
            }
            ended.farewell()
        }
        () = place.replaced.cancelled() => {
            Some(Farewell::away("a newer connection took the place of this one"))
        }
        () = revoked(&shared, &identity) => {
            shared.streams.end_of(agent);
            Ended::Revoked.farewell()
        }
        () = shared.shutdown.cancelled() => Some(Farewell::away("the agent server is stopping")),
    };
    session.abandon().await;
    if let Some(farewell) = farewell {
        tracing::debug!(%agent, %host, ?farewell, "agent let go");
        session.sender.close(farewell).await;
    }
}

/// Ends when the credential of an agent is not valid any more. Whoever revoked it, and however, need
/// tell nobody.
async fn revoked(shared: &Shared, identity: &Identity) {
    loop {
        let pause = shared.options.credential_check;
        let pause = pause.mul_f64(0.75 + rand::random::<f64>() / 4.0);
        tokio::time::sleep(pause).await;
        if is_revoked(shared, identity).await {
            return;
        }
    }
}

/// Whether the credential of an agent is known to be valid no more.
async fn is_revoked(shared: &Shared, identity: &Identity) -> bool {
    let now = shared.clock.now();
    let verified = shared
        .store
        .verify(CredentialKind::Agent, &identity.credential, now);
    match verified.await {
        Ok(verified) => verified.is_none(),
        Err(error) => {
            tracing::debug!(%error, "a credential could not be looked at");
            false
        }
    }
}

struct Session<'a> {
    shared: &'a Arc<Shared>,
    identity: Identity,
    id: Uuid,
    sender: Sender,
    pending: Pending,
    /// What this server itself has asked the agent.
    own: Own,
    /// What is left to the agent to report.
    reports: Allowance,
}

impl Session<'_> {
    /// Serves until the connection ends, and says why.
    async fn serve(
        &mut self,
        receiver: &mut Receiver,
        orders: &mut mpsc::Receiver<Order>,
    ) -> Ended {
        let commands = Subscribe::host_commands(self.identity.host);
        let mut commands = match self.shared.bus.subscribe(commands).await {
            Ok(commands) => commands,
            Err(error) => {
                // The agent comes back by itself, here or elsewhere.
                tracing::warn!(%error, "no commands can be received for an agent");
                return Ended::NoCommands;
            }
        };
        if let Err(ended) = self.welcome().await {
            return ended;
        }
        let (answers, mut answered) = mpsc::channel::<ReportAnswer>(REPORTS_AT_ONCE);
        let reports = Arc::new(Semaphore::new(REPORTS_AT_ONCE));
        let heartbeat = self.shared.heartbeat();
        let mut beat = tokio::time::interval_at(Instant::now() + heartbeat, heartbeat);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let served = tokio::select! {
                command = commands.next() => match command {
                    Some(envelope) => {
                        receiver.earn();
                        self.command(envelope).await
                    }
                    None => return Ended::NoCommands,
                },
                frame = receiver.next() => match frame {
                    Ok(AgentFrame { content: Some(agent_frame::Content::Reply(reply)) }) => {
                        self.reply(reply).await;
                        Ok(())
                    }
                    Ok(AgentFrame { content: Some(agent_frame::Content::Report(report)) }) => {
                        self.report(report, &reports, &answers);
                        Ok(())
                    }
                    Ok(AgentFrame { content: None }) => Err(Ended::Unreadable),
                    Err(ended) => Err(ended),
                },
                Some(order) = orders.recv() => {
                    receiver.earn();
                    self.order(order).await
                }
                Some(answer) = answered.recv() => {
                    self.sender.send(server_frame::Content::ReportAnswer(answer)).await
                }
                _ = beat.tick() => {
                    self.pending.tidy(Instant::now());
                    self.own.tidy(Instant::now());
                    self.sender.beat().await
                }
            };
            if let Err(ended) = served {
                return ended;
            }
        }
    }

    /// Writes down that the agent did what it may not.
    fn note(&self, offence: Offence) {
        self.shared
            .offences
            .note(self.shared, self.identity, offence);
    }

    /// Greets the agent and tells the process servers that it is there.
    async fn welcome(&mut self) -> Result<(), Ended> {
        let heartbeat = self.shared.heartbeat().as_millis();
        let welcome = Welcome {
            server_id: self.shared.id.to_string(),
            heartbeat_millis: u32::try_from(heartbeat).unwrap_or(u32::MAX),
            session_id: self.id.to_string(),
        };
        self.sender
            .send(server_frame::Content::Welcome(welcome))
            .await?;
        let host = ResourceRef {
            resource_type: ResourceType::Host,
            id: self.identity.host,
        };
        let envelope = Envelope {
            id: Uuid::now_v7().to_string(),
            name: name::HOST_CONNECTED.to_owned(),
            resource: Some(host.into()),
            ..Envelope::default()
        };
        // One server wakes what waits for the host; each has to know that it can be asked again.
        let host = self.identity.host;
        for subject in [Subject::host_connected(host), Subject::host_report(host)] {
            let told = self.shared.bus.publish(&subject, envelope.clone()).await;
            if let Err(error) = told {
                tracing::debug!(%error, "nobody was told of a connection, processes look by themselves");
            }
        }
        Ok(())
    }

    /// Hands a command to the agent.
    async fn command(&mut self, request: Envelope) -> Result<(), Ended> {
        if request.name == name::HOST_RETIRED {
            return Err(Ended::Retired);
        }
        if request.name == name::CREDENTIALS_CHANGED {
            // A hint: what is true is read, as it is every now and then.
            return match is_revoked(self.shared, &self.identity).await {
                true => Err(Ended::Revoked),
                false => Ok(()),
            };
        }
        let command: Command = match decode_payload(&request.payload) {
            Ok(command) => command,
            Err(error) => {
                self.shared.meter.commands_unsound.increment(1);
                tracing::warn!(%error, envelope = %request.id, "unsound command dropped");
                return Ok(());
            }
        };
        let patience = u64::try_from(command.timeout_millis).unwrap_or(0);
        let is_added =
            self.pending
                .add(command.id.clone(), request, Duration::from_millis(patience));
        if !is_added {
            self.shared.meter.commands_dropped.increment(1);
            tracing::warn!(agent = %self.identity.agent, "too many commands wait, one dropped");
            return Ok(());
        }
        self.sender
            .send(server_frame::Content::Command(Box::new(command)))
            .await?;
        self.shared.meter.commands_sent.increment(1);
        Ok(())
    }

    /// Hands what this server itself wants to the agent.
    async fn order(&mut self, order: Order) -> Result<(), Ended> {
        let Order { command, reply } = order;
        // Without a place for it, whoever asked learns that nobody will answer.
        if self.own.add(&command.id, reply, Instant::now()) {
            let command = server_frame::Content::Command(Box::new(command));
            self.sender.send(command).await?;
            self.shared.meter.commands_sent.increment(1);
        }
        Ok(())
    }

    /// Hands a reply to whoever asked. One that nobody asked for counts for nothing.
    async fn reply(&mut self, mut reply: Reply) {
        let now = Instant::now();
        if self.own.has(&reply.command_id) {
            match border::check_reply(&mut reply, None) {
                Ok(()) => self.own.replied(reply),
                Err(offence) => self.note(offence),
            }
            return;
        }
        let asked = self.pending.asked(&reply.command_id);
        if let Err(offence) = border::check_reply(&mut reply, asked) {
            self.shared.meter.replied(false);
            return self.note(offence);
        }
        let is_progress = matches!(reply.result, Some(reply::Result::Progress(_)));
        let answers = match is_progress {
            true => self.pending.progress(&reply.command_id, now),
            false => self.pending.finish(&reply.command_id, now),
        };
        self.shared
            .meter
            .replied(matches!(answers, Answers::Requests(_)));
        let requests = match answers {
            Answers::Requests(requests) => requests,
            Answers::Again => return,
            Answers::Late => return self.note(Offence::Late),
            Answers::Unasked => return self.note(Offence::Unasked),
        };
        let kind = match is_progress {
            true => envelope::Kind::Progress,
            false => envelope::Kind::Reply,
        };
        for request in requests {
            let answer = Envelope {
                id: Uuid::now_v7().to_string(),
                kind: kind.into(),
                name: name::AGENT_COMMAND.to_owned(),
                payload: reply.encode_to_vec(),
                ..Envelope::default()
            };
            if let Err(error) = self.shared.bus.answer(&request, answer).await {
                tracing::debug!(%error, "a reply was lost, the command will be repeated");
            }
        }
    }

    /// Tells those who still wait for a reply that none will come on this connection. What became of their
    /// commands nobody knows: they ask again once the agent is back, and need not wait for that in vain.
    async fn abandon(&mut self) {
        for (command_id, request) in self.pending.abandon(Instant::now()) {
            let failure = Failure {
                code: failure::Code::Disconnected.into(),
                message: "the connection of the agent ended before its reply".to_owned(),
            };
            let reply = Reply {
                command_id,
                result: Some(reply::Result::Failure(failure)),
            };
            let answer = Envelope {
                id: Uuid::now_v7().to_string(),
                kind: envelope::Kind::Reply.into(),
                name: name::AGENT_COMMAND.to_owned(),
                payload: reply.encode_to_vec(),
                ..Envelope::default()
            };
            if let Err(error) = self.shared.bus.answer(&request, answer).await {
                tracing::debug!(%error, "nobody was told that a reply is lost");
            }
        }
    }

    /// Has a report settled, in the background. The agent repeats what is not answered.
    fn report(
        &mut self,
        report: Report,
        permits: &Arc<Semaphore>,
        answers: &mpsc::Sender<ReportAnswer>,
    ) {
        if let Err(offence) = border::check_report(&report) {
            self.shared.meter.reported(false);
            return self.note(offence);
        }
        if !self
            .reports
            .try_spend(border::weight(&report), Instant::now())
        {
            self.shared.meter.reported(false);
            return;
        }
        let Ok(permit) = permits.clone().try_acquire_owned() else {
            self.shared.meter.reported(false);
            return;
        };
        let answers = answers.clone();
        let shared = self.shared.clone();
        let Identity { agent, host, .. } = self.identity;
        self.shared.tasks.spawn(async move {
            let report_id = report.id.clone();
            let report = HostReport {
                host_id: host.to_string(),
                agent_id: agent.to_string(),
                report: Some(report),
            };
            let settled = settle(&shared, host, &report).await;
            shared.meter.reported(settled);
            let answer = ReportAnswer { report_id, settled };
            if answers.try_send(answer).is_err() {
                tracing::debug!(%agent, "the agent was gone before its report was settled");
            }
            drop(permit);
        });
    }
}

/// Asks a process server to settle a report.
async fn settle(shared: &Shared, host: drover_domain::ResourceId, report: &HostReport) -> bool {
    let envelope = Envelope {
        id: Uuid::now_v7().to_string(),
        kind: envelope::Kind::Request.into(),
        name: name::HOST_REPORT.to_owned(),
        payload: report.encode_to_vec(),
        ..Envelope::default()
    };
    let subject = Subject::host_report(host);
    let answer = shared
        .bus
        .request(&subject, envelope, shared.options.report_timeout, None)
        .await;
    match answer {
        Ok(answer) => decode_payload::<ReportAnswer>(&answer.payload)
            .map(|answer| answer.settled)
            .unwrap_or(false),
        Err(error) => {
            tracing::debug!(%error, %host, "a report was not settled, it will be repeated");
            false
        }
    }
}
