//! Accounts and projects: what is hidden from whom, and who may change what.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::people::{account, client, holder, key, membership, project, somebody};
use crate::facts;
use crate::installation::{Api, Drover, id_of};

/// All facts of this theme.
pub async fn hold(drover: &Drover) {
    facts![
        drover;
        a_container_of_another_project_does_not_exist,
        a_viewer_reads_and_does_not_change,
        what_is_an_operators_does_not_exist_for_others,
        of_two_accounts_of_one_name_there_is_one,
        an_account_is_changed_by_what_is_said_and_keeps_the_rest,
        a_key_ends_with_the_membership_that_it_came_from,
        a_removed_account_takes_its_keys_along,
        a_project_is_removed_once_it_is_empty,
        the_default_project_stays_as_it_is,
    ]
    .hold()
    .await;
}

async fn a_container_of_another_project_does_not_exist(drover: &Drover) -> Result<()> {
    let (_, one) = somebody(drover, "hidden-one", "member").await?;
    let (foreign, two) = somebody(drover, "hidden-two", "member").await?;
    let made = one.post("/v1/containers", &drover.hello(json!({}))).await?;
    let id = id_of(&made.expect(202)?)?;
    let path = format!("/v1/containers/{id}");
    one.get(&path).await?.expect(200)?;
    drover.api.get(&path).await?.expect(200)?;

    two.get(&path).await?.problem(404, "notFound")?;
    two.delete(&path).await?.problem(404, "notFound")?;
    let stop = two.post(&format!("{path}/stop"), &json!({})).await?;
    stop.problem(404, "notFound")?;
    ensure!(!lists(&two, "/v1/containers", &id).await?, "it is listed");
    ensure!(
        lists(&one, "/v1/containers", &id).await?,
        "it is not listed"
    );
    let named = format!("/v1/processes?resourceId={id}");
    ensure!(
        two.list(&named).await?.is_empty(),
        "its processes are listed"
    );
    let process = one.list(&named).await?.pop().context("a process")?;
    let process = format!("/v1/processes/{}", id_of(&process)?);
    two.get(&process).await?.problem(404, "notFound")?;
    let cancel = two.post(&format!("{process}/cancel"), &json!({})).await?;
    cancel.problem(404, "notFound")?;
    let other = one.get(&format!("/v1/projects/{foreign}")).await?;
    other.problem(404, "notFound")?;
    ensure!(
        one.list("/v1/projects").await?.len() == 1,
        "its own project"
    );
    let into = drover.hello(json!({ "projectId": foreign }));
    let into = one
        .post("/v1/containers", &into)
        .await?
        .problem(422, "invalid")?;
    ensure!(
        into["field"] == "projectId",
        "the field is {}",
        into["field"]
    );
    Ok(())
}

async fn a_viewer_reads_and_does_not_change(drover: &Drover) -> Result<()> {
    let (project, viewer) = somebody(drover, "looked-at", "viewer").await?;
    let id = drover.create(json!({ "projectId": project })).await?;
    let path = format!("/v1/containers/{id}");
    let read = viewer.get(&path).await?.expect(200)?;
    ensure!(
        read["actions"] == json!({}),
        "it offers {}",
        read["actions"]
    );
    let new = drover.hello(json!({}));
    viewer
        .post("/v1/containers", &new)
        .await?
        .problem(403, "role")?;
    viewer.delete(&path).await?.problem(403, "role")?;
    let stop = viewer.post(&format!("{path}/stop"), &json!({})).await?;
    stop.problem(403, "role").map(drop)
}

async fn what_is_an_operators_does_not_exist_for_others(drover: &Drover) -> Result<()> {
    let (project, member) = somebody(drover, "not-an-operator", "member").await?;
    for path in ["/v1/accounts", "/v1/registrationTokens"] {
        member.get(path).await?.problem(404, "notFound")?;
        let made = member.post(path, &json!({ "name": "sneaky" })).await?;
        made.problem(404, "notFound")?;
    }
    let made = member
        .post("/v1/projects", &json!({ "name": "mine" }))
        .await?;
    made.problem(403, "role")?;
    let own = format!("/v1/projects/{project}");
    member.get(&own).await?.expect(200)?;
    member.delete(&own).await?.problem(403, "role").map(drop)
}

async fn of_two_accounts_of_one_name_there_is_one(drover: &Drover) -> Result<()> {
    let first = account(drover, "one-name", json!({})).await?;
    let again = json!({ "name": "one-name" });
    let second = drover.api.post("/v1/accounts", &again).await?;
    second.problem(409, "account.nameTaken")?;
    let path = format!("/v1/accounts/{first}");
    drover.api.delete(&path).await?.expect(204)?;
    let removed = drover.api.get(&path).await?.expect(200)?;
    ensure!(removed["state"] == "removed", "it is {}", removed["state"]);
    drover.api.post("/v1/accounts", &again).await?.expect(201)?;
    let nameless = drover.api.post("/v1/accounts", &json!({})).await?;
    let problem = nameless.problem(422, "invalid")?;
    ensure!(
        problem["field"] == "name",
        "the field is {}",
        problem["field"]
    );
    Ok(())
}

