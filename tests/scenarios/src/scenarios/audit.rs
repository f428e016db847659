//! The audit log: one row for each mutation, done or refused.

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};

use crate::facts;
use crate::installation::{Drover, id_of, send};

/// All facts of this theme. They need simulated containers.
pub async fn hold(drover: &Drover) {
    facts![
        drover;
        each_mutation_has_one_row_with_who_from_where_what_and_what_came_of_it,
        a_refused_mutation_has_a_row_with_the_code_of_the_problem,
        what_only_reads_has_no_row,
        every_kind_of_mutation_has_its_row,
        one_of_several_that_is_refused_has_a_row_of_its_own,
        rows_are_listed_newest_first_in_pages,
        nothing_secret_is_in_a_row,
    ]
    .hold()
    .await;
}

async fn rows(drover: &Drover, filter: &str) -> Result<Vec<Value>> {
    drover.api.list(&format!("/v1/auditLogs?{filter}")).await
}

/// The only row with this request id among those that a filter passes.
async fn row_of(drover: &Drover, filter: &str, request_id: &str) -> Result<Value> {
    let rows = rows(drover, &format!("{filter}&limit=1000")).await?;
    let mut rows = rows
        .into_iter()
        .filter(|row| row["requestId"] == request_id);
    let row = rows.next().context("there is no row")?;
    ensure!(rows.next().is_none(), "there are two rows");
    Ok(row)
}

async fn each_mutation_has_one_row_with_who_from_where_what_and_what_came_of_it(
    drover: &Drover,
) -> Result<()> {
    let request = drover.api.request(Method::POST, "/v1/containers");
    let spec = drover.hello(json!({ "start": false }));
    let request = request.header("X-Request-Id", "audited").json(&spec);
    let made = send(request).await?.expect(202)?;
    let id = id_of(&made)?;
    let row = row_of(drover, &format!("resourceId={id}"), "audited").await?;
    for (field, expected) in [
        ("type", json!("auditLog")),
        ("operation", json!("container.create")),
        ("resourceType", json!("container")),
        ("resourceId", json!(id)),
        ("projectId", made["projectId"].clone()),
        ("method", json!("POST")),
        ("path", json!("/v1/containers")),
        ("fromAddress", json!("127.0.0.1")),
        ("status", json!(202)),
        ("code", Value::Null),
    ] {
        ensure!(row[field] == expected, "`{field}` is {}", row[field]);
    }
    ensure!(row["credentialId"].is_string(), "no credential: {row}");
    let own = row["links"]["self"].as_str().context("links.self")?;
    let read = drover.api.get(own).await?.expect(200)?;
    ensure!(read == row, "read alone it is {read}");
    Ok(())
}

async fn a_refused_mutation_has_a_row_with_the_code_of_the_problem(drover: &Drover) -> Result<()> {
    let id = drover.create(json!({ "start": false })).await?;
    drover.wait_for_state(&id, "created", super::SOON).await?;
    let path = format!("/v1/containers/{id}/stop");
    let refused = drover.api.post(&path, &json!({})).await?;
    let problem = refused.problem(409, "container.state")?;
    let request = problem["requestId"].as_str().context("a request id")?;
    let row = row_of(drover, &format!("resourceId={id}&status=409"), request).await?;
    ensure!(row["code"] == "container.state", "{row}");
    ensure!(row["operation"] == "container.stop", "{row}");

    let unsound = drover.api.post("/v1/containers", &json!({})).await?;
    let problem = unsound.problem(422, "invalid")?;
    let request = problem["requestId"].as_str().context("a request id")?;
    let row = row_of(drover, "operation=container.create&status=422", request).await?;
    ensure!(row["code"] == "invalid", "{row}");
    Ok(())
}

