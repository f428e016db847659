//! Requests that are wrong: each is answered with a problem that says what is wrong with it, and the
//! server goes on.

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::json;

use super::SOON;
use crate::facts;
use crate::installation::{Drover, send};

/// An id of the right form that nothing has.
const NOBODY: &str = "01890000-0000-7000-8000-000000000000";

/// All facts of this theme.
pub async fn hold(drover: &Drover) {
    facts![
        drover;
        a_field_that_is_wrong_is_named,
        a_text_that_no_database_or_process_takes_is_refused,
        a_body_that_is_no_json_is_refused,
        a_body_of_50_mb_is_refused,
        an_address_of_nothing_is_not_found,
        a_query_that_is_not_understood_is_refused,
        nothing_is_told_without_a_valid_key,
        an_action_that_the_state_does_not_allow_names_the_states_that_do,
    ]
    .hold()
    .await;
    facts![drover; the_next_good_container_runs].hold().await;
}

async fn a_field_that_is_wrong_is_named(drover: &Drover) -> Result<()> {
    let port = |container: u32| json!({ "image": "x", "ports": [{ "containerPort": container }] });
    let host_port = json!({ "image": "x", "ports": [{ "hostPort": 70_000, "containerPort": 80 }] });
    let cases = [
        (json!({ "image": "x", "colour": "red" }), "colour"),
        (json!({ "name": "without" }), "image"),
        (json!({ "image": "" }), "image"),
        (json!({ "image": 7 }), "image"),
        (port(70_000), "ports[0].containerPort"),
        (port(0), "ports[0].containerPort"),
        (host_port, "ports[0].hostPort"),
        (json!({ "image": "x", "workingDir": "here" }), "workingDir"),
        (
            json!({ "image": "x", "resources": { "memoryMiB": -1 } }),
            "resources.memoryMiB",
        ),
        (
            json!({ "image": "x", "labels": { "drover.container.id": "y" } }),
            "labels.drover.container.id",
        ),
    ];
    for (body, field) in cases {
        let reply = drover.api.post("/v1/containers", &body).await?;
        let problem = reply
            .problem(422, "invalid")
            .with_context(|| body.to_string())?;
        ensure!(
            problem["field"] == field,
            "{body}: the field is {}",
            problem["field"]
        );
    }
    Ok(())
}

/// A NUL character is valid JSON, but no text of PostgreSQL and no argument of a process.
async fn a_text_that_no_database_or_process_takes_is_refused(drover: &Drover) -> Result<()> {
    let nul = "a\u{0}b";
    let cases = [
        json!({ "image": nul }),
        json!({ "image": "x", "name": nul }),
        json!({ "image": "x", "description": nul }),
        json!({ "image": "x", "labels": { "key": nul } }),
        json!({ "image": "x", "labels": { nul: "value" } }),
        json!({ "image": "x", "metadata": { "key": [{ "deep": nul }] } }),
        json!({ "image": "x", "metadata": { nul: 1 } }),
        json!({ "image": "x", "command": [nul] }),
        json!({ "image": "x", "entrypoint": [nul] }),
        json!({ "image": "x", "environment": { "KEY": nul } }),
        json!({ "image": "x", "environment": { nul: "value" } }),
        json!({ "image": "x", "workingDir": format!("/{nul}") }),
        json!({ "image": "x", "user": nul }),
        json!({ "image": "x", "placement": { "hostLabels": { "key": nul } } }),
    ];
    for body in cases {
        let reply = drover.api.post("/v1/containers", &body).await?;
        reply
            .problem(422, "invalid")
            .with_context(|| body.to_string())?;
    }
    let token = json!({ "name": "x", "description": nul });
    let reply = drover.api.post("/v1/registrationTokens", &token).await?;
    reply.problem(422, "invalid")?;
    let named = drover.api.get("/v1/containers?name=a%00b").await?;
    ensure!(
        named.status < 500,
        "a name with a NUL is asked for: {}",
        named.body
    );
    Ok(())
}

async fn a_body_that_is_no_json_is_refused(drover: &Drover) -> Result<()> {
    let deep = "[".repeat(100_000);
    let bodies = ["image: x", "{\"image\":", "1", "\"x\"", "\u{0}", &deep];
    for body in bodies.map(str::to_owned) {
        let request = drover.api.request(Method::POST, "/v1/containers");
        let request = request.header(CONTENT_TYPE, "application/json");
        let reply = send(request.body(body.clone())).await?;
        reply
            .problem(400, "body")
            .with_context(|| format!("{body:.20}"))?;
    }
    Ok(())
}