async fn an_account_is_changed_by_what_is_said_and_keeps_the_rest(drover: &Drover) -> Result<()> {
    let project = project(drover, "patched").await?;
    let mut fields = membership(&project, "member");
    fields["labels"] = json!({ "team": "x", "floor": "2" });
    let path = format!("/v1/accounts/{}", account(drover, "patched", fields).await?);
    let patch = json!({ "description": "said", "labels": { "floor": null, "desk": "7" } });
    let changed = drover.api.patch(&path, &patch).await?.expect(200)?;
    ensure!(changed["description"] == "said", "it is {changed}");
    ensure!(
        changed["labels"] == json!({ "team": "x", "desk": "7" }),
        "it is {changed}"
    );
    ensure!(
        changed["memberships"][0]["role"] == "member",
        "it is {changed}"
    );
    ensure!(changed["version"] == 1, "it is {changed}");
    let nowhere = membership("01890000-0000-7000-8000-000000000000", "viewer");
    for (wrong, field) in [
        (json!({ "colour": "red" }), "colour"),
        (json!({ "name": null }), "name"),
        (nowhere, "memberships[0].projectId"),
    ] {
        let refused = drover.api.patch(&path, &wrong).await?;
        let problem = refused.problem(422, "invalid")?;
        ensure!(problem["field"] == field, "{wrong}: {}", problem["field"]);
    }
    let read = drover.api.get(&path).await?.expect(200)?;
    ensure!(
        read["version"] == 1,
        "a refused change changes nothing: {read}"
    );
    Ok(())
}

async fn a_key_ends_with_the_membership_that_it_came_from(drover: &Drover) -> Result<()> {
    let project = project(drover, "left").await?;
    let person = account(drover, "leaver", membership(&project, "member")).await?;
    let mut clients = Vec::new();
    for role in ["viewer", "member"] {
        let fields = json!({ "accountId": person, "projectId": project, "role": role });
        clients.push(client(drover, &fields).await?);
    }
    let path = format!("/v1/accounts/{person}");
    let less = membership(&project, "viewer");
    drover.api.patch(&path, &less).await?.expect(200)?;
    let [viewer, member] = clients.as_slice() else {
        anyhow::bail!("two clients")
    };
    for _ in 0..2 {
        viewer.get("/v1/containers").await?.expect(200)?;
        member
            .get("/v1/containers")
            .await?
            .problem(401, "unauthorized")?;
    }
    let none = json!({ "memberships": [] });
    drover.api.patch(&path, &none).await?.expect(200)?;
    for _ in 0..2 {
        viewer
            .get("/v1/containers")
            .await?
            .problem(401, "unauthorized")?;
    }
    Ok(())
}

async fn a_removed_account_takes_its_keys_along(drover: &Drover) -> Result<()> {
    let person = account(drover, "gone", json!({ "operator": true })).await?;
    let fields = json!({ "accountId": person, "role": "operator" });
    let made = key(&drover.api, &fields).await?;
    let own = holder(drover, &made)?;
    own.get("/v1/accounts").await?.expect(200)?;
    let path = format!("/v1/accounts/{person}");
    drover.api.delete(&path).await?.expect(204)?;
    for _ in 0..2 {
        own.get("/v1/accounts")
            .await?
            .problem(401, "unauthorized")?;
    }
    let key = format!("/v1/apiKeys/{}", id_of(&made)?);
    let key = drover.api.get(&key).await?.expect(200)?;
    ensure!(key["state"] == "removed", "the key is {}", key["state"]);
    drover
        .api
        .delete(&path)
        .await?
        .problem(404, "notFound")
        .map(drop)
}

async fn a_project_is_removed_once_it_is_empty(drover: &Drover) -> Result<()> {
    let (project, member) = somebody(drover, "emptied", "member").await?;
    let id = drover.create(json!({ "projectId": project })).await?;
    let path = format!("/v1/projects/{project}");
    let removed = drover.api.delete(&path).await?;
    removed.problem(409, "project.inUse")?;
    let container = format!("/v1/containers/{id}?force=true");
    drover.api.delete(&container).await?.expect(202)?;
    drover.wait_for_state(&id, "removed", super::SOON).await?;
    drover.api.delete(&path).await?.expect(204)?;
    member
        .get("/v1/containers")
        .await?
        .problem(401, "unauthorized")?;
    let into = drover.hello(json!({ "projectId": project }));
    let late = drover.api.post("/v1/containers", &into).await?;
    late.problem(422, "invalid").map(drop)
}

async fn the_default_project_stays_as_it_is(drover: &Drover) -> Result<()> {
    let projects = drover.api.list("/v1/projects?name=default").await?;
    let path = format!("/v1/projects/{}", id_of(projects.first().context("it")?)?);
    drover
        .api
        .delete(&path)
        .await?
        .problem(409, "project.default")?;
    let renamed = drover.api.patch(&path, &json!({ "name": "other" })).await?;
    renamed.problem(409, "project.default")?;
    let second = json!({ "name": "default" });
    let second = drover.api.post("/v1/projects", &second).await?;
    second.problem(409, "project.default")?;
    let described = json!({ "description": "for whatever comes" });
    drover
        .api
        .patch(&path, &described)
        .await?
        .expect(200)
        .map(drop)
}

async fn lists(api: &Api, path: &str, id: &str) -> Result<bool> {
    let items: Vec<Value> = api.list(&format!("{path}?limit=1000")).await?;
    Ok(items.iter().any(|item| item["id"] == id))
}
