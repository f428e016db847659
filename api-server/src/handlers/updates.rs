//! Changing what a resource says of itself: its name, its description, its labels, its metadata, and what
//! else its type lets change.
//!
//! A change takes no process: it is one write over the version that it was made for. A process that is
//! at work meanwhile finds the version moved, reads the resource again and goes on; it writes other
//! columns. What a client may not change is refused by name, never ignored.

use std::borrow::Cow;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use drover_domain::Resource;
use drover_domain::resource::{Details, Invalid, validate_reference};
use drover_store::Attached;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::{Id, beside};
use crate::Shared;
use crate::answer::{Changed, Reply};
use crate::authorization::Caller;
use crate::body::{self, FromObject, JsonBody};
use crate::conditional::Precondition;
use crate::merge_patch::merge;
use crate::new::{Given, given_schema};
use crate::problem::Problem;
use crate::problem::catalogue::{CONFLICT, IN_USE, NAME_TAKEN};
use crate::query::{Nothing, Strict};
use crate::references;
use crate::representation::{
    Container, Host, Image, Kind, Network, RegistrationToken, RegistryCredential, Shown, Volume,
    add_fields,
};
use crate::routes::{Needs, Routes, about};

/// How often a change is made anew because the resource moved meanwhile.
const TRIES: u32 = 16;

/// What every type lets change.
const COMMON: [&str; 4] = ["name", "description", "labels", "metadata"];

/// A type that lets something change.
pub(crate) trait Changeable: Kind<Spec: DeserializeOwned> + Sized {
    /// Which fields of its spec.
    const FIELDS: &'static [&'static str] = &[];
    /// What else may be in the way of a change.
    const PROBLEMS: &'static [&'static crate::problem::Kind] = &[];

    /// Checks what the types of these fields alone do not say.
    ///
    /// # Errors
    /// The first field that is not sound.
    fn check(_: &Self::Spec) -> Result<(), Invalid> {
        Ok(())
    }

    /// Writes a resource over the version that was read, with whatever follows from the change.
    /// False if it does not have that version any more.
    ///
    /// # Errors
    /// When the change is refused for what else there is.
    fn write(
        shared: &Shared,
        before: &Resource,
        changed: &Resource,
        attached: Attached,
    ) -> impl Future<Output = Result<bool, Problem>> + Send {
        async move {
            let rewritten = shared.store.rewrite(changed, before.version, attached);
            Ok(rewritten.await?.is_done())
        }
    }
}

/// What containers refer to by its name, which therefore cannot change while they do.
macro_rules! referred_to {
    ($($kind:ident)*) => {$(
        impl Changeable for $kind {
            const PROBLEMS: &'static [&'static crate::problem::Kind] = &[&NAME_TAKEN, &IN_USE];

            async fn write(
                shared: &Shared,
                before: &Resource,
                changed: &Resource,
                attached: Attached,
            ) -> Result<bool, Problem> {
                if before.name != changed.name {
                    validate_reference(&changed.name)?;
                    references::refuse_while_used(shared, before).await?;
                }
                let rewritten = shared.store.rewrite_named(changed, before.version, attached);
                match rewritten.await {
                    Ok(mutated) => Ok(mutated.is_done()),
                    Err(error) => Err(references::refused(Self::TYPE, error)),
                }
            }
        }
    )*};
}

referred_to! { Volume Network }

impl Changeable for Container {}
impl Changeable for Image {}
impl Changeable for RegistryCredential {}
impl Changeable for Host {
    const FIELDS: &'static [&'static str] = &["capacity", "maximumContainers"];
}
impl Changeable for RegistrationToken {}
/// The address to change resources of a type at.
pub(crate) fn routes<K: Changeable>(routes: Routes) -> Routes {
    let about = about(
        Needs::to_change(K::TYPE),
        K::NAMES,
        format!("update{}", K::NAME),
        format!(
            "Changes what a {} says of itself (JSON merge patch)",
            K::TYPE
        ),
    );
    let member = format!("/{}/{{id}}", K::TYPE.plural());
    let about = about.fails(&[&CONFLICT]).fails(K::PROBLEMS);
    routes.patch(&member, about, update::<K>)
}

