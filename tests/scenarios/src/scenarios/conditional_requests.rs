//! Conditional requests: what has not changed is not sent again, and what has is not changed by mistake.

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};

use super::SOON;
use crate::facts;
use crate::installation::{Drover, Reply, send};

/// All facts of this theme. They need simulated containers.
pub async fn hold(drover: &Drover) {
    facts![
        drover;
        what_has_not_changed_is_not_sent_again,
        whatever_is_shown_differently_has_another_tag,
        only_what_was_read_is_changed_acted_upon_and_removed,
        any_tag_that_names_what_there_is_will_do,
        a_process_has_a_tag_too,
        what_is_removed_at_once_is_guarded_too,
        a_header_that_is_no_list_of_tags_is_refused,
    ]
    .hold()
    .await;
}

async fn with(drover: &Drover, method: Method, path: &str, header: (&str, &str)) -> Result<Reply> {
    let (name, value) = header;
    send(drover.api.request(method, path).header(name, value)).await
}

async fn settled(drover: &Drover) -> Result<String> {
    let id = drover.create(json!({ "start": false })).await?;
    drover.wait_for_state(&id, "created", SOON).await?;
    Ok(format!("/v1/containers/{id}"))
}

async fn what_has_not_changed_is_not_sent_again(drover: &Drover) -> Result<()> {
    let path = settled(drover).await?;
    let first = drover.api.get(&path).await?;
    let tag = first.header("etag").to_owned();
    ensure!(
        tag.starts_with('"') && tag.ends_with('"'),
        "the tag is {tag}"
    );
    let listed = format!("\"0.none\", {tag}");
    for known in [tag.as_str(), listed.as_str(), "*"] {
        let again = with(drover, Method::GET, &path, ("If-None-Match", known)).await?;
        ensure!(again.status == 304, "{known} is {}", again.status);
        ensure!(again.body == Value::Null, "a body is sent");
        ensure!(again.header("etag") == tag, "another tag");
    }
    let patch = drover.api.request(Method::PATCH, &path);
    send(patch.json(&json!({ "name": "changed" })))
        .await?
        .expect(200)?;
    let changed = with(drover, Method::GET, &path, ("If-None-Match", &tag)).await?;
    ensure!(
        changed.status == 200 && changed.body["name"] == "changed",
        "{}",
        changed.status
    );
    ensure!(changed.header("etag") != tag, "the tag is the same");
    Ok(())
}

async fn whatever_is_shown_differently_has_another_tag(drover: &Drover) -> Result<()> {
    let id = drover.run(json!({}), SOON).await?;
    let path = format!("/v1/containers/{id}");
    let mut tags = Vec::new();
    for query in ["", "?fields=name", "?include=host", "?include=project"] {
        let reply = drover.api.get(&format!("{path}{query}")).await?;
        ensure!(reply.status == 200, "{query}: {}", reply.status);
        tags.push(reply.header("etag").to_owned());
    }
    tags.sort();
    tags.dedup();
    ensure!(tags.len() == 4, "two answers share a tag: {tags:?}");
    // The room of a host changes with what it runs, though nobody writes the host.
    let container = drover.container(&id).await?;
    let host = format!(
        "/v1/hosts/{}",
        container["hostId"].as_str().context("a host")?
    );
    let before = drover.api.get(&host).await?;
    drover
        .run(json!({ "resources": { "memoryMiB": 7 } }), SOON)
        .await?;
    let after = drover.api.get(&host).await?;
    if before.body["reserved"] != after.body["reserved"] {
        ensure!(
            before.header("etag") != after.header("etag"),
            "other room, same tag"
        );
    }
    Ok(())
}

