//! API keys: shown once, never more than their maker, and gone at once.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::SOON;
use super::people::{account, client, holder, key, membership, project, somebody};
use crate::facts;
use crate::installation::{Drover, id_of};
use crate::until::until;

/// All facts of this theme.
pub async fn hold(drover: &Drover) {
    facts![
        drover;
        the_text_of_a_key_is_shown_once,
        a_revoked_key_is_refused_at_once_by_every_server,
        a_key_that_has_expired_is_refused,
        a_key_is_never_more_than_its_maker,
        everybody_sees_and_revokes_their_own_keys_only,
        the_last_use_of_a_key_is_told,
        the_first_key_acts_for_an_account,
    ]
    .hold()
    .await;
}

async fn the_text_of_a_key_is_shown_once(drover: &Drover) -> Result<()> {
    let person = account(drover, "shown-once", json!({ "operator": true })).await?;
    let fields = json!({ "name": "shown-once", "accountId": person, "role": "viewer" });
    let made = key(&drover.api, &fields).await?;
    let text = made["key"].as_str().context("the text of the key")?;
    ensure!(text.starts_with("drv_"), "no key");
    let secret = text.splitn(3, '_').nth(2).context("a secret")?;
    let own = format!("/v1/apiKeys/{}", id_of(&made)?);
    for path in [own.as_str(), "/v1/apiKeys?limit=1000"] {
        let read = drover.api.get(path).await?.expect(200)?.to_string();
        ensure!(read.contains("shown-once"), "{path} does not have it");
        ensure!(!read.contains(secret), "{path} shows the secret");
    }
    Ok(())
}

async fn a_revoked_key_is_refused_at_once_by_every_server(drover: &Drover) -> Result<()> {
    let person = account(drover, "revoked", json!({ "operator": true })).await?;
    for _ in 0..5 {
        let fields = json!({ "accountId": person, "role": "operator" });
        let made = key(&drover.api, &fields).await?;
        let own = holder(drover, &made)?;
        // Each server has seen it.
        for _ in 0..2 {
            own.get("/v1/hosts").await?.expect(200)?;
        }
        let path = format!("/v1/apiKeys/{}", id_of(&made)?);
        drover.api.delete(&path).await?.expect(204)?;
        for _ in 0..2 {
            own.get("/v1/hosts").await?.problem(401, "unauthorized")?;
        }
        drover.api.delete(&path).await?.problem(404, "notFound")?;
    }
    Ok(())
}

async fn a_key_that_has_expired_is_refused(drover: &Drover) -> Result<()> {
    let person = account(drover, "short", json!({ "operator": true })).await?;
    let fields = json!({ "accountId": person, "role": "operator", "expiresInSeconds": 5 });
    let short = client(drover, &fields).await?;
    let fields = json!({ "role": "viewer", "expiresInSeconds": 3_600 });
    let made = key(&short, &fields).await?;
    let inherited = holder(drover, &made)?;
    ensure!(made["expires"].is_string(), "it outlives its maker: {made}");
    for client in [&short, &inherited] {
        until("it has expired", Duration::from_secs(20), || async {
            let refused = client.get("/v1/hosts").await?;
            refused.problem(401, "unauthorized").map(drop)
        })
        .await?;
        client
            .get("/v1/hosts")
            .await?
            .problem(401, "unauthorized")?;
    }
    let never = json!({ "accountId": person, "role": "viewer", "expiresInSeconds": 0 });
    let never = drover.api.post("/v1/apiKeys", &never).await?;
    never.problem(422, "invalid").map(drop)
}

async fn a_key_is_never_more_than_its_maker(drover: &Drover) -> Result<()> {
    let own = project(drover, "keys-own").await?;
    let foreign = project(drover, "keys-foreign").await?;
    let person = account(drover, "keys-member", membership(&own, "member")).await?;
    let other = account(drover, "keys-other", membership(&own, "member")).await?;
    let fields = json!({ "accountId": person, "projectId": own, "role": "viewer" });
    let viewer = client(drover, &fields).await?;
    let made = key(&viewer, &json!({ "role": "viewer" })).await?;
    ensure!(
        made["projectId"] == own,
        "its project is {}",
        made["projectId"]
    );
    ensure!(
        made["accountId"] == person,
        "its account is {}",
        made["accountId"]
    );
    for (asked, status, code) in [
        (json!({ "role": "member" }), 403, "role"),
        (json!({ "role": "operator" }), 403, "role"),
        (json!({ "role": "agent" }), 422, "invalid"),
        (
            json!({ "role": "viewer", "projectId": foreign }),
            422,
            "invalid",
        ),
        (
            json!({ "role": "viewer", "accountId": other }),
            422,
            "invalid",
        ),
    ] {
        let refused = viewer.post("/v1/apiKeys", &asked).await?;
        refused
            .problem(status, code)
            .with_context(|| asked.to_string())?;
    }
    // Nor does an operator give an account more than it has.
    let more = json!({ "accountId": person, "projectId": foreign, "role": "viewer" });
    let more = drover.api.post("/v1/apiKeys", &more).await?;
    more.problem(409, "account.role").map(drop)
}

async fn everybody_sees_and_revokes_their_own_keys_only(drover: &Drover) -> Result<()> {
    let (project, one) = somebody(drover, "own-keys", "viewer").await?;
    let other = account(drover, "own-keys-other", membership(&project, "viewer")).await?;
    let fields = json!({ "accountId": other, "projectId": project, "role": "viewer" });
    let others = key(&drover.api, &fields).await?;
    let path = format!("/v1/apiKeys/{}", id_of(&others)?);
    one.get(&path).await?.problem(404, "notFound")?;
    one.delete(&path).await?.problem(404, "notFound")?;
    let own = key(&one, &json!({ "name": "second", "role": "viewer" })).await?;
    let listed = one.list("/v1/apiKeys").await?;
    ensure!(listed.len() == 2, "it sees {} keys", listed.len());
    ensure!(
        listed
            .iter()
            .all(|key| key["accountId"] == own["accountId"]),
        "it sees keys of others"
    );
    let path = format!("/v1/apiKeys/{}", id_of(&own)?);
    one.delete(&path).await?.expect(204)?;
    let second = holder(drover, &own)?;
    second
        .get("/v1/hosts")
        .await?
        .problem(401, "unauthorized")
        .map(drop)
}

async fn the_last_use_of_a_key_is_told(drover: &Drover) -> Result<()> {
    let person = account(drover, "used", json!({ "operator": true })).await?;
    let fields = json!({ "accountId": person, "role": "viewer" });
    let made = key(&drover.api, &fields).await?;
    ensure!(made["lastUsed"].is_null(), "it was not used: {made}");
    holder(drover, &made)?.get("/v1/hosts").await?.expect(200)?;
    let path = format!("/v1/apiKeys/{}", id_of(&made)?);
    let used = until("its use is told", SOON, || async {
        let read = drover.api.get(&path).await?.expect(200)?;
        ensure!(read["lastUsed"].is_string(), "it is {read}");
        Ok(read)
    });
    let used = used.await?;
    ensure!(used["version"] == made["version"], "a use is no change");
    Ok(())
}

async fn the_first_key_acts_for_an_account(drover: &Drover) -> Result<()> {
    let accounts = drover.api.list("/v1/accounts?name=operator").await?;
    let operator = accounts.first().context("an account `operator`")?;
    ensure!(operator["operator"] == true, "it is {operator}");
    let keys = drover.api.list("/v1/apiKeys?name=operator").await?;
    let key = keys.first().context("its key")?;
    ensure!(key["accountId"] == operator["id"], "it is {key}");
    Ok(())
}
