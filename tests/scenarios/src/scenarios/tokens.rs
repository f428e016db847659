//! Registration tokens: how agents come in, and how they do not.
//!
//! Agents are played here by what they say over HTTP. Their hosts never connect, so this theme wants
//! an installation of its own.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::facts;
use crate::http;
use crate::installation::{Drover, Reply, send};

/// All facts of this theme.
pub async fn hold(drover: &Drover) {
    facts![
        drover;
        a_token_is_shown_once,
        a_token_serves_as_often_as_it_says,
        a_token_that_was_removed_serves_no_more,
        a_token_that_could_never_serve_is_refused,
    ]
    .hold()
    .await;
}

async fn a_token_is_shown_once(drover: &Drover) -> Result<()> {
    let made = make(drover, json!({ "name": "shown-once" })).await?;
    let path = format!(
        "/v1/registrationTokens/{}",
        made["id"].as_str().context("an id")?
    );
    let secret = made["token"]
        .as_str()
        // The secret itself may contain what parts it from the rest.
        .and_then(|token| token.splitn(3, '_').nth(2));
    let secret = secret.context("a token")?;
    for path in [path.as_str(), "/v1/registrationTokens"] {
        let read = drover.api.get(path).await?.expect(200)?.to_string();
        ensure!(read.contains("shown-once"), "{path} does not have it");
        ensure!(!read.contains(secret), "{path} shows the secret");
    }
    Ok(())
}

/// The same agent may come back with it; another one may not come in.
async fn a_token_serves_as_often_as_it_says(drover: &Drover) -> Result<()> {
    let token = make(drover, json!({ "name": "twice", "maximumUses": 2 })).await?["token"].clone();
    let first = register(drover, &token, "a-first-key-of-an-agent")
        .await?
        .expect(200)?;
    let again = register(drover, &token, "a-first-key-of-an-agent")
        .await?
        .expect(200)?;
    ensure!(
        first["agentId"] == again["agentId"],
        "one key, two agents: {first} {again}"
    );
    ensure!(
        first["credential"] != again["credential"],
        "the credential was not renewed"
    );
    let second = register(drover, &token, "the-second-key-of-one")
        .await?
        .expect(200)?;
    ensure!(
        first["hostId"] != second["hostId"],
        "two keys, one host: {first} {second}"
    );
    let third = register(drover, &token, "the-third-key-of-an-agent").await?;
    refused(third)?;
    let host = format!("/v1/hosts/{}", first["hostId"].as_str().context("a host")?);
    let host = drover.api.get(&host).await?.expect(200)?;
    ensure!(
        host["state"] == "registering",
        "a host that never connected is {}",
        host["state"]
    );
    Ok(())
}

async fn a_token_that_was_removed_serves_no_more(drover: &Drover) -> Result<()> {
    let made = make(drover, json!({ "name": "removed" })).await?;
    let path = format!(
        "/v1/registrationTokens/{}",
        made["id"].as_str().context("an id")?
    );
    drover.api.delete(&path).await?.expect(204)?;
    refused(register(drover, &made["token"], "a-key-that-comes-late").await?)?;
    refused(register(drover, &json!("drt_nonsense"), "a-key-with-nonsense").await?)
}

async fn a_token_that_could_never_serve_is_refused(drover: &Drover) -> Result<()> {
    let never = json!({ "name": "never", "maximumUses": 0 });
    let reply = drover.api.post("/v1/registrationTokens", &never).await?;
    reply.problem(422, "invalid").map(drop)
}

async fn make(drover: &Drover, asked: Value) -> Result<Value> {
    drover
        .api
        .post("/v1/registrationTokens", &asked)
        .await?
        .expect(201)
}

/// What an agent says when it first comes.
async fn register(drover: &Drover, token: &Value, key: &str) -> Result<Reply> {
    let server = drover.agent_servers.last().context("an agent server")?;
    let said = json!({ "token": token, "agentKey": key, "name": "played" });
    send(
        http::client()?
            .post(format!("{server}/agent/v1/register"))
            .json(&said),
    )
    .await
}

fn refused(reply: Reply) -> Result<()> {
    let problem = reply.expect(401)?;
    ensure!(
        problem["code"] == "agent.unauthorized",
        "the refusal is {problem}"
    );
    Ok(())
}
