//! How images come to hosts, from a registry on this machine. On Docker.

use anyhow::{Context, Result, ensure};
use bollard::query_parameters::RemoveImageOptionsBuilder;
use serde_json::{Value, json};

use super::SOON;
use crate::facts;
use crate::installation::Drover;
use crate::registry::Registry;
use crate::until::until;

/// All facts of this theme.
pub async fn hold(drover: &Drover) {
    facts![
        drover;
        an_image_is_fetched_when_it_is_not_there_and_how_far_it_is_can_be_seen,
        an_image_is_fetched_anew_or_never_as_the_policy_says,
        an_image_that_the_registry_does_not_have_is_told_in_its_words,
    ]
    .hold()
    .await;
}

/// A container that needs no network.
fn alone(mut fields: Value) -> Value {
    fields["networks"] = json!([{ "network": "none" }]);
    fields
}

async fn forget(drover: &Drover, image: &str) -> Result<()> {
    let options = RemoveImageOptionsBuilder::new().force(true).build();
    let docker = &drover.engine()?.client;
    docker.remove_image(image, Some(options), None).await?;
    Ok(())
}

async fn remove(drover: &Drover, id: &str) -> Result<()> {
    drover.act_until(id, "remove", "removed", SOON).await?;
    Ok(())
}

async fn an_image_is_fetched_when_it_is_not_there_and_how_far_it_is_can_be_seen(
    drover: &Drover,
) -> Result<()> {
    let registry = Registry::start().await?;
    let image = registry.image();
    let id = drover.create(alone(json!({ "image": image }))).await?;
    let seen = until("how far it is", SOON, || async {
        let container = drover.container(&id).await?;
        let percent = container["transitioningProgress"].as_u64();
        let percent = percent.with_context(|| format!("nothing is told: {container}"))?;
        ensure!((1..100).contains(&percent), "it says {percent}");
        Ok(container)
    })
    .await?;
    let words = seen["transitioningMessage"].as_str().unwrap_or_default();
    ensure!(
        words.contains("pulling") && words.contains("MiB"),
        "it says {words}"
    );
    let running = drover.wait_for_state(&id, "running", 2 * SOON).await?;
    ensure!(
        running["transitioningProgress"].is_null(),
        "it is still told: {running}"
    );
    remove(drover, &id).await?;
    forget(drover, &image).await
}

async fn an_image_is_fetched_anew_or_never_as_the_policy_says(drover: &Drover) -> Result<()> {
    let registry = Registry::start().await?;
    let image = registry.image();
    let with =
        |policy: &str| alone(json!({ "image": image, "pullPolicy": policy, "start": false }));
    let never = drover.create(with("never")).await?;
    let failed = drover.wait_for_state(&never, "error", SOON).await?;
    says(&failed, "No such image")?;
    ensure!(registry.asked() == 0, "the registry was asked");
    let first = drover.create(with("ifNotPresent")).await?;
    drover.wait_for_state(&first, "created", 2 * SOON).await?;
    let asked = registry.asked();
    ensure!(asked > 0, "the registry was not asked");
    let second = drover.create(with("ifNotPresent")).await?;
    drover.wait_for_state(&second, "created", SOON).await?;
    ensure!(registry.asked() == asked, "it was fetched twice");
    let third = drover.create(with("always")).await?;
    drover.wait_for_state(&third, "created", SOON).await?;
    ensure!(registry.asked() > asked, "it was not fetched anew");
    for id in [&never, &first, &second, &third] {
        remove(drover, id).await?;
    }
    forget(drover, &image).await
}

async fn an_image_that_the_registry_does_not_have_is_told_in_its_words(
    drover: &Drover,
) -> Result<()> {
    let registry = Registry::start().await?;
    let absent = alone(json!({ "image": registry.absent() }));
    let id = drover.create(absent).await?;
    let failed = drover.wait_for_state(&id, "error", SOON).await?;
    says(&failed, "manifest unknown")?;
    remove(drover, &id).await
}

fn says(failed: &Value, words: &str) -> Result<()> {
    let reason = failed["error"].as_str().unwrap_or_default();
    ensure!(reason.contains(words), "the reason is `{reason}`");
    Ok(())
}