async fn update<K: Changeable>(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Id(id): Id,
    Strict(Nothing {}): Strict<Nothing>,
    read: Precondition,
    JsonBody(patch): JsonBody<Patch<K>>,
) -> Result<Reply<Changed, Shown<K>>, Problem> {
    for _ in 0..TRIES {
        let resource = shared.store.resource(K::TYPE, id).await?;
        let resource = resource.ok_or_else(|| Problem::not_found(K::TYPE.as_str()))?;
        let resource = caller.changeable(resource)?;
        read.check(resource.version)?;
        if resource.removed.is_some() {
            return Err(Problem::conflict("it is removed, and stays as it was"));
        }
        let mut changed = patch.apply(resource.clone())?;
        changed.version += 1;
        changed.updated = shared.clock.now();
        let attached = caller.attached(changed.updated, &changed, StatusCode::OK);
        if K::write(&shared, &resource, &changed, attached).await? {
            shared.announcer.changed().await;
            let version = changed.version;
            let mut shown = [Shown::new(changed, &caller)];
            beside::add(&shared, &mut shown).await?;
            let [shown] = shown;
            return Ok(Reply::new(shown).tagged(version));
        }
    }
    Err(Problem::conflict(
        "the resource changes faster than the change can be made",
    ))
}

/// A merge patch of a resource of a type.
pub(crate) struct Patch<K> {
    fields: Map<String, Value>,
    kind: PhantomData<fn() -> K>,
}

impl<K: Changeable> FromObject for Patch<K> {
    fn from_object(fields: Map<String, Value>) -> Result<Self, Problem> {
        let is_known = |name: &str| COMMON.contains(&name) || K::FIELDS.contains(&name);
        if let Some(name) = fields.keys().find(|name| !is_known(name)) {
            let known: Vec<&str> = COMMON.iter().chain(K::FIELDS).copied().collect();
            let reason = format!("cannot be changed; what can is `{}`", known.join("`, `"));
            return Err(Problem::invalid(name.as_str(), reason));
        }
        Ok(Self {
            fields,
            kind: PhantomData,
        })
    }
}

impl<K: Changeable> Patch<K> {
    /// The resource with the patch merged in.
    pub(crate) fn apply(&self, resource: Resource) -> Result<Resource, Problem> {
        let (spec, status) = resource.details.encode().map_err(|error| {
            tracing::error!(%error, resource = %resource.reference(), "cannot be written");
            Problem::internal()
        })?;
        let Value::Object(mut spec) = spec else {
            return Err(Problem::internal());
        };
        let mut document = Map::new();
        document.insert("name".to_owned(), json!(resource.name));
        document.insert("description".to_owned(), json!(resource.description));
        document.insert("labels".to_owned(), json!(resource.labels));
        document.insert("metadata".to_owned(), Value::Object(resource.metadata));
        for name in K::FIELDS {
            document.extend(spec.remove_entry(*name));
        }
        merge(&mut document, self.fields.clone());
        for name in K::FIELDS {
            spec.extend(document.remove_entry(*name));
        }
        let given: Given = body::parse(document)?;
        given.validate()?;
        K::check(&body::parse(spec.clone())?)?;
        let details = Details::decode(K::TYPE, Value::Object(spec), status);
        Ok(Resource {
            name: given.name,
            description: given.description,
            labels: given.labels,
            metadata: given.metadata,
            details: details.map_err(|_| Problem::internal())?,
            ..resource
        })
    }
}

