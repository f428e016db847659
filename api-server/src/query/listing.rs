//! The queries of lists and of single items, in the language of [`drover_domain::listing`], and how the
//! description of the API tells of them.
//!
//! What can be asked of a type is read off its table there: each field with each of its modifiers is a
//! parameter. `fields` is the one parameter that the description leaves out: an answer without most of
//! its fields is not what the schema of the type describes, and a generated client could not read it.

use std::collections::{BTreeMap, BTreeSet};
use std::marker::PhantomData;
use std::sync::LazyLock;
use std::time::Duration;

use aide::generate::GenContext;
use aide::openapi::Operation;
use aide::operation::{OperationInput, ParamLocation, add_parameters, parameters_from_schema};
use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use drover_domain::Selector;
use drover_domain::listing::{
    BadQuery, Field, HIGHEST_LIMIT, Kind as FieldKind, Listed, Listing, Modifier, Shown,
    USUAL_LIMIT, links,
};
use schemars::{JsonSchema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use crate::problem::{Problem, catalogue, shape};
use crate::representation as shown;

/// What can be listed: the items as they are shown.
pub(crate) trait Items: JsonSchema + Send + 'static {
    /// What they are.
    const LISTED: Listed;
}

/// The query of a list.
pub(crate) struct ListOf<T> {
    pub(crate) listing: Listing,
    items: PhantomData<fn() -> T>,
}

/// The query of one item: what is shown of it.
pub(crate) struct OneOf<T> {
    pub(crate) shown: Shown,
    items: PhantomData<fn() -> T>,
}

impl From<BadQuery> for Problem {
    fn from(bad: BadQuery) -> Self {
        let detail = bad.to_string();
        Self::bad_query(detail).with_field(bad.field)
    }
}

/// The parameters of a query, in order.
fn parameters(parts: &Parts) -> Result<Vec<(String, String)>, Problem> {
    let Query(parameters) = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri)
        .map_err(|rejection| Problem::bad_query(rejection.body_text()))?;
    Ok(parameters)
}

impl<S: Sync, T: Items> FromRequestParts<S> for ListOf<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let given = parameters(parts)?;
        let pairs = given
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        let listing = Listing::parse(T::LISTED, pairs)?;
        check_fields::<T>(&listing.shown)?;
        Ok(Self {
            listing,
            items: PhantomData,
        })
    }
}

impl<S: Sync, T: Items> FromRequestParts<S> for OneOf<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let (shown, rest) = Self::read(parts)?;
        match rest.into_iter().next() {
            None => Ok(shown),
            Some((name, _)) => Err(unknown(&name)),
        }
    }
}

impl<T: Items> OneOf<T> {
    /// What is shown, and the parameters that say something else.
    pub(crate) fn read(parts: &Parts) -> Result<(Self, Vec<(String, String)>), Problem> {
        let (mut shown, mut rest) = (Shown::default(), Vec::new());
        for (name, value) in parameters(parts)? {
            if !shown.take(T::LISTED, &name, &value)? {
                rest.push((name, value));
            }
        }
        check_fields::<T>(&shown)?;
        let items = PhantomData;
        Ok((Self { shown, items }, rest))
    }
}

/// The query of one process: what is shown of it, and how long it is waited for.
pub(crate) struct ProcessQuery {
    pub(crate) shown: Shown,
    /// How long the answer is held back for the process to end.
    pub(crate) wait: Duration,
}

impl<S: Sync> FromRequestParts<S> for ProcessQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let (OneOf { shown, .. }, rest) = OneOf::<shown::ShownProcess>::read(parts)?;
        let mut wait = None;
        for (name, value) in rest {
            if name != "wait" {
                return Err(unknown(&name));
            }
            let seconds = value.parse::<u32>().ok().filter(|_| wait.is_none());
            let malformed = || BadQuery::new("wait", "is a whole number of seconds, given once");
            wait = Some(Duration::from_secs(seconds.ok_or_else(malformed)?.into()));
        }
        let wait = wait.unwrap_or_default();
        Ok(Self { shown, wait })
    }
}

impl OperationInput for ProcessQuery {
    fn operation_input(context: &mut GenContext, operation: &mut Operation) {
        let mut all = Map::new();
        include(Listed::Process, &mut all);
        all.insert("wait".to_owned(), json!({
            "type": "integer",
            "minimum": 0,
            "maximum": u32::MAX,
            "description": "How long the answer is held back for the process to end, in seconds.",
        }));
        describe(context, operation, all);
    }
}

/// A parameter that there is not.
pub(crate) fn unknown(name: &str) -> Problem {
    let name: String = name.chars().take(64).collect();
    BadQuery::new(name, "is no parameter of this address").into()
}

/// The fields that items of each schema have.
static FIELDS: LazyLock<BTreeMap<String, BTreeSet<String>>> = LazyLock::new(|| {
    BTreeMap::from([
        fields_of::<shown::Shown<shown::Container>>(),
        fields_of::<shown::Shown<shown::Host>>(),
        fields_of::<shown::Shown<shown::Agent>>(),
        fields_of::<shown::Shown<shown::RegistrationToken>>(),
        fields_of::<shown::Shown<shown::Project>>(),
        fields_of::<shown::Shown<shown::Account>>(),
        fields_of::<shown::Shown<shown::ApiKey>>(),
        fields_of::<shown::Shown<shown::Volume>>(),
        fields_of::<shown::Shown<shown::Network>>(),
        fields_of::<shown::Shown<shown::RegistryCredential>>(),
        fields_of::<shown::Shown<shown::Image>>(),
        fields_of::<shown::ShownProcess>(),
    ])
});

