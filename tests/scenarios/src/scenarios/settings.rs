//! Settings that are changed while servers run. In a cluster each request goes to another server than
//! the one before it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};

use crate::facts;
use crate::installation::{Drover, Reply, send};

/// All facts of this theme. They need simulated containers.
pub async fn hold(drover: &Drover) {
    facts![
        drover;
        every_setting_says_what_it_may_be,
        a_setting_that_was_changed_meanwhile_is_left_alone,
        what_a_setting_cannot_be_is_refused,
        a_setting_that_is_put_back_has_its_default,
        a_setting_changed_at_one_server_holds_at_the_other_within_a_second,
    ]
    .hold()
    .await;
}

pub(super) async fn put(drover: &Drover, name: &str, value: Value) -> Result<Reply> {
    let request = drover
        .api
        .request(Method::PUT, &format!("/v1/settings/{name}"));
    send(request.json(&json!({ "value": value }))).await
}

async fn every_setting_says_what_it_may_be(drover: &Drover) -> Result<()> {
    let settings = drover.api.list("/v1/settings").await?;
    ensure!(settings.len() == 10, "there are {}", settings.len());
    for setting in settings {
        for field in ["name", "unit", "description"] {
            let text = setting[field].as_str().unwrap_or_default();
            ensure!(!text.is_empty(), "no `{field}`: {setting}");
        }
        for field in ["minimum", "maximum"] {
            ensure!(setting[field].is_i64(), "no `{field}`: {setting}");
        }
        let own = setting["links"]["self"].as_str().context("links.self")?;
        let read = drover.api.get(own).await?.expect(200)?;
        ensure!(read["name"] == setting["name"], "{own} is {read}");
    }
    let none = drover.api.get("/v1/settings/none").await?;
    none.problem(404, "notFound").map(drop)
}

async fn a_setting_that_was_changed_meanwhile_is_left_alone(drover: &Drover) -> Result<()> {
    let path = "/v1/settings/auditRetentionDays";
    let before = drover.api.get(path).await?;
    let tag = before.header("etag").to_owned();
    put(drover, "auditRetentionDays", json!(30))
        .await?
        .expect(200)?;
    let stale = drover.api.request(Method::PUT, path);
    let stale = stale.header("If-Match", &tag).json(&json!({ "value": 31 }));
    let refused = send(stale).await?;
    ensure!(refused.status == 412, "it is {}", refused.status);
    let now = drover.api.get(path).await?;
    let tag = now.header("etag").to_owned();
    ensure!(now.body["value"] == 30, "it is {}", now.body);
    let fresh = drover.api.request(Method::PUT, path);
    let fresh = fresh.header("If-Match", &tag).json(&json!({ "value": 32 }));
    let set = send(fresh).await?.expect(200)?;
    ensure!(set["value"] == 32, "it is {set}");
    Ok(())
}

async fn what_a_setting_cannot_be_is_refused(drover: &Drover) -> Result<()> {
    for value in [
        json!(0),
        json!(100_000),
        json!("7"),
        json!(1.5),
        Value::Null,
    ] {
        let refused = put(drover, "sessionHours", value).await?;
        let problem = refused.problem(422, "invalid")?;
        ensure!(problem["field"] == "value", "{problem}");
    }
    put(drover, "none", json!(1))
        .await?
        .problem(404, "notFound")
        .map(drop)
}

async fn a_setting_that_is_put_back_has_its_default(drover: &Drover) -> Result<()> {
    let set = put(drover, "sessionHours", json!(7)).await?.expect(200)?;
    ensure!(set["value"] == 7 && set["isSet"] == true, "it is {set}");
    let path = "/v1/settings/sessionHours";
    drover.api.delete(path).await?.expect(204)?;
    let read = drover.api.get(path).await?.expect(200)?;
    ensure!(read["value"] == read["default"], "it is {read}");
    ensure!(read["isSet"] == false, "it is {read}");
    Ok(())
}

/// The longest wait is one second then, whoever is asked.
async fn a_setting_changed_at_one_server_holds_at_the_other_within_a_second(
    drover: &Drover,
) -> Result<()> {
    // Nothing runs for so long by itself.
    let slow = json!({ "labels": { "sim.delay": "8s" } });
    let id = drover.create(slow).await?;
    let process = drover.container(&id).await?["links"]["process"].clone();
    let process = process.as_str().context("links.process")?;
    put(drover, "longestWaitSeconds", json!(1))
        .await?
        .expect(200)?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    for _ in 0..2 {
        let began = Instant::now();
        let address = format!("{process}?wait=30");
        drover.api.get(&address).await?.expect(200)?;
        let took = began.elapsed();
        ensure!(took < Duration::from_secs(4), "it took {took:?}");
    }
    let path = "/v1/settings/longestWaitSeconds";
    drover.api.delete(path).await?.expect(204).map(drop)
}
