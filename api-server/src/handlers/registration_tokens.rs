//! `/v1/registrationTokens`: what lets agents introduce themselves.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use drover_domain::ResourceType;
use drover_domain::resource::{name_schema, validate_description, validate_name};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Id;
use super::removal::Removal;
use crate::Shared;
use crate::answer::{Made, NoContent, Reply};
use crate::authorization::Caller;
use crate::body::{self, FromObject, JsonBody};
use crate::conditional::Precondition;
use crate::problem::Problem;
use crate::query::{Nothing, Strict};
use crate::recording::Repeatable;
use crate::representation::{self, Kind, RegistrationToken, Shown};
use crate::routes::{Needs, Routes, about};
use crate::tokens::{self, Token};

/// A registration token, as a client asks for it.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "NewRegistrationToken")]
struct Asked {
    /// A name for people; need not be unique.
    #[serde(default)]
    #[schemars(schema_with = "name_schema")]
    name: String,
    /// What it is for.
    #[serde(default)]
    #[schemars(length(max = 4096), regex(pattern = r"^[^\u0000]*$"))]
    description: String,
    /// How many agents may use it; any number if absent.
    #[schemars(range(min = 1))]
    maximum_uses: Option<u32>,
    /// When it ends, in seconds from now; never if absent.
    expires_in_seconds: Option<u32>,
}

impl FromObject for Asked {
    fn from_object(object: Map<String, Value>) -> Result<Self, Problem> {
        body::parse(object)
    }
}

/// A registration token as its maker sees it, once.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "IssuedRegistrationToken")]
struct IssuedToken {
    #[serde(flatten)]
    resource: Shown<RegistrationToken>,
    /// What an agent introduces itself with. It is in this answer and in no other, not even in that to
    /// a repeated request.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("type" = "string"))]
    token: Option<String>,
}

/// The addresses to make and remove tokens at.
pub(crate) fn routes(routes: Routes) -> Routes {
    let needs = Needs::to_change(ResourceType::RegistrationToken);
    let tag = RegistrationToken::NAMES;
    let create = about(
        needs,
        tag,
        "createRegistrationToken",
        "Makes a token, whose text is told once",
    );
    let remove = about(
        needs,
        tag,
        "deleteRegistrationToken",
        "Ends a token at once; agents that used it stay",
    );
    routes
        .post("/registrationTokens", create, self::create)
        .delete("/registrationTokens/{id}", remove, self::remove)
}

async fn create(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Strict(Nothing {}): Strict<Nothing>,
    _: Repeatable,
    JsonBody(asked): JsonBody<Asked>,
) -> Result<Reply<Made, IssuedToken>, Problem> {
    validate_name(&asked.name)?;
    validate_description(&asked.description)?;
    if asked.maximum_uses == Some(0) {
        return Err(Problem::invalid(
            "maximumUses",
            "is 0: the token could never be used",
        ));
    }
    let lifetime = asked
        .expires_in_seconds
        .map(|seconds| Duration::from_secs(seconds.into()));
    let wanted = Token {
        name: asked.name,
        description: asked.description,
        maximum_uses: asked.maximum_uses,
        lifetime,
    };
    let now = shared.clock.now();
    let resource = tokens::resource(wanted, now);
    let location = representation::address(ResourceType::RegistrationToken, resource.id);
    // What is kept for a repetition is all but the text.
    let kept = Shown::<RegistrationToken>::new(resource.clone(), &caller);
    let kept = Reply::<Made, _>::new(kept).at(&location);
    let attached = caller.attached(now, &resource, kept.answered(&caller)?);
    let issued = shared.store.insert_token(&resource, now, attached).await?;
    let issued = issued.ok_or_else(Problem::repeated)?;
    shared.announcer.changed().await;
    let issued = IssuedToken {
        resource: Shown::new(resource, &caller),
        token: Some(issued.into_text()),
    };
    Ok(Reply::new(issued).at(&location))
}

async fn remove(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Id(id): Id,
    Strict(Nothing {}): Strict<Nothing>,
    read: Precondition,
) -> Result<NoContent, Problem> {
    let of = (ResourceType::RegistrationToken, id);
    let removal = Removal::begin((&shared, &caller), of, &read).await?;
    removal
        .by(|target, now, attached| shared.store.remove_token(target, now, attached))
        .await
}
