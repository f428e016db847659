//! Images that hosts fetch before a container needs them.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::SOON;
use super::people::somebody;
use crate::facts;
use crate::installation::{Drover, id_of};
use crate::until::until;

/// All facts of this theme. They need simulated containers.
pub async fn hold(drover: &Drover) {
    facts![
        drover;
        every_host_fetches_an_image_and_containers_need_no_registry_then,
        how_far_hosts_are_can_be_seen_and_a_removal_ends_it,
        a_host_that_fails_is_tried_again_and_told_of_in_the_end,
        only_the_hosts_that_are_asked_for_fetch_it,
        what_cannot_be_fetched_is_refused_or_told,
        images_are_led_from_the_command_line,
    ]
    .hold()
    .await;
}

const PATH: &str = "/v1/images";

async fn ask(drover: &Drover, body: Value) -> Result<String> {
    let asked = drover.api.post(PATH, &body).await?.expect(202)?;
    ensure!(asked["state"] == "creating", "it is {asked}");
    id_of(&asked)
}

async fn image(drover: &Drover, id: &str) -> Result<Value> {
    drover.api.get(&format!("{PATH}/{id}")).await?.expect(200)
}

async fn until_it_is(drover: &Drover, id: &str, state: &str) -> Result<Value> {
    until("the image has the state", SOON, || async {
        let image = image(drover, id).await?;
        ensure!(image["state"] == state, "it is {image}");
        Ok(image)
    })
    .await
}

async fn remove(drover: &Drover, id: &str) -> Result<()> {
    let path = format!("{PATH}/{id}");
    drover.api.delete(&path).await?.expect(202)?;
    until_it_is(drover, id, "removed").await?;
    Ok(())
}

async fn hosts(drover: &Drover) -> Result<Vec<Value>> {
    drover.api.list("/v1/hosts?state=active").await
}

async fn every_host_fetches_an_image_and_containers_need_no_registry_then(
    drover: &Drover,
) -> Result<()> {
    let count = hosts(drover).await?.len();
    let fields = |policy: &str| {
        json!({
            "image": "example/everywhere",
            "pullPolicy": policy,
            "labels": { "sim.pull": "100ms" },
            "start": false,
        })
    };
    let missing = drover.create(fields("never")).await?;
    drover.wait_for_state(&missing, "error", SOON).await?;
    let mut wanted = fields("ifNotPresent");
    wanted["name"] = json!("everywhere");
    wanted.as_object_mut().map(|wanted| wanted.remove("start"));
    let id = ask(drover, wanted).await?;
    let fetched = until_it_is(drover, &id, "active").await?;
    ensure!(
        fetched["hosts"] == count && fetched["fetched"] == count && fetched["failed"] == 0,
        "it is {fetched}"
    );
    ensure!(
        fetched["transitioningProgress"].is_null(),
        "it is {fetched}"
    );
    let mut containers = vec![missing];
    for _ in 0..count {
        let container = drover.create(fields("never")).await?;
        drover.wait_for_state(&container, "created", SOON).await?;
        containers.push(container);
    }
    let again = format!("{PATH}/{id}/pull");
    let again = drover.api.post(&again, &json!({})).await?.expect(202)?;
    ensure!(again["state"] == "activating" && again["fetched"] == 0);
    let fetched = until_it_is(drover, &id, "active").await?;
    ensure!(fetched["fetched"] == count, "it is {fetched}");
    for container in containers {
        drover
            .act_until(&container, "remove", "removed", SOON)
            .await?;
    }
    remove(drover, &id).await
}

async fn how_far_hosts_are_can_be_seen_and_a_removal_ends_it(drover: &Drover) -> Result<()> {
    let slow = json!({ "image": "example/slow", "labels": { "sim.pull": "60s" } });
    let id = ask(drover, slow).await?;
    until("how far it is", SOON, || async {
        let image = image(drover, &id).await?;
        let percent = image["transitioningProgress"].as_u64();
        ensure!(percent.is_some_and(|percent| percent < 99), "it is {image}");
        let words = image["transitioningMessage"].as_str().unwrap_or_default();
        ensure!(
            words.contains("MiB") && words.contains("0 of "),
            "it says {words}"
        );
        Ok(())
    })
    .await?;
    remove(drover, &id).await?;
    let processes = drover.processes(&id).await?;
    let phases: Vec<&Value> = processes.iter().map(|process| &process["phase"]).collect();
    ensure!(phases == ["canceled", "done"], "they are {phases:?}");
    Ok(())
}