async fn a_body_of_50_mb_is_refused(drover: &Drover) -> Result<()> {
    let body = format!("{{\"image\":\"{}\"}}", "x".repeat(50 << 20));
    let request = drover.api.request(Method::POST, "/v1/containers");
    send(request.body(body))
        .await?
        .problem(413, "bodyTooLarge")
        .map(drop)
}

async fn an_address_of_nothing_is_not_found(drover: &Drover) -> Result<()> {
    let id = drover.create(json!({ "start": false })).await?;
    drover.wait_for_state(&id, "created", SOON).await?;
    let nothing = [
        (Method::GET, format!("/v1/containers/{NOBODY}")),
        (Method::GET, "/v1/containers/no-id".to_owned()),
        (Method::DELETE, format!("/v1/containers/{NOBODY}")),
        (Method::POST, format!("/v1/containers/{NOBODY}/stop")),
        (Method::POST, "/v1/containers/no-id/stop".to_owned()),
        (Method::POST, format!("/v1/containers/{id}/explode")),
        (Method::POST, format!("/v1/containers/{id}/create")),
        (Method::GET, format!("/v1/processes/{NOBODY}")),
        (Method::GET, format!("/v1/hosts/{id}")),
        (Method::GET, "/v1/nothing".to_owned()),
    ];
    for (method, path) in nothing {
        let reply = send(drover.api.request(method.clone(), &path)).await?;
        reply
            .problem(404, "notFound")
            .with_context(|| format!("{method} {path}"))?;
    }
    let reply = send(drover.api.request(Method::PATCH, "/v1/containers")).await?;
    reply.problem(405, "methodNotAllowed").map(drop)
}

async fn a_query_that_is_not_understood_is_refused(drover: &Drover) -> Result<()> {
    for path in [
        "/v1/containers?colour=red",
        "/v1/containers?limit=0",
        "/v1/containers?limit=many",
        "/v1/containers?state=happy",
        "/v1/containers?marker=x",
        "/v1/processes?phase=of-the-moon",
        "/v1/watch?after=x",
    ] {
        drover
            .api
            .get(path)
            .await?
            .problem(400, "query")
            .with_context(|| path.to_owned())?;
    }
    let request = drover
        .api
        .request(Method::POST, "/v1/containers")
        .header("Prefer", "wait=long");
    let reply = send(request.json(&json!({ "image": "x" }))).await?;
    reply.problem(400, "header").map(drop)
}

async fn nothing_is_told_without_a_valid_key(drover: &Drover) -> Result<()> {
    let key = std::fs::read_to_string(&drover.key_file)?;
    let another_secret = format!("{}x", key.trim());
    let keys = [
        None,
        Some("Bearer nonsense".to_owned()),
        Some(format!("Bearer {another_secret}")),
        Some(format!("Basic {}", key.trim())),
        Some(format!("Bearer drv_{NOBODY}_0123456789abcdef")),
    ];
    for key in keys {
        for path in ["/v1", "/v1/containers", "/v1/watch", "/v1/nothing"] {
            let mut request = drover.api.without_key(Method::GET, path);
            if let Some(key) = &key {
                request = request.header("authorization", key);
            }
            let reply = send(request).await?;
            ensure!(
                reply.header("www-authenticate") == "Bearer",
                "{path}: no challenge"
            );
            reply
                .problem(401, "unauthorized")
                .with_context(|| format!("{path}, {key:?}"))?;
        }
    }
    for path in ["/healthz", "/readyz"] {
        send(drover.api.without_key(Method::GET, path))
            .await?
            .expect(200)?;
    }
    Ok(())
}

async fn an_action_that_the_state_does_not_allow_names_the_states_that_do(
    drover: &Drover,
) -> Result<()> {
    let id = drover.run(json!({}), SOON).await?;
    let start = format!("/v1/containers/{id}/start");
    let problem = drover.api.post(&start, &json!({})).await?;
    let problem = problem.problem(409, "container.state")?;
    ensure!(
        problem["allowedStates"] == json!(["created", "stopped", "error", "restarting"]),
        "allowedStates is {}",
        problem["allowedStates"]
    );
    let purge = format!("/v1/containers/{id}/purge");
    let problem = drover
        .api
        .post(&purge, &json!({}))
        .await?
        .problem(409, "container.state")?;
    ensure!(problem["allowedStates"] == json!(["removed"]), "{problem}");
    let is_running = drover.container(&id).await?["state"] == "running";
    ensure!(is_running, "a refusal changed the state");
    Ok(())
}

async fn the_next_good_container_runs(drover: &Drover) -> Result<()> {
    drover.run(json!({}), SOON).await.map(drop)
}
