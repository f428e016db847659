//! What a client gives to have a resource made: the fields that every resource has, and those of the
//! type's spec, side by side in one object.

use std::borrow::Cow;
use std::collections::BTreeMap;

use drover_domain::resource::{
    Details, Invalid, labels_schema, metadata_schema, name_schema, reference_schema,
    validate_description, validate_labels, validate_metadata, validate_name,
};
use drover_domain::{Resource, ResourceId, ResourceType, State, Timestamp};
use drover_store::fresh;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::body::{self, FromObject};
use crate::problem::Problem;
use crate::representation::{Kind, add_fields};

/// The fields that every resource has, as a client gives them.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Given {
    /// A name for people; need not be unique.
    #[schemars(schema_with = "name_schema")]
    pub(crate) name: String,
    /// What it is for.
    #[schemars(length(max = 4096), regex(pattern = r"^[^\u0000]*$"))]
    pub(crate) description: String,
    /// Labels to select it by.
    #[schemars(schema_with = "labels_schema")]
    pub(crate) labels: BTreeMap<String, String>,
    /// Whatever a client wants to keep beside it, at most 64 KiB.
    #[schemars(schema_with = "metadata_schema")]
    pub(crate) metadata: Map<String, Value>,
    /// The project that it shall belong to.
    pub(crate) project_id: Option<ResourceId>,
}

const GIVEN: [&str; 5] = ["name", "description", "labels", "metadata", "projectId"];

impl Given {
    /// Checks what the types alone do not say.
    pub(crate) fn validate(&self) -> Result<(), Invalid> {
        validate_name(&self.name)?;
        validate_description(&self.description)?;
        validate_labels(&self.labels)?;
        validate_metadata(&self.metadata)
    }

    /// A new resource with these fields, which belongs to a project or to none.
    pub(crate) fn resource(
        self,
        project: Option<ResourceId>,
        (state, details): (State, Details),
        now: Timestamp,
    ) -> Resource {
        Resource {
            project,
            description: self.description,
            labels: self.labels,
            metadata: self.metadata,
            ..Resource::new(fresh::resource_id(), self.name, state, details, now)
        }
    }
}

/// The schema of these fields for a type: what people know by its name must have one, and what projects
/// are about belongs to none.
pub(crate) fn given_schema(resource_type: ResourceType, generator: &mut SchemaGenerator) -> Schema {
    let mut schema = Given::json_schema(generator);
    let says = match resource_type {
        ResourceType::Account => "What people log in with; no other account has it.",
        ResourceType::Project => "What people know it by; need not be unique.",
        ResourceType::Volume | ResourceType::Network => {
            let mut name = reference_schema(generator);
            let says = "What containers of its project refer to it by; no other one there has it.";
            name.insert("description".to_owned(), json!(says));
            if let Some(Value::Object(properties)) = schema.ensure_object().get_mut("properties") {
                properties.insert("name".to_owned(), name.to_value());
            }
            schema.insert("required".to_owned(), json!(["name"]));
            return schema;
        }
        _ => return schema,
    };
    let properties = schema.ensure_object().get_mut("properties");
    if let Some(Value::Object(properties)) = properties {
        properties.remove("projectId");
        let name = json!({
            "type": "string",
            "minLength": 1,
            "maxLength": 128,
            "pattern": r"^[^\s\u0000-\u001F\u007F-\u009F]([^\u0000-\u001F\u007F-\u009F]*[^\s\u0000-\u001F\u007F-\u009F])?$",
            "description": says,
        });
        properties.insert("name".to_owned(), name);
    }
    schema.insert("required".to_owned(), json!(["name"]));
    schema
}

/// A resource of a type, as a client asks for it.
pub(crate) struct New<K: Kind> {
    pub(crate) given: Given,
    pub(crate) spec: K::Spec,
}

impl<K: Kind<Spec: DeserializeOwned>> FromObject for New<K> {
    fn from_object(mut object: Map<String, Value>) -> Result<Self, Problem> {
        let given = GIVEN
            .iter()
            .filter_map(|key| Some(((*key).to_owned(), object.remove(*key)?)));
        let given = body::parse(given.collect())?;
        refuse_other_type::<K>(&mut object)?;
        let spec = body::parse(object)?;
        Ok(Self { given, spec })
    }
}

/// A client may say the type, as it stands in what it was given, but no other.
fn refuse_other_type<K: Kind>(object: &mut Map<String, Value>) -> Result<(), Problem> {
    let own = K::TYPE.as_str();
    match object.remove("type") {
        None => Ok(()),
        Some(given) if given == own => Ok(()),
        Some(_) => Err(Problem::invalid("type", format!("is not `{own}`"))),
    }
}

impl<K: Kind> JsonSchema for New<K> {
    fn schema_name() -> Cow<'static, str> {
        format!("New{}", K::NAME).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = K::Spec::json_schema(generator);
        add_fields(&mut schema, given_schema(K::TYPE, generator));
        let own_type = json_schema!({
            "properties": { "type": { "type": "string", "const": K::TYPE.as_str() } },
        });
        add_fields(&mut schema, own_type);
        schema.insert("additionalProperties".to_owned(), Value::Bool(false));
        let description = format!("What can be asked of a new {}.", K::TYPE);
        schema.insert("description".to_owned(), Value::String(description));
        schema
    }
}
