//! `/v1/registryCredentials`: as whom a project fetches its images.
//!
//! The password is taken in, sealed and never shown: neither here nor in a kept answer nor in the audit log.
//! It is changed by an action of its own, which can change the name to log in with along with it.

use std::borrow::Cow;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use drover_domain::resource::{Details, check_username, username_schema};
use drover_domain::{ResourceType, State as ResourceState};
use drover_store::{Mutated, RegistryCredentialError, SealError};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::containers::project;
use super::removal::Removal;
use super::{Id, made, removable};
use crate::Shared;
use crate::answer::{Made, NoContent, Reply};
use crate::authorization::Caller;
use crate::body::{self, FromObject, JsonBody};
use crate::conditional::Precondition;
use crate::new::New;
use crate::problem::Problem;
use crate::problem::catalogue::{CONFLICT, NO_SECRETS_KEY, REGISTRY_TAKEN};
use crate::query::{Nothing, Strict};
use crate::recording::{Answered, Repeatable};
use crate::representation::{Kind, RegistryCredential, Shown, add_fields};
use crate::routes::{Needs, Routes, about};

/// The most characters of a password: tokens of some registries are long.
const LONGEST_PASSWORD: usize = 8_192;

/// A credential, as a client asks for it.
struct Asked {
    new: New<RegistryCredential>,
    password: String,
}

/// What a client gives and is never shown.
#[derive(JsonSchema)]
struct Secret {
    /// What to log in with at the registry. It is never shown.
    #[schemars(schema_with = "password_schema")]
    password: String,
}

impl Secret {
    /// Takes the password out of a body. What is wrong with it is said without a word of it.
    fn take(object: &mut Map<String, Value>) -> Result<Self, Problem> {
        let password = match object.remove("password") {
            Some(Value::String(password)) => password,
            Some(_) => return Err(Problem::invalid("password", "is no text")),
            None => return Err(Problem::invalid("password", "is missing")),
        };
        if password.is_empty() {
            return Err(Problem::invalid("password", "is empty"));
        }
        if password.contains('\0') {
            return Err(Problem::invalid("password", "has a NUL character"));
        }
        if password.chars().count() > LONGEST_PASSWORD {
            let reason = format!("has more than {LONGEST_PASSWORD} characters");
            return Err(Problem::invalid("password", reason));
        }
        Ok(Self { password })
    }
}

impl FromObject for Asked {
    fn from_object(mut object: Map<String, Value>) -> Result<Self, Problem> {
        let Secret { password } = Secret::take(&mut object)?;
        let new = New::from_object(object)?;
        Ok(Self { new, password })
    }
}

impl JsonSchema for Asked {
    fn schema_name() -> Cow<'static, str> {
        "NewRegistryCredential".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = New::<RegistryCredential>::json_schema(generator);
        add_fields(&mut schema, Secret::json_schema(generator));
        schema
    }
}

/// What to log in with from now on.
struct AskedPassword {
    password: String,
    who: WhoLogsIn,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewRegistryPassword")]
struct WhoLogsIn {
    /// Who logs in from now on; who did before if absent.
    #[serde(default)]
    #[schemars(schema_with = "username_or_null_schema")]
    username: Option<String>,
}

impl FromObject for AskedPassword {
    fn from_object(mut object: Map<String, Value>) -> Result<Self, Problem> {
        let Secret { password } = Secret::take(&mut object)?;
        let who = body::parse(object)?;
        Ok(Self { password, who })
    }
}

impl JsonSchema for AskedPassword {
    fn schema_name() -> Cow<'static, str> {
        WhoLogsIn::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = WhoLogsIn::json_schema(generator);
        add_fields(&mut schema, Secret::json_schema(generator));
        schema.insert(
            "description".to_owned(),
            Value::from("What to log in with from now on."),
        );
        schema
    }
}

fn password_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "minLength": 1,
        "maxLength": LONGEST_PASSWORD,
        "pattern": r"^[^\u0000]+$",
        "writeOnly": true,
    })
}

fn username_or_null_schema(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = username_schema(generator);
    schema.insert("type".to_owned(), serde_json::json!(["string", "null"]));
    schema
}