async fn what_only_reads_has_no_row(drover: &Drover) -> Result<()> {
    let request = drover.api.request(Method::GET, "/v1/containers");
    send(request.header("X-Request-Id", "only-reads")).await?;
    let all = rows(drover, "limit=1000").await?;
    let read = all.iter().find(|row| row["requestId"] == "only-reads");
    ensure!(read.is_none(), "there is one: {read:?}");
    Ok(())
}

async fn every_kind_of_mutation_has_its_row(drover: &Drover) -> Result<()> {
    let id = drover.run(json!({}), super::SOON).await?;
    let member = format!("/v1/containers/{id}");
    let patch = drover.api.request(Method::PATCH, &member);
    let patch = patch.json(&json!({ "description": "changed" }));
    send(patch).await?.expect(200)?;
    drover
        .act_until(&id, "stop", "stopped", super::SOON)
        .await?;
    drover.api.delete(&member).await?.expect(202)?;
    drover.wait_for_state(&id, "removed", super::SOON).await?;
    let rows = rows(drover, &format!("resourceId={id}")).await?;
    let operations: Vec<&str> = rows
        .iter()
        .filter_map(|row| row["operation"].as_str())
        .collect();
    let expected = [
        "container.remove",
        "container.stop",
        "container.update",
        "container.create",
    ];
    ensure!(operations == expected, "the rows are {operations:?}");

    let token = drover
        .api
        .post("/v1/registrationTokens", &json!({}))
        .await?;
    let token = id_of(&token.expect(201)?)?;
    let path = format!("/v1/registrationTokens/{token}");
    drover.api.delete(&path).await?.expect(204)?;
    let rows = self::rows(drover, &format!("resourceId={token}")).await?;
    let statuses: Vec<&Value> = rows.iter().map(|row| &row["status"]).collect();
    ensure!(statuses == [&json!(204), &json!(201)], "{rows:?}");
    Ok(())
}

async fn one_of_several_that_is_refused_has_a_row_of_its_own(drover: &Drover) -> Result<()> {
    let sound = drover.hello(json!({ "start": false }));
    let several = json!([sound, { "image": "" }, sound]);
    let request = drover.api.request(Method::POST, "/v1/containers");
    let request = request.header("X-Request-Id", "several").json(&several);
    send(request).await?.expect(207)?;
    let rows = rows(drover, "operation=container.create&limit=1000").await?;
    let rows = rows.iter().filter(|row| row["requestId"] == "several");
    let mut statuses: Vec<i64> = rows.filter_map(|row| row["status"].as_i64()).collect();
    statuses.sort_unstable();
    ensure!(statuses == [202, 202, 422], "the rows say {statuses:?}");
    Ok(())
}

async fn rows_are_listed_newest_first_in_pages(drover: &Drover) -> Result<()> {
    for _ in 0..5 {
        drover.create(json!({ "start": false })).await?;
    }
    let mut address = "/v1/auditLogs?operation=container.create&limit=2".to_owned();
    let mut ids: Vec<String> = Vec::new();
    while ids.len() < 5 {
        let page = drover.api.get(&address).await?.expect(200)?;
        for row in page["data"].as_array().context("data")? {
            ids.push(id_of(row)?);
        }
        let next = page["links"]["next"].as_str().context("a next page")?;
        address = next.to_owned();
    }
    let is_newest_first = ids.is_sorted_by(|one, next| one > next);
    ensure!(is_newest_first, "the order is {ids:?}");
    Ok(())
}

async fn nothing_secret_is_in_a_row(drover: &Drover) -> Result<()> {
    let path = "/v1/containers?secret=a-secret-in-a-query";
    let body = drover.hello(json!({ "environment": { "PASSWORD": "a-secret-in-a-body" } }));
    drover.api.post(path, &body).await?.problem(400, "query")?;
    let all = drover.api.get("/v1/auditLogs?limit=1000").await?;
    let text = all.expect(200)?.to_string();
    ensure!(!text.contains("a-secret"), "a secret is in the log");
    Ok(())
}
