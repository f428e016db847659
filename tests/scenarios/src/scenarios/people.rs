//! Projects, accounts and keys, as an operator makes them.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::installation::{Api, Drover, id_of};

/// Makes a project, and gives its id.
///
/// # Errors
/// When it is not made.
pub async fn project(drover: &Drover, name: &str) -> Result<String> {
    let wanted = json!({ "name": name });
    let made = drover.api.post("/v1/projects", &wanted).await?;
    id_of(&made.expect(201)?)
}

/// Makes an account with these fields, and gives its id.
///
/// # Errors
/// When it is not made.
pub async fn account(drover: &Drover, name: &str, mut fields: Value) -> Result<String> {
    fields["name"] = json!(name);
    let made = drover.api.post("/v1/accounts", &fields).await?;
    id_of(&made.expect(201)?)
}

/// What an account is in one project.
#[must_use]
pub fn membership(project: &str, role: &str) -> Value {
    json!({ "memberships": [{ "projectId": project, "role": role }] })
}

/// Makes a key with these fields, and gives it as it is shown, once.
///
/// # Errors
/// When it is not made.
pub async fn key(api: &Api, fields: &Value) -> Result<Value> {
    api.post("/v1/apiKeys", fields).await?.expect(201)
}

/// A client that shows such a key.
///
/// # Errors
/// When it is not made.
pub async fn client(drover: &Drover, fields: &Value) -> Result<Api> {
    let made = key(&drover.api, fields).await?;
    holder(drover, &made)
}

/// A client that shows a key that was made.
///
/// # Errors
/// When that shows no key.
pub fn holder(drover: &Drover, made: &Value) -> Result<Api> {
    let text = made["key"].as_str().context("the text of the key")?;
    Ok(drover.api.holding(text))
}

/// A project, and a client who is something in it: an account of its own, with a key.
///
/// # Errors
/// When it is not made.
pub async fn somebody(drover: &Drover, name: &str, role: &str) -> Result<(String, Api)> {
    let project = project(drover, name).await?;
    let account = account(drover, name, membership(&project, role)).await?;
    let fields = json!({ "accountId": account, "projectId": project, "role": role });
    Ok((project, client(drover, &fields).await?))
}