async fn only_what_was_read_is_changed_acted_upon_and_removed(drover: &Drover) -> Result<()> {
    let path = settled(drover).await?;
    let old = drover.api.get(&path).await?.header("etag").to_owned();
    let patch = |name: &str| {
        let request = drover.api.request(Method::PATCH, &path);
        request.json(&json!({ "name": name }))
    };
    let changed = send(patch("one").header("If-Match", &old)).await?;
    ensure!(
        changed.status == 200,
        "the change is {}: {}",
        changed.status,
        changed.body
    );
    let current = changed.header("etag").to_owned();
    ensure!(current != old, "the tag of the answer is that of before");
    send(patch("two").header("If-Match", &old))
        .await?
        .problem(412, "precondition")?;
    let start = format!("{path}/start");
    with(drover, Method::POST, &start, ("If-Match", &old))
        .await?
        .problem(412, "precondition")?;
    with(drover, Method::DELETE, &path, ("If-Match", &old))
        .await?
        .problem(412, "precondition")?;
    let read = drover.api.get(&path).await?.expect(200)?;
    ensure!(
        read["name"] == "one" && read["state"] == "created",
        "something happened: {read}"
    );
    let removed = with(drover, Method::DELETE, &path, ("If-Match", &current)).await?;
    ensure!(removed.status == 202, "the removal is {}", removed.status);
    Ok(())
}

async fn any_tag_that_names_what_there_is_will_do(drover: &Drover) -> Result<()> {
    let path = settled(drover).await?;
    let tag = drover.api.get(&path).await?.header("etag").to_owned();
    let patch = |known: &str| {
        let request = drover
            .api
            .request(Method::PATCH, &path)
            .header("If-Match", known);
        send(request.json(&json!({ "description": known })))
    };
    patch(&format!("\"9999.x\", {tag}")).await?.expect(200)?;
    patch("*").await?.expect(200)?;
    let nothing = "/v1/containers/01890000-0000-7000-8000-000000000000";
    let absent = drover
        .api
        .request(Method::PATCH, nothing)
        .header("If-Match", "*");
    send(absent.json(&json!({})))
        .await?
        .problem(404, "notFound")
        .map(drop)
}

async fn a_process_has_a_tag_too(drover: &Drover) -> Result<()> {
    let id = drover.run(json!({}), SOON).await?;
    let process = drover.processes(&id).await?.pop().context("a process")?;
    let path = process["links"]["self"]
        .as_str()
        .context("a link")?
        .to_owned();
    let tag = drover.api.get(&path).await?.header("etag").to_owned();
    let again = with(drover, Method::GET, &path, ("If-None-Match", &tag)).await?;
    ensure!(again.status == 304, "it is sent again: {}", again.status);
    let cancel = format!("{path}/cancel");
    let refused = with(drover, Method::POST, &cancel, ("If-Match", "\"1.x\"")).await?;
    refused.problem(412, "precondition").map(drop)
}

async fn a_header_that_is_no_list_of_tags_is_refused(drover: &Drover) -> Result<()> {
    let path = settled(drover).await?;
    for (method, header) in [(Method::GET, "If-None-Match"), (Method::DELETE, "If-Match")] {
        let refused = with(drover, method, &path, (header, "7")).await?;
        let problem = refused.problem(400, "header")?;
        let named = problem["field"].as_str().unwrap_or_default();
        ensure!(named.eq_ignore_ascii_case(header), "it names {named}");
    }
    Ok(())
}

async fn what_is_removed_at_once_is_guarded_too(drover: &Drover) -> Result<()> {
    let asked = json!({ "name": "guarded" });
    let made = drover.api.post("/v1/registrationTokens", &asked).await?;
    let made = made.expect(201)?;
    let path = made["links"]["self"].as_str().context("a link")?;
    let old = drover.api.get(path).await?.header("etag").to_owned();
    let patch = drover.api.request(Method::PATCH, path);
    let patched = send(patch.json(&json!({ "name": "other" }))).await?;
    ensure!(patched.status == 200, "the change is {}", patched.status);
    let refused = with(drover, Method::DELETE, path, ("If-Match", &old)).await?;
    refused.problem(412, "precondition")?;
    let current = patched.header("etag").to_owned();
    let removed = with(drover, Method::DELETE, path, ("If-Match", &current)).await?;
    ensure!(removed.status == 204, "the removal is {}", removed.status);
    Ok(())
}