fn fields_of<T: Items>() -> (String, BTreeSet<String>) {
    let schema = T::json_schema(&mut SchemaGenerator::default());
    let properties = schema.get("properties").and_then(Value::as_object);
    let names = properties.into_iter().flat_map(|all| all.keys().cloned());
    (T::schema_name().into_owned(), names.collect())
}

fn check_fields<T: Items>(shown: &Shown) -> Result<(), Problem> {
    if shown.fields.is_empty() {
        return Ok(());
    }
    let known = FIELDS.get(T::schema_name().as_ref());
    let unknown = shown
        .fields
        .iter()
        .find(|name| !known.is_some_and(|known| known.contains(*name)));
    match unknown {
        None => Ok(()),
        Some(name) => {
            let name: String = name.chars().take(64).collect();
            let reason = format!("names `{name}`, which is no field of what is shown");
            Err(BadQuery::new("fields", reason).into())
        }
    }
}

impl<T: Items> OperationInput for ListOf<T> {
    fn operation_input(context: &mut GenContext, operation: &mut Operation) {
        let listed = T::LISTED;
        let mut all = Map::new();
        for field in listed.fields() {
            for modifier in field.modifiers() {
                all.insert(modifier.parameter(field), parameter(field, modifier));
            }
        }
        let sorts = listed.sorts().map(|field| field.name);
        let sorts: Vec<String> = sorts
            .flat_map(|name| [name.to_owned(), format!("-{name}")])
            .collect();
        all.insert("sort".to_owned(), json!({
            "type": "string",
            "enum": sorts,
            "default": "id",
            "description": "What it is ordered by, with `-` for the greatest first; the id decides among equals.",
        }));
        all.insert(
            "limit".to_owned(),
            json!({
                "type": "integer",
                "minimum": 1,
                "maximum": HIGHEST_LIMIT,
                "default": USUAL_LIMIT,
                "description": "The most items of a page.",
            }),
        );
        all.insert("marker".to_owned(), json!({
            "type": "string",
            "description": "Where the page begins: `pagination.next` of the page before, of a list in the same order.",
        }));
        if listed.has_labels() {
            all.insert("labels".to_owned(), json!({
                "type": "string",
                "pattern": Selector::pattern(),
                "description": "What must hold of the labels: `team=x,env!=prod,tier in (a,b),zone notin (c),canary,!legacy`.",
            }));
        }
        if listed.can_be_removed() {
            all.insert("removed".to_owned(), json!({
                "type": "boolean",
                "description": "Whether what was removed is listed too. It is if it is asked for by state or by moment.",
            }));
        }
        include(listed, &mut all);
        describe(context, operation, all);
    }
}

impl<T: Items> OperationInput for OneOf<T> {
    fn operation_input(context: &mut GenContext, operation: &mut Operation) {
        let mut all = Map::new();
        include(T::LISTED, &mut all);
        describe(context, operation, all);
    }
}

fn include(listed: Listed, all: &mut Map<String, Value>) {
    let names: Vec<&str> = links(listed).iter().map(|link| link.name).collect();
    if names.is_empty() {
        return;
    }
    let one = format!("({})", names.join("|"));
    all.insert("include".to_owned(), json!({
        "type": "string",
        "pattern": format!("^{one}(,{one})*$"),
        "description": "The links whose targets are shown along, under `included`, with commas between them.",
    }));
}

fn describe(context: &mut GenContext, operation: &mut Operation, properties: Map<String, Value>) {
    let schema = json_schema!({ "type": "object", "properties": properties });
    let parameters = parameters_from_schema(context, schema, ParamLocation::Query);
    add_parameters(context, operation, parameters);
    shape::add(context, operation, &[&catalogue::QUERY]);
    let says = "`fields=name,state,…` shows these fields only, beside `id` and `type`.";
    operation.description = Some(match operation.description.take() {
        Some(known) => format!("{known} {says}"),
        None => says.to_owned(),
    });
}

/// The schema of a parameter that tests a field.
fn parameter(field: &Field, modifier: Modifier) -> Value {
    let one = match field.kind {
        FieldKind::Id => json!({ "type": "string", "format": "uuid" }),
        FieldKind::Text | FieldKind::Several => {
            json!({ "type": "string", "pattern": "^[^\\u0000]*$" })
        }
        FieldKind::Word(words) => json!({ "type": "string", "enum": words.all() }),
        FieldKind::Moment => json!({ "type": "string", "format": "date-time" }),
        FieldKind::Number => json!({ "type": "integer", "format": "int64" }),
        FieldKind::Flag => json!({ "type": "boolean" }),
    };
    let list_of = |one: &str| json!({ "type": "string", "pattern": format!("^{one}(,{one})*$") });
    let several = || match field.kind {
        FieldKind::Id => list_of("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
        FieldKind::Word(words) => list_of(&format!("({})", words.all().join("|"))),
        FieldKind::Number => list_of("-?[0-9]{1,18}"),
        FieldKind::Text | FieldKind::Several | FieldKind::Moment | FieldKind::Flag => one.clone(),
    };
    let mut schema = match modifier {
        Modifier::Null => json!({ "type": "boolean" }),
        Modifier::OneOf => several(),
        // Several words can be asked for at once.
        Modifier::Equals if matches!(field.kind, FieldKind::Word(_)) => several(),
        Modifier::Like => json!({
            "type": "string",
            "pattern": r"^[^*\\\u0000]*(\*[^*\\\u0000]*){0,8}$",
        }),
        _ => one,
    };
    schema["description"] = json!(format!("Its `{}` {}.", field.name, modifier.says()));
    schema
}
