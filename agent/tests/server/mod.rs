//! A small agent server on a port of its own, steered frame by frame.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use drover_domain::ResourceId;
use drover_proto::registration::{EVENTS_PATH, REGISTER_PATH, Registered, Registration};
use drover_proto::v1::{
    AgentFrame, Command, Reply, Report, ServerFrame, Welcome, agent_frame, server_frame,
};
use prost::Message as _;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use uuid::Uuid;

pub(crate) const TOKEN: &str = "drt_1_test";

/// Whatever is waited for comes within this time, or the test fails.
pub(crate) const SOON: Duration = Duration::from_secs(15);

enum Order {
    Send(Box<ServerFrame>),
    Freeze,
}

struct Shared {
    heartbeat_millis: u32,
    registrations: Mutex<Vec<Registration>>,
    credential: Mutex<Option<String>>,
    refusals: Mutex<u32>,
    connections: mpsc::Sender<Connection>,
}

/// See the module. It ends when it is dropped.
pub(crate) struct TestServer {
    pub(crate) url: String,
    shared: Arc<Shared>,
    connections: mpsc::Receiver<Connection>,
    serving: JoinHandle<()>,
}

/// One connection of an agent. The server closes it when it is dropped.
pub(crate) struct Connection {
    orders: mpsc::Sender<Order>,
    replies: mpsc::Receiver<Reply>,
    reports: mpsc::Receiver<Report>,
}

impl TestServer {
    pub(crate) async fn start(heartbeat_millis: u32) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (sender, connections) = mpsc::channel(64);
        let shared = Arc::new(Shared {
            heartbeat_millis,
            registrations: Mutex::default(),
            credential: Mutex::default(),
            refusals: Mutex::default(),
            connections: sender,
        });
        let router = Router::new()
            .route(REGISTER_PATH, post(register))
            .route(EVENTS_PATH, get(events))
            .with_state(Arc::clone(&shared));
        let serving = tokio::spawn(async move {
            axum::serve(listener, router).await.unwrap();
        });
        Self {
            url,
            shared,
            connections,
            serving,
        }
    }

    /// Ends it; its address leads nowhere then.
    pub(crate) fn stop(self) -> String {
        self.url.clone()
    }

    /// The next connection of an agent.
    pub(crate) async fn connection(&mut self) -> Connection {
        let next = tokio::time::timeout(SOON, self.connections.recv()).await;
        next.expect("no agent has connected").unwrap()
    }

    pub(crate) fn registrations(&self) -> Vec<Registration> {
        self.shared.registrations.lock().unwrap().clone()
    }

    pub(crate) fn forget_credential(&self) {
        *self.shared.credential.lock().unwrap() = None;
    }

    /// From now on this credential is accepted, and no other.
    pub(crate) fn accept(&self, credential: &str) {
        *self.shared.credential.lock().unwrap() = Some(credential.to_owned());
    }

    pub(crate) fn refuse_tokens(&self, times: u32) {
        *self.shared.refusals.lock().unwrap() = times;
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Connection {
    pub(crate) async fn send(&self, content: server_frame::Content) {
        let frame = ServerFrame {
            content: Some(content),
        };
        let sent = self.orders.send(Order::Send(Box::new(frame))).await;
        assert!(sent.is_ok(), "the connection is gone");
    }

    pub(crate) async fn command(&self, command: Command) {
        self.send(server_frame::Content::Command(Box::new(command)))
            .await;
    }

    /// From now on the server neither reads nor writes, but does not close either.
    pub(crate) async fn freeze(self) {
        assert!(self.orders.send(Order::Freeze).await.is_ok());
    }

    pub(crate) async fn reply(&mut self) -> Reply {
        let reply = tokio::time::timeout(SOON, self.replies.recv()).await;
        reply.expect("no reply").expect("the connection is gone")
    }

    pub(crate) async fn report(&mut self) -> Report {
        let report = tokio::time::timeout(SOON, self.reports.recv()).await;
        report.expect("no report").expect("the connection is gone")
    }

    pub(crate) async fn hears_no_report_for(&mut self, time: Duration) {
        if let Ok(report) = tokio::time::timeout(time, self.reports.recv()).await {
            panic!("nothing was to be reported, but: {report:?}");
        }
    }

    /// Whether the agent closes the connection soon.
    pub(crate) async fn is_closed(&mut self) -> bool {
        let closed = async { while self.reports.recv().await.is_some() {} };
        tokio::time::timeout(SOON, closed).await.is_ok()
    }
}

async fn register(
    State(shared): State<Arc<Shared>>,
    Json(registration): Json<Registration>,
) -> Response {
    let is_known = registration.token == TOKEN;
    let number = {
        let mut registrations = shared.registrations.lock().unwrap();
        registrations.push(registration);
        registrations.len()
    };
    let is_refused = {
        let mut refusals = shared.refusals.lock().unwrap();
        let is_refused = *refusals > 0 || !is_known;
        *refusals = refusals.saturating_sub(1);
        is_refused
    };
    if is_refused {
        let problem = serde_json::json!({"detail": "the token is not known"});
        return (StatusCode::UNAUTHORIZED, Json(problem)).into_response();
    }
    let credential = format!("dra_1_{number}");
    *shared.credential.lock().unwrap() = Some(credential.clone());
    let id = |number| ResourceId::new(Uuid::from_u128(number));
    Json(Registered {
        agent_id: id(1),
        host_id: id(2),
        credential,
    })
    .into_response()
}

async fn events(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    let shown = headers
        .get("authorization")
        .and_then(|value| value.to_str().ok());
    let wanted = shared.credential.lock().unwrap().clone();
    if wanted.is_none_or(|wanted| shown != Some(&format!("Bearer {wanted}"))) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    upgrade.on_upgrade(move |socket| serve(shared, socket))
}

async fn serve(shared: Arc<Shared>, mut socket: WebSocket) {
    let (orders, mut given) = mpsc::channel(64);
    let (reply, replies) = mpsc::channel(64);
    let (report, reports) = mpsc::channel(64);
    let connection = Connection {
        orders,
        replies,
        reports,
    };
    let welcome = server_frame::Content::Welcome(Welcome {
        server_id: "test".into(),
        session_id: String::new(),
        heartbeat_millis: shared.heartbeat_millis,
    });
    let welcome = ServerFrame {
        content: Some(welcome),
    };
    if socket.send(binary(&welcome)).await.is_err() {
        return;
    }
    if shared.connections.send(connection).await.is_err() {
        return;
    }
    loop {
        tokio::select! {
            order = given.recv() => match order {
                Some(Order::Send(frame)) => {
                    if socket.send(binary(&frame)).await.is_err() {
                        return;
                    }
                }
                Some(Order::Freeze) => {
                    tokio::time::sleep(SOON).await;
                    return;
                }
                None => return,
            },
            message = socket.recv() => match message {
                Some(Ok(Message::Binary(bytes))) => {
                    match AgentFrame::decode(bytes).unwrap().content {
                        Some(agent_frame::Content::Reply(frame)) => drop(reply.send(frame).await),
                        Some(agent_frame::Content::Report(frame)) => drop(report.send(frame).await),
                        None => panic!("an empty frame"),
                    }
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => {}
            },
        }
    }
}

fn binary(frame: &ServerFrame) -> Message {
    Message::Binary(frame.encode_to_vec().into())
}