impl<K: Changeable> JsonSchema for Patch<K> {
    fn schema_name() -> Cow<'static, str> {
        format!("{}Patch", K::NAME).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut all = given_schema(K::TYPE, generator);
        // What needs a name keeps one.
        let needs_name = all.remove("required").is_some();
        add_fields(&mut all, K::Spec::json_schema(generator));
        let properties = all.get("properties").and_then(Value::as_object);
        let properties = properties.into_iter().flatten();
        let known = properties.filter(|(name, _)| {
            COMMON.contains(&name.as_str()) || K::FIELDS.contains(&name.as_str())
        });
        let known: Map<String, Value> = known
            .map(|(name, schema)| match name.as_str() {
                "name" if needs_name => (name.clone(), schema.clone()),
                _ => (name.clone(), or_null(schema.clone())),
            })
            .collect();
        json_schema!({
            "type": "object",
            "description": format!(
                "A JSON merge patch of a {}: what is null is taken away, objects are merged.",
                K::TYPE,
            ),
            "properties": known,
            "additionalProperties": false,
        })
    }
}

/// The schema of a field in a patch: null takes it away, and so it does with what is inside. What is
/// not given stays as it is, whatever it would be by default.
fn or_null(mut schema: Value) -> Value {
    if let Value::Object(fields) = &mut schema {
        fields.remove("default");
        if let Some(named) = fields.remove("$ref") {
            let alternatives = json!([{ "$ref": named }, { "type": "null" }]);
            fields.insert("anyOf".to_owned(), alternatives);
        }
    }
    if let Some(Value::String(one)) = schema.get("type").cloned() {
        schema["type"] = json!([one, "null"]);
    }
    if let Some(inner) = schema
        .get_mut("additionalProperties")
        .filter(|one| one.is_object())
    {
        *inner = or_null(inner.take());
    }
    schema
}

#[cfg(test)]
mod tests {
    use crate::representation::Project;
    use drover_domain::resource::{ProjectSpec, Quota};
    use drover_domain::{ResourceId, State as ResourceState, Timestamp};

    use super::*;

    fn project() -> Resource {
        let quota = Quota {
            containers: Some(5),
            memory_mib: Some(64),
            cpu_millis: None,
        };
        let details = Details::Project {
            spec: ProjectSpec { quota },
        };
        let now = Timestamp::from_millis(0);
        let id = ResourceId::new(uuid::Uuid::nil());
        let mut project = Resource::new(id, "old", ResourceState::Active, details, now);
        project.labels.insert("a".to_owned(), "1".to_owned());
        project
    }

    fn patched(patch: Value) -> Result<Resource, Problem> {
        let Value::Object(patch) = patch else {
            panic!()
        };
        Patch::<Project>::from_object(patch)?.apply(project())
    }

    #[test]
    fn a_patch_changes_what_it_names_and_nothing_else() {
        let changed = patched(json!({
            "name": "new",
            "labels": { "b": "2", "a": null },
            "quota": { "memoryMiB": null, "cpuMillis": 7 },
        }));
        let changed = changed.unwrap();
        assert_eq!(changed.name, "new");
        assert_eq!(json!(changed.labels), json!({ "b": "2" }));
        let quota = Quota {
            containers: Some(5),
            memory_mib: None,
            cpu_millis: Some(7),
        };
        let spec = ProjectSpec { quota };
        assert_eq!(changed.details, Details::Project { spec });
        assert_eq!(patched(json!({})).unwrap(), project());
        assert!(
            patched(json!({ "labels": null }))
                .unwrap()
                .labels
                .is_empty()
        );
    }

    #[test]
    fn what_cannot_be_changed_is_refused_by_its_name() {
        for (patch, field) in [
            (json!({ "state": "removed" }), "state"),
            (json!({ "id": null }), "id"),
            (json!({ "colour": "red" }), "colour"),
            (json!({ "name": 5 }), "name"),
            (json!({ "quota": { "disks": 1 } }), "quota.disks"),
            (json!({ "labels": { "drover.x": "1" } }), "labels.drover.x"),
        ] {
            let problem = format!("{:?}", patched(patch).unwrap_err());
            assert!(problem.contains(&format!("\"{field}\"")), "{problem}");
        }
    }
}