/// The addresses to make, change and remove credentials at.
pub(crate) fn routes(routes: Routes) -> Routes {
    let needs = Needs::to_change(ResourceType::RegistryCredential);
    let tag = RegistryCredential::NAMES;
    let create = about(
        needs,
        tag,
        "createRegistryCredential",
        "Makes a credential for a registry; its password is never shown",
    );
    let set_password = about(
        needs,
        tag,
        "setRegistryPassword",
        "Sets the password of a credential for a registry, and who logs in with it",
    );
    let remove = about(
        needs,
        tag,
        "deleteRegistryCredential",
        "Removes a credential for a registry, with its password",
    );
    routes
        .post(
            "/registryCredentials",
            create.fails(&[&REGISTRY_TAKEN, &NO_SECRETS_KEY]),
            self::create,
        )
        .post(
            "/registryCredentials/{id}/setPassword",
            set_password.fails(&[&CONFLICT, &NO_SECRETS_KEY]),
            self::set_password,
        )
        .delete("/registryCredentials/{id}", remove, self::remove)
}

async fn create(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Strict(Nothing {}): Strict<Nothing>,
    _: Repeatable,
    JsonBody(asked): JsonBody<Asked>,
) -> Result<Reply<Made, Shown<RegistryCredential>>, Problem> {
    let Asked { new, password } = asked;
    let New { given, spec } = new;
    given.validate()?;
    spec.validate()?;
    let project = project(&shared, &caller, given.project_id).await?;
    let now = shared.clock.now();
    let details = Details::RegistryCredential { spec };
    let credential = given.resource(Some(project), (ResourceState::Active, details), now);
    let (reply, attached) = made(&caller, &credential)?;
    let store = &shared.store;
    let made = store.make_registry_credential(&credential, &password, attached);
    match made.await? {
        Mutated::Repeated => Err(Problem::repeated()),
        Mutated::Done | Mutated::Moved => {
            shared.announcer.changed().await;
            Ok(reply)
        }
    }
}

async fn set_password(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Id(id): Id,
    Strict(Nothing {}): Strict<Nothing>,
    _: Repeatable,
    read: Precondition,
    JsonBody(asked): JsonBody<AskedPassword>,
) -> Result<NoContent, Problem> {
    let AskedPassword {
        password,
        who: WhoLogsIn { username },
    } = asked;
    if let Some(username) = &username {
        check_username(username)?;
    }
    let kind = ResourceType::RegistryCredential;
    let credential = removable(&shared, &caller, kind, id).await?;
    read.check(credential.version)?;
    let expected = credential.version;
    let mut changed = credential;
    if let (Details::RegistryCredential { spec }, Some(username)) = (&mut changed.details, username)
    {
        spec.username = username;
    }
    changed.version += 1;
    changed.updated = shared.clock.now();
    let answered = Answered::without_body(StatusCode::NO_CONTENT);
    let attached = caller.attached(changed.updated, &changed, answered);
    let set = shared
        .store
        .set_registry_login(&changed, expected, &password, attached);
    match set.await? {
        Mutated::Repeated => Err(Problem::repeated()),
        Mutated::Moved => Err(Problem::conflict("the credential has changed meanwhile")),
        Mutated::Done => {
            shared.announcer.changed().await;
            Ok(NoContent)
        }
    }
}

async fn remove(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Id(id): Id,
    Strict(Nothing {}): Strict<Nothing>,
    read: Precondition,
) -> Result<NoContent, Problem> {
    let of = (ResourceType::RegistryCredential, id);
    let removal = Removal::begin((&shared, &caller), of, &read).await?;
    let store = &shared.store;
    removal
        .by(|target, now, attached| store.remove_registry_credential(target, now, attached))
        .await
}

impl From<RegistryCredentialError> for Problem {
    fn from(error: RegistryCredentialError) -> Self {
        match error {
            RegistryCredentialError::RegistryTaken => Self::new(&REGISTRY_TAKEN, error.to_string())
                .with_field("registry")
                .with_hint("set its password, or remove it first"),
            RegistryCredentialError::Seal(SealError::NoKey) => Self::new(
                &NO_SECRETS_KEY,
                "this server has no key to seal passwords with",
            )
            .with_hint("set `secrets_key_file` on API servers and process servers"),
            RegistryCredentialError::Seal(error) => {
                tracing::error!(%error, "a password could not be sealed");
                Self::internal()
            }
            RegistryCredentialError::Store(error) => error.into(),
        }
    }
}
