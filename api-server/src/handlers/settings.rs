//! `/v1/settings`: what operators change while servers run.

use std::collections::HashMap;
use std::sync::Arc;

use aide::generate::GenContext;
use aide::openapi::Operation;
use aide::operation::{OperationInput, ParamLocation, add_parameters, parameters_from_schema};
use axum::extract::{FromRequestParts, Path, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, Uri};
use drover_domain::Timestamp;
use drover_domain::settings::{SETTINGS, Setting};
use drover_store::StoredSetting;
use schemars::{JsonSchema, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::reading::full;
use crate::Shared;
use crate::answer::{Changed, NoContent, Read, Reply, Told};
use crate::authorization::Caller;
use crate::body::{self, FromObject, JsonBody};
use crate::conditional::{Known, Precondition};
use crate::problem::Problem;
use crate::problem::catalogue::CONFLICT;
use crate::query::{Nothing, Strict};
use crate::recording::Subject;
use crate::representation::Collection;
use crate::routes::{Needs, Routes, about};

const TAG: &str = "Settings";
/// How often a setting is written anew because somebody else wrote it meanwhile.
const TRIES: u32 = 8;

/// The addresses of settings.
pub(crate) fn routes(routes: Routes) -> Routes {
    let about = |id, says| about(Needs::OPERATOR, TAG, id, says);
    let list = about("listSettings", "Lists what can be set");
    let read = about("readSetting", "Reads one setting");
    let set = about("setSetting", "Sets a setting");
    let reset = about("deleteSetting", "Puts a setting back to its default");
    let member = "/settings/{name}";
    routes
        .get("/settings", list, self::list)
        .get(member, read, self::read)
        .put(member, set.fails(&[&CONFLICT]), self::set)
        .delete(member, reset.fails(&[&CONFLICT]), self::reset)
}

/// A setting, and what it may be.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Setting")]
struct Shown {
    /// Its name.
    id: &'static str,
    /// Always `setting`.
    #[schemars(extend("const" = "setting"))]
    r#type: &'static str,
    /// Its name.
    name: &'static str,
    /// What it is set to, or its default; null for what the configuration of each server says.
    value: Option<i64>,
    /// Its value if it is not set; null for what the configuration of each server says.
    default: Option<i64>,
    /// Whether it is set.
    is_set: bool,
    /// The least value.
    minimum: i64,
    /// The greatest value.
    maximum: i64,
    /// What it counts.
    unit: &'static str,
    /// What it does.
    description: &'static str,
    /// Whether servers that run heed it, within a second or, where something is kept for a while, the
    /// next time that they look.
    live: bool,
    /// How often it was written.
    version: i64,
    /// When it was written last.
    updated: Option<Timestamp>,
    links: Links,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "SettingLinks")]
struct Links {
    #[serde(rename = "self")]
    own: String,
}

impl Shown {
    fn new(setting: &'static Setting, stored: Option<&StoredSetting>) -> Self {
        let value = stored.and_then(|stored| setting.check(&stored.value).ok());
        Self {
            id: setting.name,
            r#type: "setting",
            name: setting.name,
            value: value.or(setting.default),
            default: setting.default,
            is_set: value.is_some(),
            minimum: setting.minimum,
            maximum: setting.maximum,
            unit: setting.unit,
            description: setting.description,
            live: setting.is_live,
            version: stored.map_or(0, |stored| stored.version),
            updated: stored.map(|stored| stored.updated),
            links: Links {
                own: format!("/v1/settings/{}", setting.name),
            },
        }
    }
}

/// What a setting is set to.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "SettingValue")]
struct Wanted {
    /// The value.
    #[schemars(with = "i64")]
    value: Value,
}

impl FromObject for Wanted {
    fn from_object(object: Map<String, Value>) -> Result<Self, Problem> {
        body::parse(object)
    }
}

async fn list(
    State(shared): State<Arc<Shared>>,
    Strict(Nothing {}): Strict<Nothing>,
    address: Uri,
) -> Result<Reply<Told, Collection<Shown>>, Problem> {
    let stored = stored(&shared).await?;
    let data: Vec<Shown> = SETTINGS
        .iter()
        .map(|setting| Shown::new(setting, stored.get(setting.name)))
        .collect();
    let limit = data.len() as u64;
    let collection = Collection::new("setting", data, &full(&address), limit, None);
    Ok(Reply::new(collection))
}

async fn read(
    State(shared): State<Arc<Shared>>,
    Named(setting): Named,
    Strict(Nothing {}): Strict<Nothing>,
    known: Known,
) -> Result<Reply<Read, Shown>, Problem> {
    let stored = stored(&shared).await?;
    let shown = Shown::new(setting, stored.get(setting.name));
    let version = shown.version;
    Ok(Reply::new(shown).tagged(version).unless(known))
}

async fn set(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Named(setting): Named,
    Strict(Nothing {}): Strict<Nothing>,
    seen: Precondition,
    JsonBody(wanted): JsonBody<Wanted>,
) -> Result<Reply<Changed, Shown>, Problem> {
    let value = setting.check(&wanted.value);
    let value = value.map_err(|error| Problem::invalid("value", error.to_string()))?;
    let answered = StatusCode::OK;
    let written = write(&shared, &caller, setting, value.into(), &seen, answered).await?;
    let shown = Shown::new(setting, Some(&written));
    Ok(Reply::new(shown).tagged(written.version))
}

async fn reset(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Named(setting): Named,
    Strict(Nothing {}): Strict<Nothing>,
    seen: Precondition,
) -> Result<NoContent, Problem> {
    let answered = StatusCode::NO_CONTENT;
    write(&shared, &caller, setting, Value::Null, &seen, answered).await?;
    Ok(NoContent)
}

/// The name in the address of a setting.
struct Named(&'static Setting);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let name = Path::<String>::from_request_parts(parts, state).await;
        let setting = name.ok().and_then(|Path(name)| Setting::named(&name));
        setting
            .map(Self)
            .ok_or_else(|| Problem::not_found("setting"))
    }
}

impl OperationInput for Named {
    fn operation_input(context: &mut GenContext, operation: &mut Operation) {
        let names: Vec<&str> = SETTINGS.iter().map(|setting| setting.name).collect();
        let schema = json_schema!({
            "properties": { "name": { "type": "string", "enum": names } },
            "required": ["name"],
        });
        let parameters = parameters_from_schema(context, schema, ParamLocation::Path);
        add_parameters(context, operation, parameters);
    }
}

async fn stored(shared: &Shared) -> Result<HashMap<String, StoredSetting>, Problem> {
    let stored = shared.store.settings().await?;
    let stored = stored.into_iter();
    Ok(stored.map(|one| (one.name.clone(), one)).collect())
}

async fn write(
    shared: &Shared,
    caller: &Caller,
    setting: &'static Setting,
    value: Value,
    seen: &Precondition,
    answered: StatusCode,
) -> Result<StoredSetting, Problem> {
    for _ in 0..TRIES {
        let stored = stored(shared).await?;
        let version = stored.get(setting.name).map_or(0, |stored| stored.version);
        seen.check(version)?;
        let now = shared.clock.now();
        let attached = caller.attached(now, Subject::default(), answered);
        let expected = Some(version);
        let written = shared
            .store
            .write_setting(setting.name, value.clone(), expected, now, attached)
            .await?;
        if let Some(written) = written {
            shared.live.forget();
            return Ok(written);
        }
    }
    Err(Problem::conflict("the setting is written by others"))
}
