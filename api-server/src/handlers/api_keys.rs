//! `/v1/apiKeys`: what programs show. Everybody makes and revokes their own, operators all.
//!
//! A key is never more than whoever makes it: not of another account, unless an operator makes it, not
//! in another project, not of a higher role, and not for longer than the key that it was made with.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use drover_domain::resource::{
    ApiKeySpec, ApiKeyStatus, Details, labels_schema, metadata_schema, name_schema,
};
use drover_domain::{ResourceId, ResourceType, Role, State as ResourceState, Timestamp};
use drover_store::{KeyError, NewKey};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Id;
use super::removal::Removal;
use super::updates::Changeable;
use crate::Shared;
use crate::answer::{Made, NoContent, Reply};
use crate::authorization::{Caller, Scope};
use crate::body::{self, FromObject, JsonBody};
use crate::conditional::Precondition;
use crate::new::Given;
use crate::problem::Problem;
use crate::problem::catalogue::{ACCOUNT_ROLE, ROLE};
use crate::query::{Nothing, Strict};
use crate::recording::Repeatable;
use crate::representation::{self, ApiKey, Kind, Shown};
use crate::routes::{Needs, Routes, about};

/// A key, as a client asks for it.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "NewApiKey")]
struct Asked {
    /// A name for people; need not be unique.
    #[serde(default)]
    #[schemars(schema_with = "name_schema")]
    name: String,
    /// What it is for.
    #[serde(default)]
    #[schemars(length(max = 4096), regex(pattern = r"^[^\u0000]*$"))]
    description: String,
    /// Labels to select it by.
    #[serde(default)]
    #[schemars(schema_with = "labels_schema")]
    labels: BTreeMap<String, String>,
    /// Whatever a client wants to keep beside it, at most 64 KiB.
    #[serde(default)]
    #[schemars(schema_with = "metadata_schema")]
    metadata: Map<String, Value>,
    /// The project that it is good for; the only one of whoever asks, or all of them for an
    /// operator, if it is absent.
    project_id: Option<ResourceId>,
    /// The account that it acts for; that of whoever asks, if it is absent.
    account_id: Option<ResourceId>,
    /// What its holder may see and do.
    role: KeyRole,
    /// When it ends, in seconds from now; never if absent.
    #[schemars(range(min = 1))]
    expires_in_seconds: Option<u32>,
}

/// What the holder of a key may be.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
enum KeyRole {
    /// Reads what a project has.
    Viewer,
    /// Reads and changes what a project has.
    Member,
    /// Everything, in every project.
    Operator,
}

impl From<KeyRole> for Role {
    fn from(role: KeyRole) -> Self {
        match role {
            KeyRole::Viewer => Self::Viewer,
            KeyRole::Member => Self::Member,
            KeyRole::Operator => Self::Operator,
        }
    }
}

impl FromObject for Asked {
    fn from_object(object: Map<String, Value>) -> Result<Self, Problem> {
        body::parse(object)
    }
}

/// A key as its maker sees it, once.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "IssuedApiKey")]
struct IssuedKey {
    #[serde(flatten)]
    resource: Shown<ApiKey>,
    /// What a program shows as `Authorization: Bearer`. It is in this answer and in no other, not even
    /// in that to a repeated request.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("type" = "string"))]
    key: Option<String>,
}

/// The addresses to make and revoke keys at.
pub(crate) fn routes(routes: Routes) -> Routes {
    let needs = Needs::to_change(ResourceType::ApiKey);
    let tag = ApiKey::NAMES;
    let create = about(
        needs,
        tag,
        "createApiKey",
        "Makes a key, whose text is told once",
    );
    let remove = about(needs, tag, "deleteApiKey", "Revokes a key, at once");
    routes
        .post(
            "/apiKeys",
            create.fails(&[&ROLE, &ACCOUNT_ROLE]),
            self::create,
        )
        .delete("/apiKeys/{id}", remove, self::remove)
}

