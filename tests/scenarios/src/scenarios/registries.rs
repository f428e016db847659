//! Credentials for registries as clients see them: a password goes in and never comes out.

use anyhow::{Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};

use super::SOON;
use super::people::somebody;
use crate::facts;
use crate::installation::{Api, Drover, id_of, send};

/// All facts of this theme.
pub async fn hold(drover: &Drover) {
    facts![
        drover;
        a_password_goes_in_and_never_comes_out,
        a_project_has_one_credential_for_a_registry,
        who_only_reads_sees_credentials_and_changes_none,
        what_cannot_be_a_credential_is_refused_by_its_field,
        a_container_is_made_by_who_logs_in_if_nobody_else_may,
        credentials_are_led_from_the_command_line,
    ]
    .hold()
    .await;
}

const PATH: &str = "/v1/registryCredentials";
const PASSWORD: &str = "hunter2-of-the-scenario";

fn wanted(registry: &str) -> Value {
    json!({ "registry": registry, "username": "robot", "password": PASSWORD })
}

async fn make(api: &Api, registry: &str) -> Result<String> {
    let made = api.post(PATH, &wanted(registry)).await?;
    id_of(&made.expect(201)?)
}

async fn a_password_goes_in_and_never_comes_out(drover: &Drover) -> Result<()> {
    let api = &drover.api;
    let mut said = Vec::new();
    let body = wanted("silent.example");
    for _ in 0..2 {
        let request = api.request(Method::POST, PATH).json(&body);
        let made = send(request.header("Idempotency-Key", "silent")).await?;
        said.push(made.expect(201)?);
    }
    ensure!(said[0] == said[1], "the repetition is answered otherwise");
    let id = id_of(&said[0])?;
    let own = format!("{PATH}/{id}");
    ensure!(said[0]["registry"] == "silent.example" && said[0]["username"] == "robot");
    let another = json!({ "password": format!("{PASSWORD}-2"), "username": "person" });
    let action = format!("{own}/setPassword");
    let set = api.post(&action, &another).await?;
    ensure!(
        set.status == 204,
        "it is answered {}: {}",
        set.status,
        set.body
    );
    let changed = api.get(&own).await?.expect(200)?;
    ensure!(changed["username"] == "person", "it is {changed}");
    ensure!(changed["version"] == 1, "it is {changed}");
    let typed = json!({ "password": 20_405, "username": "person" });
    let refused = api.post(&action, &typed).await?.problem(422, "invalid")?;
    ensure!(!refused.to_string().contains("20405"), "it says {refused}");
    let wrong = json!({ "password": [PASSWORD], "registry": "x.example", "username": "a" });
    said.push(api.post(PATH, &wrong).await?.problem(422, "invalid")?);
    let patch = json!({ "password": PASSWORD });
    said.push(api.patch(&own, &patch).await?.problem(422, "invalid")?);
    let labels = json!({ "labels": { "team": "shop" } });
    said.push(api.patch(&own, &labels).await?.expect(200)?);
    said.extend([changed, refused]);
    for path in [
        PATH,
        "/v1/auditLogs?limit=1000",
        "/v1/processes?limit=1000",
        "/v1/schemas/registryCredential",
    ] {
        said.push(api.get(path).await?.expect(200)?);
    }
    let said = serde_json::to_string(&said)?;
    ensure!(!said.contains(PASSWORD), "it is told");
    let removed = api.delete(&own).await?;
    ensure!(removed.status == 204, "it is answered {}", removed.status);
    Ok(())
}

async fn a_project_has_one_credential_for_a_registry(drover: &Drover) -> Result<()> {
    let api = &drover.api;
    let id = make(api, "one.example:5000").await?;
    let second = api.post(PATH, &wanted("one.example:5000")).await?;
    let refused = second.problem(409, "registryCredential.registryTaken")?;
    ensure!(refused["field"] == "registry", "it is about {refused}");
    let other = make(api, "one.example:5001").await?;
    let listed = format!("{PATH}?registry=one.example:5000");
    let listed = api.list(&listed).await?;
    ensure!(
        listed.len() == 1 && listed[0]["id"] == id.as_str(),
        "{listed:?}"
    );
    ensure!(api.delete(&format!("{PATH}/{id}")).await?.status == 204);
    let again = make(api, "one.example:5000").await?;
    for id in [again, other] {
        ensure!(api.delete(&format!("{PATH}/{id}")).await?.status == 204);
    }
    Ok(())
}

