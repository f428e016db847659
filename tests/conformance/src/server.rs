//! The agent server that is played: it registers and lets in, in either form, and does as the checks
//! say from there on.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::extract::ws::{
    Message, WebSocket, WebSocketUpgrade, rejection::WebSocketUpgradeRejection,
};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use drover_proto::plain::{self, LINES, SESSION_HEADER};
use drover_proto::registration::{EVENTS_PATH, REGISTER_PATH, REPLIES_PATH, Registration};
use drover_proto::v1::{AgentFrame, Heartbeat, ServerFrame, Welcome, server_frame};
use prost::Message as _;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use crate::Form;

/// Who the agent is.
pub(crate) const AGENT: Uuid = Uuid::from_u128(1);
/// How often signs of life are given.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(1);
/// Frames that wait to be looked at.
const WAITING: usize = 4_096;

/// What a server says on a connection.
pub(crate) enum Order {
    /// A frame.
    Say(Box<ServerFrame>),
    /// A command that nobody knows, by its id.
    SayUnknown(ServerFrame),
    /// Nothing more: it neither reads nor writes, and does not close.
    FallSilent,
    /// From now on what is posted is refused: the session is gone.
    RefusePosts,
}

/// What an agent says on a connection.
#[derive(Debug)]
pub(crate) enum Heard {
    /// A frame.
    Frame(Box<AgentFrame>),
    /// A sign of life.
    Life,
    /// Something that the protocol does not have.
    Odd(String),
}

/// A connection that an agent has made.
pub(crate) struct Accepted {
    pub(crate) form: Form,
    pub(crate) orders: mpsc::Sender<Order>,
    pub(crate) heard: mpsc::Receiver<Heard>,
}

/// See the module.
pub(crate) struct PlayedServer {
    pub(crate) url: String,
    shared: Arc<Shared>,
    accepted: mpsc::Receiver<Accepted>,
    _serving: AbortOnDropHandle<()>,
}

/// What an agent has shown so far.
#[derive(Default)]
pub(crate) struct Shown {
    /// Its registrations, the refused ones too.
    pub(crate) registrations: Vec<Registration>,
    /// How often it showed a credential that is not valid.
    pub(crate) wrong_credentials: u32,
}

struct Shared {
    token: String,
    shown: Mutex<Shown>,
    credential: Mutex<Option<String>>,
    posting: Mutex<HashMap<String, mpsc::Sender<Heard>>>,
    accepted: mpsc::Sender<Accepted>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl PlayedServer {
    pub(crate) async fn start(token: &str) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let (sender, accepted) = mpsc::channel(64);
        let shared = Arc::new(Shared {
            token: token.to_owned(),
            shown: Mutex::default(),
            credential: Mutex::default(),
            posting: Mutex::default(),
            accepted: sender,
        });
        let router = Router::new()
            .route(REGISTER_PATH, post(register))
            .route(EVENTS_PATH, get(events))
            .route(REPLIES_PATH, post(replies))
            .with_state(Arc::clone(&shared));
        let serving = tokio::spawn(async move {
            // It fails with its listener only, and then nothing is heard any more.
            drop(axum::serve(listener, router).await);
        });
        Ok(Self {
            url,
            shared,
            accepted,
            _serving: AbortOnDropHandle::new(serving),
        })
    }

    /// The next connection of the agent, if one comes in time.
    pub(crate) async fn accept(&mut self, within: Duration) -> Option<Accepted> {
        let next = tokio::time::timeout(within, self.accepted.recv());
        next.await.ok().flatten()
    }

    /// What the agent has shown so far.
    pub(crate) fn shown(&self) -> MutexGuard<'_, Shown> {
        lock(&self.shared.shown)
    }

    /// From now on this credential is valid, and no other.
    pub(crate) fn accept_only(&self, credential: &str) {
        *lock(&self.shared.credential) = Some(credential.to_owned());
    }

    /// Takes the credential back.
    pub(crate) fn forget_credential(&self) {
        *lock(&self.shared.credential) = None;
    }
}

fn refusal(status: StatusCode, code: &str) -> Response {
    let problem =
        json!({"type": "about:blank", "status": status.as_u16(), "code": code, "detail": code});
    (status, Json(problem)).into_response()
}