async fn create(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Strict(Nothing {}): Strict<Nothing>,
    _: Repeatable,
    JsonBody(asked): JsonBody<Asked>,
) -> Result<Reply<Made, IssuedKey>, Problem> {
    let now = shared.clock.now();
    let role = Role::from(asked.role);
    let account = account(&caller, asked.account_id)?;
    let project = project(&caller, role, asked.project_id)?;
    let expires = expires(&caller, asked.expires_in_seconds, now)?;
    let given = Given {
        name: asked.name,
        description: asked.description,
        labels: asked.labels,
        metadata: asked.metadata,
        project_id: project,
    };
    given.validate()?;
    let spec = ApiKeySpec {
        account_id: account,
        role,
        expires,
    };
    let status = ApiKeyStatus::default();
    let details = Details::ApiKey { spec, status };
    let resource = given.resource(project, (ResourceState::Active, details), now);
    let location = representation::address(ResourceType::ApiKey, resource.id);
    let version = resource.version;
    // What is kept for a repetition is all but the text.
    let kept = IssuedKey {
        resource: Shown::new(resource.clone(), &caller),
        key: None,
    };
    let kept = Reply::<Made, _>::new(kept).at(&location).tagged(version);
    let attached = caller.attached(now, &resource, kept.answered(&caller)?);
    let (issued, key) = NewKey::draft(resource).ok_or_else(Problem::internal)?;
    let resource = shared.store.make_key(key, attached).await?;
    shared.announcer.changed().await;
    let shown = IssuedKey {
        resource: Shown::new(resource, &caller),
        key: Some(issued.into_text()),
    };
    Ok(Reply::new(shown).at(&location).tagged(version))
}

async fn remove(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Id(id): Id,
    Strict(Nothing {}): Strict<Nothing>,
    read: Precondition,
) -> Result<NoContent, Problem> {
    let of = (ResourceType::ApiKey, id);
    let removal = Removal::begin((&shared, &caller), of, &read).await?;
    removal
        .by(|target, now, attached| shared.store.remove_key(target, now, attached))
        .await
}

impl Changeable for ApiKey {}

/// Whose key it will be.
fn account(caller: &Caller, named: Option<ResourceId>) -> Result<ResourceId, Problem> {
    let account = named.or(caller.account).ok_or_else(|| {
        Problem::invalid(
            "accountId",
            "is missing: your own key belongs to no account",
        )
    })?;
    match caller.account == Some(account) || caller.role == Role::Operator {
        true => Ok(account),
        false => Err(Problem::invalid("accountId", "there is no such account")),
    }
}

/// Where it will be good, if whoever asks is as much there.
fn project(
    caller: &Caller,
    role: Role,
    named: Option<ResourceId>,
) -> Result<Option<ResourceId>, Problem> {
    if caller.role < role {
        return Err(Problem::role(role));
    }
    let project = match (&caller.scope, named) {
        // Whoever has one project means that one.
        (Scope::Projects(projects), None) if projects.len() == 1 => {
            projects.first().map(|(id, _)| *id)
        }
        (Scope::Projects(_), None) => {
            let reason = "is missing: you have more than one project";
            return Err(Problem::invalid("projectId", reason));
        }
        (_, named) => named,
    };
    let own = match project {
        Some(_) if role == Role::Operator => {
            let reason = "an operator is not one of a project";
            return Err(Problem::invalid("projectId", reason));
        }
        Some(id) => caller.role_in(id).ok_or_else(Problem::no_project)?,
        None => caller.role,
    };
    match own >= role {
        true => Ok(project),
        false => Err(Problem::role(role)),
    }
}

/// When it will end: not later than what it is made with, so that a key for an hour is no key for ever.
fn expires(
    caller: &Caller,
    seconds: Option<u32>,
    now: Timestamp,
) -> Result<Option<Timestamp>, Problem> {
    if seconds == Some(0) {
        let reason = "is 0: the key could never be used";
        return Err(Problem::invalid("expiresInSeconds", reason));
    }
    let asked = seconds.map(|seconds| now.after(Duration::from_secs(seconds.into())));
    match (asked, caller.expires) {
        (Some(asked), Some(own)) => Ok(Some(asked.min(own))),
        (asked, own) => Ok(asked.or(own)),
    }
}

impl From<KeyError> for Problem {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Missing(ResourceType::Project) => Problem::no_project(),
            KeyError::Missing(_) => Self::invalid("accountId", "there is no such account"),
            KeyError::NotCovered => Self::new(
                &ACCOUNT_ROLE,
                "the account that the key would act for may less than that there",
            )
            .with_field("role")
            .with_hint("ask for a lower role, or make the account a member of the project first"),
            KeyError::Repeated => Self::repeated(),
            KeyError::Store(error) => error.into(),
        }
    }
}
