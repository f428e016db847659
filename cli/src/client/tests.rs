//! Facts about the client against a small server in the test.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::extract::{Path, RawQuery};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::{Client, Kind};
use crate::arguments::OutputForm;
use crate::configuration::ApiKey;
use crate::failure::Failure;
use crate::follow::follow;
use crate::render::progress::Progress;
use crate::terminal::Terminal;

const ID: &str = "01990000-0000-7000-8000-00000000beef";
const TWIN: &str = "01990000-0000-7000-8000-00000000cafe";

/// A server that ends with the test.
struct Server {
    address: String,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    async fn start(router: Router) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, task }
    }

    fn client(&self) -> Client {
        client(&self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn client(address: &str) -> Client {
    // Another test may have installed it: that is just as well.
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
    Client::new(address, Some(ApiKey::new("drv_1_hush")), None).unwrap()
}

fn problem(status: StatusCode, body: Value) -> Response {
    let content_type = [(header::CONTENT_TYPE, "application/problem+json")];
    (status, content_type, body.to_string()).into_response()
}

async fn containers(RawQuery(query): RawQuery) -> Json<Value> {
    let query = query.unwrap_or_default();
    let all = [
        json!({"id": ID, "name": "web", "state": "running", "created": "2026-11-21T00:00:03Z"}),
        json!({"id": TWIN, "name": "web", "state": "stopped", "created": "2026-11-21T00:00:01Z"}),
        json!({"id": "01990000-0000-7000-8000-00000000f00d", "name": "db", "state": "running",
            "created": "2026-11-21T00:00:02Z"}),
    ];
    let name = query.split('&').find_map(|pair| pair.strip_prefix("name="));
    let found: Vec<&Value> = all
        .iter()
        .filter(|container| name.is_none_or(|name| container["name"] == name))
        .collect();
    // Two a page, so that whoever reads only the first page misses `db`.
    let second = query.contains("marker=second%2Fpage");
    let page = if second {
        &found[2..]
    } else {
        &found[..found.len().min(2)]
    };
    let more = !second && found.len() > 2;
    Json(json!({
        "type": "collection",
        "data": page,
        "links": {"next": more.then_some("/v1/containers?limit=2&marker=second%2Fpage")},
        "pagination": {"limit": 2},
    }))
}

async fn container(Path(id): Path<String>) -> Response {
    if id == ID {
        Json(json!({"id": ID, "name": "web"})).into_response()
    } else {
        problem(StatusCode::NOT_FOUND, json!({"title": "Not Found"}))
    }
}

fn api() -> Router {
    Router::new()
        .route("/v1/containers", get(containers))
        .route("/v1/containers/{id}", get(container))
}

#[tokio::test]
async fn every_page_of_a_collection_is_read() {
    let server = Server::start(api()).await;
    let client = server.client();
    assert_eq!(client.list("/v1/containers", &[]).await.unwrap().len(), 3);
    let newest = client.newest("/v1/containers", &[], 2).await.unwrap();
    let names: Vec<_> = newest.iter().map(|container| &container["name"]).collect();
    assert_eq!(names, ["db", "web"]);
}

#[tokio::test]
async fn a_resource_is_found_by_id_by_name_and_by_the_end_of_its_id() {
    let server = Server::start(api()).await;
    let client = server.client();
    for (reference, name) in [
        (ID, "web"),
        ("db", "db"),
        ("00f00d", "db"),
        ("0000BEEF", "web"),
    ] {
        let found = client.find(Kind::Container, reference).await.unwrap();
        assert_eq!(found["name"], name, "{reference}");
    }
}

#[tokio::test]
async fn a_name_or_part_that_fits_several_is_an_error_that_lists_them() {
    let server = Server::start(api()).await;
    for reference in ["web", "01990000"] {
        let failure = server
            .client()
            .find(Kind::Container, reference)
            .await
            .unwrap_err();
        assert_eq!(failure.exit_code(), 2);
        let text = failure.to_string();
        assert!(text.contains(ID) && text.contains(TWIN), "{text}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let server = Server::start(api()).await;
    for reference in [
        "nothing",
        "beefbeef",
        "01990000-0000-7000-8000-000000000000",
    ] {
        let failure = server
            .client()
            .find(Kind::Container, reference)
            .await
            .unwrap_err();
        assert!(matches!(failure, Failure::NotFound { .. }), "{failure}");
    }
}

#[tokio::test]
async fn the_key_is_sent_and_a_problem_comes_back_whole() {
    let router = Router::new().route(
        "/v1/containers",
        post(async |headers: HeaderMap| {
            assert_eq!(headers[header::AUTHORIZATION], "Bearer drv_1_hush");
            let body = json!({"title": "Unprocessable Content", "code": "container.invalid",
                "detail": "image is empty", "field": "image", "hint": "name one",
                "requestId": "r-1"});
            problem(StatusCode::UNPROCESSABLE_ENTITY, body)
        }),
    );
    let server = Server::start(router).await;
    let failure = server
        .client()
        .post("/v1/containers", &json!({}))
        .await
        .unwrap_err();
    assert_eq!(failure.to_string(), "image is empty");
    assert_eq!(failure.hint().as_deref(), Some("name one"));
    let particulars = failure.particulars();
    assert_eq!(
        particulars,
        [
            ("field", "image"),
            ("code", "container.invalid"),
            ("request", "r-1")
        ]
    );
}

#[tokio::test]
async fn a_server_that_is_not_there_ends_with_three_and_keeps_the_key() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let failure = client(&address)
        .get("/v1/containers", &[])
        .await
        .unwrap_err();
    assert_eq!(failure.exit_code(), 3);
    assert!(!format!("{failure:?}").contains("hush"));
}

#[tokio::test]
async fn an_answer_that_is_no_json_is_not_the_api() {
    let server = Server::start(Router::new().route("/v1/hosts", get("<html>"))).await;
    let failure = server.client().get("/v1/hosts", &[]).await.unwrap_err();
    assert!(matches!(failure, Failure::NotTheApi { .. }));
}

/// A create that is done at the second question, and a start that ends in `phase`.
fn processes(phase: &'static str) -> Router {
    let asked = Arc::new(AtomicU32::new(0));
    let answer = async move |Path(id): Path<String>| {
        Json(match (id.as_str(), asked.fetch_add(1, Ordering::SeqCst)) {
            ("create", 0) => json!({"name": "create", "phase": "running", "step": "place"}),
            ("create", _) => json!({"name": "create", "phase": "done", "successorId": "start"}),
            _ => json!({"name": "start", "phase": phase, "message": "no such image"}),
        })
    };
    Router::new().route("/v1/processes/{id}", get(answer))
}

async fn follow_create(router: Router, patience: Duration) -> Result<(), Failure> {
    let server = Server::start(router).await;
    let mut progress = Progress::new(&Terminal::new(OutputForm::Table), "web");
    follow(&server.client(), "create", "web", patience, &mut progress).await
}

#[tokio::test]
async fn a_create_is_followed_to_the_end_of_its_start() {
    follow_create(processes("done"), Duration::from_secs(30))
        .await
        .unwrap();
    let failure = follow_create(processes("failed"), Duration::from_secs(30))
        .await
        .unwrap_err();
    assert_eq!(failure.exit_code(), 1);
    assert_eq!(failure.to_string(), "web: start failed: no such image");
    assert!(failure.hint().unwrap().contains("drover explain web"));
}

#[tokio::test]
async fn a_server_that_is_away_for_a_moment_does_not_end_the_watch_over_a_process() {
    let asked = Arc::new(AtomicU32::new(0));
    let answer = async move || match asked.fetch_add(1, Ordering::SeqCst) {
        0 => problem(StatusCode::SERVICE_UNAVAILABLE, json!({})),
        _ => Json(json!({"name": "create", "phase": "done"})).into_response(),
    };
    let router = Router::new().route("/v1/processes/{id}", get(answer));
    follow_create(router, Duration::from_secs(30))
        .await
        .unwrap();
}

#[tokio::test]
async fn patience_ends_but_says_that_the_work_goes_on() {
    let answer = async || Json(json!({"name": "create", "phase": "waiting"}));
    let router = Router::new().route("/v1/processes/{id}", get(answer));
    let failure = follow_create(router, Duration::from_millis(300))
        .await
        .unwrap_err();
    assert_eq!(failure.exit_code(), 1);
    assert!(failure.to_string().contains("goes on"));
}
