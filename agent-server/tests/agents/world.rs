//! The server, who asks it for things, and its agents.

use std::sync::Arc;
use std::time::Duration;

use drover_agent_server::{Options, Parts, Server, Tls};
use drover_bus::{BusError, EventBus, MemoryBus, Subject, Subscribe};
use drover_domain::resource::{Details, RegistrationTokenSpec, RegistrationTokenStatus};
use drover_domain::{Resource, ResourceId, Role, State};
use drover_proto::registration::{EVENTS_PATH, REGISTER_PATH, REPLIES_PATH};
use drover_proto::v1::{
    self, AgentFrame, Command, Envelope, HostReport, Pong, Reply, ReportAnswer, SeenContainer,
    ServerFrame, agent_frame, command, envelope, reply, seen_container, server_frame,
};
use drover_proto::{decode_payload, name};
use drover_store::clock::{Clock, SystemClock};
use drover_store::{Attached, AuditEntry, AuditFilter, CredentialKind, Store, StoreOptions, fresh};
use futures::{SinkExt, StreamExt};
use prost::Message as _;
use rustls::pki_types::CertificateDer;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

/// Whatever is waited for comes within this time, or the test fails.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// How often credentials are looked at.
const CHECK: Duration = Duration::from_millis(500);

/// A running agent server.
pub(crate) struct World {
    pub(crate) address: String,
    scheme: &'static str,
    pub(crate) store: Store,
    pub(crate) bus: Arc<MemoryBus>,
    token: String,
    http: reqwest::Client,
    _shutdown: DropGuard,
    _folder: TempDir,
}

/// An agent that has registered.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) id: ResourceId,
    pub(crate) host: ResourceId,
    pub(crate) credential: String,
}

impl World {
    pub(crate) async fn begin(heartbeat: Duration) -> Self {
        Self::begin_with(heartbeat, CHECK, None).await
    }

    /// One that looks at credentials as good as never, unless it is told to.
    pub(crate) async fn begin_trusting() -> Self {
        let never = Duration::from_secs(3_600);
        Self::begin_with(Duration::from_secs(5), never, None).await
    }

    /// One that shows a certificate, which its agents trust.
    pub(crate) async fn begin_with_tls(
        heartbeat: Duration,
        files: Tls,
        certificate: CertificateDer<'static>,
    ) -> Self {
        Self::begin_with(heartbeat, CHECK, Some((files, certificate))).await
    }