async fn register(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    let Ok(registration) = serde_json::from_slice::<Registration>(&body) else {
        return refusal(StatusCode::UNPROCESSABLE_ENTITY, "agent.invalid");
    };
    let is_known = registration.token == shared.token;
    let number = {
        let mut shown = lock(&shared.shown);
        shown.registrations.push(registration);
        shown.registrations.len()
    };
    if !is_known {
        return refusal(StatusCode::UNAUTHORIZED, "agent.unauthorized");
    }
    let credential = format!("dra_{}_{number}", Uuid::now_v7().simple());
    *lock(&shared.credential) = Some(credential.clone());
    let host = Uuid::from_u128(2);
    Json(json!({"agentId": AGENT, "hostId": host, "credential": credential})).into_response()
}

impl Shared {
    fn admits(&self, headers: &HeaderMap) -> bool {
        let shown = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        let is_right = shown.is_some() && shown == lock(&self.credential).as_deref();
        if !is_right {
            lock(&self.shown).wrong_credentials += 1;
        }
        is_right
    }
}

async fn events(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    if !shared.admits(&headers) {
        return refusal(StatusCode::UNAUTHORIZED, "agent.unauthorized");
    }
    let (orders, given) = mpsc::channel(64);
    let (hear, heard) = mpsc::channel(WAITING);
    let form = match upgrade {
        Ok(_) => Form::Socket,
        Err(_) => Form::Plain,
    };
    let connection = Accepted {
        form,
        orders,
        heard,
    };
    if shared.accepted.send(connection).await.is_err() {
        return refusal(StatusCode::SERVICE_UNAVAILABLE, "unavailable");
    }
    match upgrade {
        Ok(upgrade) => upgrade.on_upgrade(move |socket| by_socket(socket, given, hear)),
        Err(_) => by_lines(shared, given, hear),
    }
}

fn welcome(session: &str) -> ServerFrame {
    let heartbeat = HEARTBEAT.as_millis();
    ServerFrame {
        content: Some(server_frame::Content::Welcome(Welcome {
            server_id: "conformance".to_owned(),
            heartbeat_millis: u32::try_from(heartbeat).unwrap_or(u32::MAX),
            session_id: session.to_owned(),
        })),
    }
}