async fn who_only_reads_sees_credentials_and_changes_none(drover: &Drover) -> Result<()> {
    let (project, viewer) = somebody(drover, "looks-at-registries", "viewer").await?;
    let (_, stranger) = somebody(drover, "has-other-registries", "member").await?;
    let mut body = wanted("seen.example");
    body["projectId"] = json!(project);
    let made = drover.api.post(PATH, &body).await?.expect(201)?;
    let own = format!("{PATH}/{}", id_of(&made)?);
    let seen = viewer.get(&own).await?.expect(200)?;
    ensure!(seen["username"] == "robot" && seen.get("password").is_none());
    let again = json!({ "password": "x" });
    viewer.post(PATH, &body).await?.problem(403, "role")?;
    let action = format!("{own}/setPassword");
    viewer.post(&action, &again).await?.problem(403, "role")?;
    viewer.delete(&own).await?.problem(403, "role")?;
    stranger.get(&own).await?.problem(404, "notFound")?;
    stranger
        .post(&action, &again)
        .await?
        .problem(404, "notFound")?;
    let in_use = drover
        .api
        .delete(&format!("/v1/projects/{project}"))
        .await?;
    in_use.problem(409, "project.inUse")?;
    ensure!(drover.api.delete(&own).await?.status == 204);
    Ok(())
}

async fn what_cannot_be_a_credential_is_refused_by_its_field(drover: &Drover) -> Result<()> {
    for (field, value) in [
        ("registry", json!("https://docker.io")),
        ("registry", json!("nowhere")),
        ("registry", json!("Docker.io")),
        ("username", json!("")),
        ("username", json!("a:b")),
        ("password", json!("")),
        ("password", json!(null)),
        ("password", json!("a\u{0}b")),
    ] {
        let mut body = wanted("refused.example");
        body[field] = value.clone();
        let refused = drover
            .api
            .post(PATH, &body)
            .await?
            .problem(422, "invalid")?;
        ensure!(refused["field"] == field, "{field} {value}: {refused}");
    }
    Ok(())
}

async fn a_container_is_made_by_who_logs_in_if_nobody_else_may(drover: &Drover) -> Result<()> {
    let image = json!({
        "image": "login.example/shop",
        "labels": { "sim.login": "robot" },
        "start": false,
    });
    let turned_away = drover.create(image.clone()).await?;
    let failed = drover.wait_for_state(&turned_away, "error", SOON).await?;
    let reason = failed["error"].as_str().unwrap_or_default();
    ensure!(reason.contains("denied"), "the reason is `{reason}`");
    let id = make(&drover.api, "login.example").await?;
    let let_in = drover.create(image).await?;
    drover.wait_for_state(&let_in, "created", SOON).await?;
    for container in [turned_away, let_in] {
        drover
            .act_until(&container, "remove", "removed", SOON)
            .await?;
    }
    ensure!(drover.api.delete(&format!("{PATH}/{id}")).await?.status == 204);
    Ok(())
}

async fn credentials_are_led_from_the_command_line(drover: &Drover) -> Result<()> {
    // What is piped in is nothing here: where there is no password, nothing is asked of the server.
    let login = ["registry", "login", "line.example", "--username", "robot"];
    ensure!(
        drover.command(&login).await.is_err(),
        "it logs in with nothing"
    );
    let id = make(&drover.api, "line.example").await?;
    let listed = drover.command(&["registry", "ls"]).await?;
    ensure!(
        listed.contains("line.example") && listed.contains("robot"),
        "it lists {listed}"
    );
    let removed = drover.command(&["registry", "rm", "line.example"]).await?;
    ensure!(removed.contains("removed"), "it says {removed}");
    let path = format!("{PATH}/{id}");
    let state = drover.api.get(&path).await?.expect(200)?["state"].clone();
    ensure!(state == "removed", "it is {state}");
    Ok(())
}
