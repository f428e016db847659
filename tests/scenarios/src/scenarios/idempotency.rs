//! Requests that are repeated under their key. In a cluster each goes to another server than the one
//! before it.

use anyhow::{Result, ensure};
use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::facts;
use crate::installation::{Drover, Reply, id_of, send};

/// All facts of this theme. They need simulated containers.
pub async fn hold(drover: &Drover) {
    facts![
        drover;
        a_post_that_is_repeated_with_its_key_makes_one_container,
        many_at_the_same_time_make_one_container,
        one_key_with_another_body_or_address_is_refused,
        a_repeated_wait_waits_for_the_same_process,
        a_refused_request_can_be_mended_and_repeated,
        an_action_that_is_repeated_is_answered_as_before,
        a_repeated_token_is_the_same_token_without_its_text,
        several_containers_that_are_asked_for_again_are_the_same_ones,
        a_key_that_is_no_key_is_refused,
    ]
    .hold()
    .await;
}

async fn post(drover: &Drover, path: &str, key: &str, body: &Value) -> Result<Reply> {
    let request = drover.api.request(Method::POST, path);
    send(request.header("Idempotency-Key", key).json(body)).await
}

fn is_replayed(reply: &Reply) -> bool {
    reply.header("idempotency-replayed") == "true"
}

async fn count(drover: &Drover, name: &str) -> Result<usize> {
    let path = format!("/v1/containers?name={name}");
    Ok(drover.api.list(&path).await?.len())
}

async fn a_post_that_is_repeated_with_its_key_makes_one_container(drover: &Drover) -> Result<()> {
    let spec = drover.hello(json!({ "name": "repeated", "start": false }));
    let first = post(drover, "/v1/containers", "repeated", &spec).await?;
    ensure!(!is_replayed(&first), "the first is no repetition");
    for _ in 0..3 {
        let again = post(drover, "/v1/containers", "repeated", &spec).await?;
        ensure!(is_replayed(&again), "it is not said to be a repetition");
        ensure!(again.status == first.status, "now it is {}", again.status);
        for header in ["location", "etag", "content-type"] {
            let (now, before) = (again.header(header), first.header(header));
            ensure!(now == before, "`{header}` was {before} and is {now}");
        }
        ensure!(again.body == first.body, "the body is another");
    }
    ensure!(count(drover, "repeated").await? == 1, "there are several");
    Ok(())
}

async fn many_at_the_same_time_make_one_container(drover: &Drover) -> Result<()> {
    for round in 0..5 {
        let name = format!("race-{round}");
        let spec = drover.hello(json!({ "name": name, "start": false }));
        let posting = (0..8).map(|_| post(drover, "/v1/containers", &name, &spec));
        let mut ids = Vec::new();
        for reply in join_all(posting).await {
            ids.push(id_of(&reply?.expect(202)?)?);
        }
        ids.dedup();
        ensure!(ids.len() == 1, "there are several: {ids:?}");
        ensure!(count(drover, &name).await? == 1, "there are several");
    }
    Ok(())
}

async fn one_key_with_another_body_or_address_is_refused(drover: &Drover) -> Result<()> {
    let spec = drover.hello(json!({ "name": "mismatch", "start": false }));
    let made = post(drover, "/v1/containers", "mismatch", &spec).await?;
    let id = id_of(&made.expect(202)?)?;
    let other = drover.hello(json!({ "name": "another", "start": false }));
    let refused = post(drover, "/v1/containers", "mismatch", &other).await?;
    refused.problem(422, "idempotency.mismatch")?;
    let path = format!("/v1/containers/{id}/remove");
    let refused = post(drover, &path, "mismatch", &json!({})).await?;
    refused.problem(422, "idempotency.mismatch").map(drop)
}

async fn a_repeated_wait_waits_for_the_same_process(drover: &Drover) -> Result<()> {
    let spec = drover.hello(json!({ "labels": { "sim.delay": "1s" } }));
    let ask = async |wait: &str| {
        let request = drover.api.request(Method::POST, "/v1/containers");
        let request = request.header("Idempotency-Key", "wait");
        send(request.header("Prefer", wait).json(&spec)).await
    };
    let first = ask("wait=0").await?.expect(202)?;
    let again = ask("wait=30").await?;
    ensure!(is_replayed(&again), "it is not said to be a repetition");
    let again = again.expect(201)?;
    ensure!(again["id"] == first["id"], "it is another container");
    ensure!(again["state"] == "running", "it is {}", again["state"]);
    Ok(())
}

async fn a_refused_request_can_be_mended_and_repeated(drover: &Drover) -> Result<()> {
    let unsound = json!({ "image": "" });
    let refused = post(drover, "/v1/containers", "mended", &unsound).await?;
    refused.problem(422, "invalid")?;
    let spec = drover.hello(json!({ "start": false }));
    let made = post(drover, "/v1/containers", "mended", &spec).await?;
    made.expect(202).map(drop)
}

async fn an_action_that_is_repeated_is_answered_as_before(drover: &Drover) -> Result<()> {
    let id = drover.run(json!({}), super::SOON).await?;
    let path = format!("/v1/containers/{id}/stop");
    let first = post(drover, &path, "stop", &json!({})).await?.expect(202)?;
    drover.wait_for_state(&id, "stopped", super::SOON).await?;
    // It could not be stopped any more.
    let again = post(drover, &path, "stop", &json!({})).await?.expect(202)?;
    ensure!(again == first, "the answer is another");
    Ok(())
}

async fn a_repeated_token_is_the_same_token_without_its_text(drover: &Drover) -> Result<()> {
    let asked = json!({ "name": "for-a-key" });
    let path = "/v1/registrationTokens";
    let first = post(drover, path, "token", &asked).await?.expect(201)?;
    ensure!(first["token"].is_string(), "the first tells no text");
    let again = post(drover, path, "token", &asked).await?.expect(201)?;
    ensure!(again["id"] == first["id"], "it is another token");
    ensure!(again["token"].is_null(), "the text is told twice");
    Ok(())
}

async fn several_containers_that_are_asked_for_again_are_the_same_ones(
    drover: &Drover,
) -> Result<()> {
    let spec = drover.hello(json!({ "name": "bulk", "count": 5, "start": false }));
    let first = post(drover, "/v1/containers", "bulk", &spec).await?;
    let first = first.expect(207)?;
    let again = post(drover, "/v1/containers", "bulk", &spec).await?;
    let again = again.expect(207)?;
    ensure!(first == again, "the answers are others: {first} {again}");
    let other = drover.hello(json!({ "name": "bulk", "count": 6, "start": false }));
    let refused = post(drover, "/v1/containers", "bulk", &other).await?;
    refused.problem(422, "idempotency.mismatch")?;
    for number in 1..=5 {
        let name = format!("bulk-{number}");
        ensure!(count(drover, &name).await? == 1, "there is not one {name}");
    }
    Ok(())
}

async fn a_key_that_is_no_key_is_refused(drover: &Drover) -> Result<()> {
    let spec = drover.hello(json!({ "start": false }));
    for key in [String::new(), "a key".to_owned(), "k".repeat(256)] {
        let refused = post(drover, "/v1/containers", &key, &spec).await?;
        let problem = refused.problem(400, "header")?;
        ensure!(problem["field"] == "Idempotency-Key", "{problem}");
    }
    Ok(())
}
