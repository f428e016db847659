//! Images of a registry that asks who one is. On Docker.

use anyhow::{Context, Result, ensure};
use bollard::query_parameters::RemoveImageOptionsBuilder;
use serde_json::{Value, json};

use super::SOON;
use crate::facts;
use crate::installation::{Drover, id_of};
use crate::registry::Registry;
use crate::until::until;

/// All facts of this theme.
pub async fn hold(drover: &Drover) {
    facts![
        drover;
        a_private_image_is_fetched_by_who_logs_in,
        a_wrong_password_is_told_and_put_right,
        an_image_that_was_fetched_before_needs_no_registry_any_more,
    ]
    .hold()
    .await;
}

/// The password of every registry here. Whoever looks for it in what an installation leaves behind finds
/// none.
pub const PASSWORD: &str = "hunter2-is-nowhere-to-be-found";
const USERNAME: &str = "robot";
const PATH: &str = "/v1/registryCredentials";

/// A container that needs no network.
fn of(image: &str) -> Value {
    json!({ "image": image, "networks": [{ "network": "none" }] })
}

async fn log_in(drover: &Drover, registry: &Registry, password: &str) -> Result<String> {
    let credential = json!({
        "registry": registry.address(),
        "username": USERNAME,
        "password": password,
    });
    let made = drover.api.post(PATH, &credential).await?;
    id_of(&made.expect(201)?)
}

/// Removes a container, the image that it was made of, and the credential.
async fn clear(
    drover: &Drover,
    containers: &[String],
    registry: &Registry,
    credential: &str,
) -> Result<()> {
    for id in containers {
        drover.act_until(id, "remove", "removed", SOON).await?;
    }
    let options = RemoveImageOptionsBuilder::new().force(true).build();
    let docker = &drover.engine()?.client;
    docker
        .remove_image(&registry.image(), Some(options), None)
        .await?;
    let removed = drover.api.delete(&format!("{PATH}/{credential}")).await?;
    ensure!(removed.status == 204, "it is answered {}", removed.status);
    Ok(())
}

/// A container of the image of a private registry runs.
///
/// # Errors
/// When it does not.
pub async fn a_private_image_is_fetched_by_who_logs_in(drover: &Drover) -> Result<()> {
    let registry = Registry::start_private(USERNAME, PASSWORD).await?;
    let image = registry.image();
    let turned_away = drover.create(of(&image)).await?;
    let failed = drover.wait_for_state(&turned_away, "error", SOON).await?;
    ensure!(failed["error"].is_string(), "it is {failed}");
    let credential = log_in(drover, &registry, PASSWORD).await?;
    let id = drover.create(of(&image)).await?;
    drover.wait_for_state(&id, "running", 2 * SOON).await?;
    // What the host has, it does not ask for.
    let asked = registry.asked();
    let second = drover.create(of(&image)).await?;
    drover.wait_for_state(&second, "running", SOON).await?;
    ensure!(registry.asked() == asked, "the registry was asked again");
    clear(drover, &[turned_away, id, second], &registry, &credential).await
}

/// A wrong password is told of by registry and name, and once it is right the same container runs.
///
/// # Errors
/// When that is not so.
pub async fn a_wrong_password_is_told_and_put_right(drover: &Drover) -> Result<()> {
    let registry = Registry::start_private(USERNAME, PASSWORD).await?;
    let wrong = format!("{PASSWORD}, and wrong");
    let credential = log_in(drover, &registry, &wrong).await?;
    let id = drover.create(of(&registry.image())).await?;
    let failed = drover.wait_for_state(&id, "error", SOON).await?;
    let reason = failed["error"].as_str().context("a reason")?;
    for words in [registry.address(), USERNAME] {
        ensure!(reason.contains(words), "`{reason}` does not name {words}");
    }
    ensure!(!reason.contains(PASSWORD), "it tells the password");
    let action = format!("{PATH}/{credential}/setPassword");
    let right = json!({ "password": PASSWORD });
    let set = drover.api.post(&action, &right).await?;
    ensure!(set.status == 204, "it is answered {}", set.status);
    drover.act(&id, "start").await?;
    until("it runs", 2 * SOON, || async {
        let container = drover.container(&id).await?;
        ensure!(container["state"] == "running", "it is {container}");
        Ok(())
    })
    .await?;
    clear(drover, &[id], &registry, &credential).await
}

async fn an_image_that_was_fetched_before_needs_no_registry_any_more(
    drover: &Drover,
) -> Result<()> {
    let registry = Registry::start_private(USERNAME, PASSWORD).await?;
    let credential = log_in(drover, &registry, PASSWORD).await?;
    let wanted = json!({ "image": registry.image() });
    let asked = drover.api.post("/v1/images", &wanted).await?.expect(202)?;
    let path = format!("/v1/images/{}", id_of(&asked)?);
    let image = until("every host has it", 2 * SOON, || async {
        let image = drover.api.get(&path).await?.expect(200)?;
        ensure!(image["state"] == "active", "it is {image}");
        Ok(image)
    })
    .await?;
    let hosts = drover.api.list("/v1/hosts?state=active").await?.len();
    ensure!(image["fetched"] == hosts, "it is {image}");
    let mut never = of(&registry.image());
    never["pullPolicy"] = json!("never");
    let asked = registry.asked();
    let id = drover.run(never, SOON).await?;
    ensure!(registry.asked() == asked, "the registry was asked again");
    drover.api.delete(&path).await?.expect(202)?;
    clear(drover, &[id], &registry, &credential).await
}