async fn by_socket(
    mut socket: WebSocket,
    mut given: mpsc::Receiver<Order>,
    hear: mpsc::Sender<Heard>,
) {
    let mut say = vec![welcome("").encode_to_vec()];
    loop {
        for bytes in say.drain(..) {
            if socket.send(Message::Binary(bytes.into())).await.is_err() {
                return;
            }
        }
        tokio::select! {
            order = given.recv() => match order {
                Some(Order::Say(frame)) => say.push(frame.encode_to_vec()),
                Some(Order::SayUnknown(frame)) => say.push(unknown_bytes(&frame)),
                Some(Order::RefusePosts) => {}
                Some(Order::FallSilent) => return silence(given).await,
                None => return,
            },
            message = socket.recv() => {
                let heard = match message {
                    Some(Ok(Message::Binary(bytes))) => match AgentFrame::decode(bytes) {
                        Ok(frame) => Heard::Frame(Box::new(frame)),
                        Err(error) => Heard::Odd(error.to_string()),
                    },
                    Some(Ok(Message::Ping(_))) => Heard::Life,
                    Some(Ok(Message::Pong(_))) => continue,
                    Some(Ok(Message::Text(_))) => Heard::Odd("a text message".to_owned()),
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                };
                if hear.send(heard).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Holds a connection open without a word until nobody wants it any more.
async fn silence(mut given: mpsc::Receiver<Order>) {
    while given.recv().await.is_some() {}
}

/// A command with an action of a field that there is not.
fn unknown_bytes(frame: &ServerFrame) -> Vec<u8> {
    let Some(server_frame::Content::Command(command)) = &frame.content else {
        return frame.encode_to_vec();
    };
    let mut command = command.encode_to_vec();
    // Field 1000, a message of no bytes.
    command.extend_from_slice(&[0xc2, 0x3e, 0x00]);
    // Field 2 of the frame, the command.
    let mut bytes = vec![0x12];
    prost::encoding::encode_varint(command.len() as u64, &mut bytes);
    bytes.extend_from_slice(&command);
    bytes
}

fn unknown_line(frame: &ServerFrame) -> serde_json::Result<Vec<u8>> {
    let mut value = serde_json::to_value(frame)?;
    value["command"]["frobnicateContainer"] = json!({});
    let mut line = serde_json::to_vec(&value)?;
    line.push(b'\n');
    Ok(line)
}

fn by_lines(
    shared: Arc<Shared>,
    mut given: mpsc::Receiver<Order>,
    hear: mpsc::Sender<Heard>,
) -> Response {
    let session = Uuid::now_v7().to_string();
    lock(&shared.posting).insert(session.clone(), hear.clone());
    let (lines, written) = mpsc::channel::<Vec<u8>>(64);
    let first = plain::line(&welcome(&session)).unwrap_or_default();
    tokio::spawn(async move {
        let mut beat = tokio::time::interval(HEARTBEAT);
        let mut line = first;
        loop {
            if lines.send(line).await.is_err() {
                break;
            }
            line = tokio::select! {
                order = given.recv() => match order {
                    Some(Order::Say(frame)) => plain::line(&frame).unwrap_or_default(),
                    Some(Order::SayUnknown(frame)) => unknown_line(&frame).unwrap_or_default(),
                    Some(Order::RefusePosts) => {
                        lock(&shared.posting).remove(&session);
                        Vec::new()
                    }
                    Some(Order::FallSilent) => {
                        silence(given).await;
                        break;
                    }
                    None => break,
                },
                _ = beat.tick() => {
                    let content = Some(server_frame::Content::Heartbeat(Heartbeat {}));
                    plain::line(&ServerFrame { content }).unwrap_or_default()
                }
                () = lines.closed() => break,
            };
        }
        lock(&shared.posting).remove(&session);
    });
    let body = futures::stream::unfold(written, |mut written| async {
        let line = written.recv().await?;
        Some((Ok::<_, Infallible>(Bytes::from(line)), written))
    });
    drop(hear);
    let headers = [(header::CONTENT_TYPE, LINES)];
    (headers, Body::from_stream(body)).into_response()
}

async fn replies(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    if !shared.admits(&headers) {
        return refusal(StatusCode::UNAUTHORIZED, "agent.unauthorized");
    }
    let session = headers
        .get(SESSION_HEADER)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let Some(hear) = lock(&shared.posting).get(session).cloned() else {
        return refusal(StatusCode::CONFLICT, "agent.session");
    };
    let frames = match plain::frames(&body, WAITING) {
        Ok(frames) => frames,
        Err(error) => {
            drop(hear.send(Heard::Odd(error.to_string())).await);
            return refusal(StatusCode::UNPROCESSABLE_ENTITY, "agent.invalid");
        }
    };
    for field in strange_fields(&body, &frames) {
        drop(hear.send(Heard::Odd(format!("a field `{field}`"))).await);
    }
    drop(hear.send(Heard::Life).await);
    let accepted = frames.len();
    for frame in frames {
        if hear.send(Heard::Frame(Box::new(frame))).await.is_err() {
            return refusal(StatusCode::CONFLICT, "agent.session");
        }
    }
    Json(json!({"accepted": accepted})).into_response()
}

/// The fields of a POST that its frames do not have.
fn strange_fields(body: &[u8], frames: &[AgentFrame]) -> Vec<String> {
    let said: Vec<Value> = serde_json::Deserializer::from_slice(body)
        .into_iter::<Value>()
        .filter_map(Result::ok)
        .flat_map(|value| match value {
            Value::Array(values) => values,
            other => vec![other],
        })
        .collect();
    let mut strange = Vec::new();
    for (said, frame) in said.iter().zip(frames) {
        let understood = serde_json::to_value(frame).unwrap_or_default();
        compare(said, &understood, &mut strange);
    }
    strange
}

fn compare(said: &Value, understood: &Value, strange: &mut Vec<String>) {
    match (said, understood) {
        (Value::Object(said), Value::Object(understood)) => {
            for (field, value) in said {
                match understood.get(field) {
                    Some(known) => compare(value, known, strange),
                    // What has its default value is left out of what was understood.
                    None if is_default(value) => {}
                    None => strange.push(field.clone()),
                }
            }
        }
        (Value::Array(said), Value::Array(understood)) => {
            for (said, understood) in said.iter().zip(understood) {
                compare(said, understood, strange);
            }
        }
        _ => {}
    }
}

fn is_default(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty() || text == "0" || text.ends_with("_UNSPECIFIED"),
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::Array(values) => values.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(true) => false,
    }
}
