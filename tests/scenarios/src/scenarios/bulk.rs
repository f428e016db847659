//! Several containers in one request: each has its own answer, in the order in which they were asked for.

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};

use super::SOON;
use crate::facts;
use crate::installation::{Drover, send};

/// All facts of this theme. They need simulated containers.
pub async fn hold(drover: &Drover) {
    facts![
        drover;
        so_many_of_one_kind_are_numbered,
        a_list_has_an_answer_for_each_and_one_that_is_wrong_spoils_none,
        several_can_be_waited_for,
        more_than_a_thousand_or_none_are_refused,
        what_is_wrong_with_all_of_one_kind_is_refused_once,
    ]
    .hold()
    .await;
}

async fn asked(drover: &Drover, body: &Value) -> Result<Vec<Value>> {
    let bulk = drover.api.post("/v1/containers", body).await?.expect(207)?;
    ensure!(bulk["type"] == "bulk", "it is {}", bulk["type"]);
    bulk["data"].as_array().cloned().context("answers")
}

async fn so_many_of_one_kind_are_numbered(drover: &Drover) -> Result<()> {
    let body = drover.hello(json!({ "name": "many", "count": 5, "start": false }));
    let answers = asked(drover, &body).await?;
    ensure!(answers.len() == 5, "{} answers", answers.len());
    for (number, answer) in answers.iter().enumerate() {
        ensure!(answer["status"] == 202, "one is {}", answer["status"]);
        let resource = &answer["resource"];
        let name = format!("many-{}", number + 1);
        ensure!(
            resource["name"] == name,
            "it is called {}",
            resource["name"]
        );
        let location = answer["location"].as_str().context("a location")?;
        let read = drover.api.get(location).await?.expect(200)?;
        ensure!(read["id"] == resource["id"], "{location} is another one");
    }
    let body = drover.hello(json!({ "name": "thousand", "count": 1000, "start": false }));
    let answers = asked(drover, &body).await?;
    ensure!(
        answers.len() == 1_000 && answers.iter().all(|answer| answer["status"] == 202),
        "a thousand are not accepted at once"
    );
    // They are in the way of nobody.
    for answer in answers.chunks(100) {
        let removals = answer.iter().map(|answer| async move {
            let location = answer["location"].as_str().context("a location")?;
            let path = format!("{location}?force=true");
            drover.api.delete(&path).await?.expect(202).map(drop)
        });
        futures::future::try_join_all(removals).await?;
    }
    Ok(())
}

async fn a_list_has_an_answer_for_each_and_one_that_is_wrong_spoils_none(
    drover: &Drover,
) -> Result<()> {
    let good = |name: &str| drover.hello(json!({ "name": name, "start": false }));
    let body = json!([
        good("first"),
        { "name": "without an image" },
        good("third"),
        { "image": "x", "colour": "red" },
        7,
    ]);
    let answers = asked(drover, &body).await?;
    let statuses: Vec<u64> = answers
        .iter()
        .filter_map(|one| one["status"].as_u64())
        .collect();
    ensure!(
        statuses == [202, 422, 202, 422, 400],
        "the statuses are {statuses:?}"
    );
    let fields: Vec<&Value> = answers.iter().map(|one| &one["problem"]["field"]).collect();
    ensure!(
        *fields[1] == "image" && *fields[3] == "colour",
        "the fields are {fields:?}"
    );
    ensure!(answers[1]["problem"]["code"] == "invalid", "{}", answers[1]);
    ensure!(answers[2]["resource"]["name"] == "third", "{}", answers[2]);
    Ok(())
}

async fn several_can_be_waited_for(drover: &Drover) -> Result<()> {
    let body = drover.hello(json!({ "name": "waited", "count": 3 }));
    let request = drover.api.request(Method::POST, "/v1/containers");
    let request = request.header("Prefer", format!("wait={}", SOON.as_secs()));
    let bulk = send(request.json(&body)).await?.expect(207)?;
    let answers = bulk["data"].as_array().context("answers")?;
    for answer in answers {
        ensure!(answer["status"] == 201, "one is {}", answer["status"]);
        ensure!(
            answer["resource"]["state"] == "running",
            "{}",
            answer["resource"]["state"]
        );
    }
    Ok(())
}

async fn more_than_a_thousand_or_none_are_refused(drover: &Drover) -> Result<()> {
    for count in [json!(0), json!(1_001), json!(-1), json!("5"), json!(1.5)] {
        let body = drover.hello(json!({ "count": count }));
        let refused = drover.api.post("/v1/containers", &body).await?;
        let problem = refused.problem(422, "invalid")?;
        ensure!(problem["field"] == "count", "{count}: {problem}");
    }
    drover
        .api
        .post("/v1/containers", &json!([]))
        .await?
        .problem(422, "invalid")?;
    let many = vec![json!({ "image": "x" }); 1_001];
    let refused = drover.api.post("/v1/containers", &json!(many)).await?;
    refused.problem(422, "invalid").map(drop)
}

async fn what_is_wrong_with_all_of_one_kind_is_refused_once(drover: &Drover) -> Result<()> {
    let body = json!({ "count": 3, "name": "x" });
    let refused = drover.api.post("/v1/containers", &body).await?;
    let problem = refused.problem(422, "invalid")?;
    ensure!(problem["field"] == "image", "it names {}", problem["field"]);
    Ok(())
}