    async fn begin_with(
        heartbeat: Duration,
        credential_check: Duration,
        tls: Option<(Tls, CertificateDer<'static>)>,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("drover.db").display());
        let store = Store::connect(&StoreOptions::new(url)).await.unwrap();
        store.migrate().await.unwrap();
        let token = token(&store).await;
        let bus = Arc::new(MemoryBus::new());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let parts = Parts {
            store: store.clone(),
            bus: bus.clone(),
            clock: Arc::new(SystemClock),
            listener,
        };
        let scheme = if tls.is_some() { "https" } else { "http" };
        let (tls, trusted) = tls.unzip();
        let options = Options {
            heartbeat: Some(heartbeat),
            tls,
            credential_check,
            ..Options::default()
        };
        let shutdown = CancellationToken::new();
        let server = Server::new(options, parts).run(shutdown.clone());
        tokio::spawn(async move { server.await.unwrap() });
        Self {
            address,
            scheme,
            store,
            bus,
            token,
            http: client(trusted),
            _shutdown: shutdown.drop_guard(),
            _folder: folder,
        }
    }

    fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.address)
    }

    /// What a registration with these changes is answered.
    pub(crate) async fn register(&self, changes: &Value) -> (u16, Value) {
        let mut body = json!({
            "token": self.token,
            "agentKey": Uuid::new_v4().to_string(),
            "name": "test-host",
        });
        for (field, value) in changes.as_object().unwrap() {
            body[field] = value.clone();
        }
        let asked = self.http.post(self.url(REGISTER_PATH)).json(&body);
        let answer = asked.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    pub(crate) async fn agent(&self) -> Known {
        let (status, body) = self.register(&json!({})).await;
        assert_eq!(status, 200, "{body}");
        let id = |field: &str| body[field].as_str().unwrap().parse().unwrap();
        Known {
            id: id("agentId"),
            host: id("hostId"),
            credential: body["credential"].as_str().unwrap().to_owned(),
        }
    }

    /// Opens the plain form; the welcome was heard.
    pub(crate) async fn lines(&self, agent: &Known) -> Lines {
        let asked = self.http.get(self.url(EVENTS_PATH));
        let answer = asked.bearer_auth(&agent.credential).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "application/x-ndjson");
        let mut lines = Lines {
            answer,
            read: Vec::new(),
            session: String::new(),
            welcome: Value::Null,
        };
        let welcome = lines.next().await["welcome"].clone();
        lines.session = welcome["sessionId"].as_str().unwrap().to_owned();
        lines.welcome = welcome;
        lines
    }

    /// Posts, as an agent of a session; gives status and body.
    pub(crate) async fn post(
        &self,
        agent: &Known,
        session: &str,
        body: impl Into<reqwest::Body>,
    ) -> (u16, Value) {
        let asked = self.http.post(self.url(REPLIES_PATH));
        let asked = asked
            .bearer_auth(&agent.credential)
            .header("drover-session", session);
        let answer = asked.body(body).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// Opens a WebSocket; the welcome was heard.
    /// The status with which a connection is refused, if it is.
    pub(crate) async fn refusal(&self, agent: &Known) -> Option<u16> {
        let asked = self.http.get(self.url(EVENTS_PATH));
        let asked = asked.bearer_auth(&agent.credential).send().await.unwrap();
        Some(asked.status().as_u16()).filter(|status| *status != 200)
    }

    pub(crate) async fn socket(&self, agent: &Known) -> Socket {
        let mut request = format!("ws://{}{EVENTS_PATH}", self.address)
            .into_client_request()
            .unwrap();
        let bearer = format!("Bearer {}", agent.credential);
        let headers = request.headers_mut();
        headers.insert("authorization", bearer.parse().unwrap());
        let (stream, _) = tokio_tungstenite::connect_async(request).await.unwrap();
        let mut socket = Socket(stream);
        let welcome = socket.next().await;
        assert!(matches!(welcome, server_frame::Content::Welcome(_)));
        socket
    }

    /// Asks an agent for something, as a process server does.
    pub(crate) async fn ask(
        &self,
        host: ResourceId,
        command: Command,
        patience: Duration,
    ) -> Result<Reply, BusError> {
        let envelope = Envelope {
            id: Uuid::now_v7().to_string(),
            kind: envelope::Kind::Request.into(),
            name: name::AGENT_COMMAND.to_owned(),
            resource: command.resource.clone(),
            payload: command.encode_to_vec(),
            ..Envelope::default()
        };
        let subject = Subject::host_command(host);
        let answer = self.bus.request(&subject, envelope, patience, None).await?;
        Ok(decode_payload(&answer.payload).unwrap())
    }

    /// Tells the server that the credentials of a host's agent are others.
    pub(crate) async fn tell_credentials_changed(&self, host: ResourceId) {
        let envelope = Envelope {
            name: name::CREDENTIALS_CHANGED.to_owned(),
            ..Envelope::default()
        };
        let subject = Subject::host_command(host);
        self.bus.publish(&subject, envelope).await.unwrap();
    }

    /// Settles every report from now on, and tells of each.
    pub(crate) async fn settle_reports(&self) -> tokio::sync::mpsc::Receiver<HostReport> {
        let (told, hear) = tokio::sync::mpsc::channel(1_024);
        let mut reports = self.bus.subscribe(Subscribe::host_reports()).await.unwrap();
        let bus = self.bus.clone();
        tokio::spawn(async move {
            while let Some(envelope) = reports.next().await {
                if envelope.name != name::HOST_REPORT {
                    continue;
                }
                let report: HostReport = decode_payload(&envelope.payload).unwrap();
                let answer = ReportAnswer {
                    report_id: report.report.clone().unwrap().id,
                    settled: true,
                };
                let answer = Envelope {
                    kind: envelope::Kind::Reply.into(),
                    payload: answer.encode_to_vec(),
                    ..Envelope::default()
                };
                drop(told.try_send(report));
                drop(bus.answer(&envelope, answer).await);
            }
        });
        hear
    }

    /// What agents did that they may not, as the audit log has it.
    pub(crate) async fn all_offences(&self) -> Vec<AuditEntry> {
        let filter = AuditFilter {
            limit: 100,
            ..AuditFilter::default()
        };
        let mut rows = self.store.audit_log(&filter).await.unwrap();
        rows.retain(|row| row.method == "AGENT");
        rows
    }

    /// The rows of the audit log with a code, once there is one.
    pub(crate) async fn offences(&self, code: &str) -> Vec<AuditEntry> {
        let look = async {
            loop {
                let filter = AuditFilter {
                    limit: 100,
                    ..AuditFilter::default()
                };
                let mut rows = self.store.audit_log(&filter).await.unwrap();
                rows.retain(|row| row.code.as_deref() == Some(code));
                if !rows.is_empty() {
                    return rows;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let found = tokio::time::timeout(SOON, look).await;
        found.unwrap_or_else(|_| panic!("no row with {code} in the audit log"))
    }
}

/// A client for plain HTTP on this machine, and for HTTPS with a server of a certificate.
fn client(trusted: Option<CertificateDer<'static>>) -> reqwest::Client {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(trusted);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let builder = reqwest::Client::builder().no_proxy();
    builder.tls_backend_preconfigured(tls).build().unwrap()
}

async fn token(store: &Store) -> String {
    let now = SystemClock.now();
    let details = Details::RegistrationToken {
        spec: RegistrationTokenSpec::default(),
        status: RegistrationTokenStatus::default(),
    };
    let token = Resource::new(fresh::resource_id(), "test", State::Active, details, now);
    store.insert(&token, Attached::nothing()).await.unwrap();
    let kind = CredentialKind::RegistrationToken;
    let issued = store.issue(kind, Some(token.id), Role::Agent, now).await;
    issued.unwrap().into_text()
}

/// The plain form of a connection, read line by line.
pub(crate) struct Lines {
    answer: reqwest::Response,
    read: Vec<u8>,
    pub(crate) session: String,
    pub(crate) welcome: Value,
}

impl Lines {
    /// The next line; none at the end.
    pub(crate) async fn line(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.read.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.read.drain(..=end).collect();
                return Some(serde_json::from_slice(&line).unwrap());
            }
            let chunk = tokio::time::timeout(SOON, self.answer.chunk()).await;
            match chunk.expect("no line") {
                Ok(Some(bytes)) => self.read.extend_from_slice(&bytes),
                Ok(None) | Err(_) => return None,
            }
        }
    }

    /// The next line that is no mere sign of life.
    pub(crate) async fn next(&mut self) -> Value {
        loop {
            let line = self.line().await.expect("the lines have ended");
            if line.get("heartbeat").is_none() {
                return line;
            }
        }
    }
}

/// A WebSocket, frame by frame.
pub(crate) struct Socket(pub(crate) WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    pub(crate) async fn next(&mut self) -> server_frame::Content {
        loop {
            let message = tokio::time::timeout(SOON, self.0.next()).await.unwrap();
            match message.unwrap().unwrap() {
                Message::Binary(bytes) => {
                    return ServerFrame::decode(bytes).unwrap().content.unwrap();
                }
                Message::Close(close) => panic!("closed: {close:?}"),
                _ => {}
            }
        }
    }

    pub(crate) async fn command(&mut self) -> Command {
        loop {
            if let server_frame::Content::Command(command) = self.next().await {
                return *command;
            }
        }
    }

    pub(crate) async fn send(&mut self, content: agent_frame::Content) {
        self.0.send(message(content)).await.unwrap();
    }

    pub(crate) async fn reply(&mut self, command: &str, result: reply::Result) {
        self.send(replied(command, result)).await;
    }

    /// Answers every command from now on, until the connection ends.
    pub(crate) fn be_good(mut self) {
        tokio::spawn(async move {
            while let Some(Ok(message)) = self.0.next().await {
                let Message::Binary(bytes) = message else {
                    continue;
                };
                let frame = ServerFrame::decode(bytes).unwrap();
                if let Some(server_frame::Content::Command(command)) = frame.content {
                    self.reply(&command.id, reply::Result::Pong(Pong {})).await;
                }
            }
        });
    }

    /// How the server ends the connection: code and reason, or nothing if it is cut.
    pub(crate) async fn end(&mut self) -> Option<(u16, String)> {
        loop {
            let message = tokio::time::timeout(SOON, self.0.next()).await;
            match message.expect("the connection goes on") {
                Some(Ok(Message::Close(Some(close)))) => {
                    return Some((close.code.into(), close.reason.to_string()));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            }
        }
    }
}

pub(crate) fn message(content: agent_frame::Content) -> Message {
    let frame = AgentFrame {
        content: Some(content),
    };
    Message::Binary(frame.encode_to_vec().into())
}

pub(crate) fn replied(command: &str, result: reply::Result) -> agent_frame::Content {
    agent_frame::Content::Reply(Reply {
        command_id: command.to_owned(),
        result: Some(result),
    })
}

pub(crate) fn ping() -> Command {
    about(Uuid::now_v7(), command::Action::Ping(v1::Ping {}))
}

pub(crate) fn about(container: Uuid, action: command::Action) -> Command {
    Command {
        id: Uuid::now_v7().to_string(),
        resource: Some(v1::Resource {
            r#type: "container".into(),
            id: container.to_string(),
        }),
        fence: 1,
        timeout_millis: 10_000,
        action: Some(action),
    }
}

pub(crate) fn seen(container: Uuid) -> SeenContainer {
    SeenContainer {
        container_id: container.to_string(),
        runtime_id: "r".into(),
        state: seen_container::State::Running.into(),
        ..SeenContainer::default()
    }
}