async fn a_host_that_fails_is_tried_again_and_told_of_in_the_end(drover: &Drover) -> Result<()> {
    let count = hosts(drover).await?.len();
    let twice = json!({ "image": "example/twice", "labels": { "sim.fail": "pull:2" } });
    let (twice, always) = (
        ask(drover, twice).await?,
        ask(
            drover,
            json!({ "image": "example/never", "labels": { "sim.fail": "pull" } }),
        )
        .await?,
    );
    let fetched = until_it_is(drover, &twice, "active").await?;
    ensure!(fetched["fetched"] == count, "it is {fetched}");
    let failed = until("it is given up", 2 * SOON, || async {
        let image = image(drover, &always).await?;
        ensure!(image["state"] == "error", "it is {image}");
        Ok(image)
    })
    .await?;
    let reason = failed["error"].as_str().unwrap_or_default();
    ensure!(
        reason.starts_with(&format!("{count} of {count} hosts: ")) && reason.contains("sim.fail"),
        "the reason is `{reason}`"
    );
    let failures = failed["failures"].as_array().map(Vec::len);
    ensure!(
        failed["failed"] == count && failures == Some(count),
        "it is {failed}"
    );
    remove(drover, &twice).await?;
    remove(drover, &always).await
}

async fn only_the_hosts_that_are_asked_for_fetch_it(drover: &Drover) -> Result<()> {
    let host = hosts(drover).await?.remove(0);
    let label = format!("/v1/hosts/{}", id_of(&host)?);
    let labels = json!({ "labels": { "fetches": "this" } });
    drover.api.patch(&label, &labels).await?.expect(200)?;
    let by_label = json!({ "image": "example/some", "hostLabels": { "fetches": "this" } });
    let by_id = json!({ "image": "example/some", "hostIds": [host["id"], host["id"]] });
    // What is known of hosts is a moment old.
    until("the label is known", SOON, || async {
        let id = ask(drover, by_label.clone()).await?;
        let ended = until("it has ended", SOON, || async {
            let image = image(drover, &id).await?;
            let is_over = image["state"] == "active" || image["state"] == "error";
            ensure!(is_over, "it is {image}");
            Ok(image)
        })
        .await?;
        remove(drover, &id).await?;
        ensure!(
            ended["hosts"] == 1 && ended["fetched"] == 1,
            "it is {ended}"
        );
        Ok(())
    })
    .await?;
    let id = ask(drover, by_id).await?;
    let fetched = until_it_is(drover, &id, "active").await?;
    ensure!(fetched["hosts"] == 1, "it is {fetched}");
    remove(drover, &id).await
}

async fn what_cannot_be_fetched_is_refused_or_told(drover: &Drover) -> Result<()> {
    for (field, body) in [
        ("image", json!({ "image": "two words" })),
        ("image", json!({})),
        ("hostIds[0]", json!({ "image": "x", "hostIds": [uuid()] })),
        ("pullPolicy", json!({ "image": "x", "pullPolicy": "often" })),
    ] {
        let refused = drover
            .api
            .post(PATH, &body)
            .await?
            .problem(422, "invalid")?;
        ensure!(refused["field"] == field, "{field}: {refused}");
    }
    let nowhere = json!({ "image": "x", "hostLabels": { "is": "nowhere" } });
    let id = ask(drover, nowhere).await?;
    let failed = until_it_is(drover, &id, "error").await?;
    let reason = failed["error"].as_str().unwrap_or_default();
    ensure!(reason.contains("no host"), "the reason is `{reason}`");
    remove(drover, &id).await?;
    let (_, viewer) = somebody(drover, "looks-at-images", "viewer").await?;
    let body = json!({ "image": "x" });
    viewer.post(PATH, &body).await?.problem(403, "role")?;
    Ok(())
}

fn uuid() -> &'static str {
    "01890000-0000-7000-8000-000000000000"
}

async fn images_are_led_from_the_command_line(drover: &Drover) -> Result<()> {
    let count = hosts(drover).await?.len();
    let pulled = ["image", "pull", "example/line", "--output", "json"];
    let pulled: Value = serde_json::from_str(&drover.command(&pulled).await?)?;
    ensure!(
        pulled["state"] == "active" && pulled["fetched"] == count,
        "{pulled}"
    );
    let listed = drover.command(&["image", "ls"]).await?;
    let told = format!("{count} of {count}");
    ensure!(
        listed.contains("example/line") && listed.contains(&told),
        "{listed}"
    );
    let removed = drover.command(&["image", "rm", "example/line"]).await?;
    ensure!(removed.contains("removed"), "it says {removed}");
    Ok(())
}
