//! `/v1/schemas`: the types that there are, field by field, in the form of Rancher's API
//! specification.
//!
//! It says what OpenAPI says, in the words of those who write forms: which fields a type has, which
//! of them are needed, may be given or may be changed, what can be asked of a resource, and by what
//! a collection is filtered. So it is read off the OpenAPI description, operation by operation, and
//! cannot say anything else: a type is whatever has a collection at `/v1/NAME`.

mod field;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use field::Field;

/// Modifiers of filters, as they stand at the end of a parameter's name.
const MODIFIERS: [&str; 9] = [
    "ne", "like", "prefix", "in", "gt", "gte", "lt", "lte", "null",
];

/// A type of what the API shows.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Schema")]
pub(crate) struct TypeSchema {
    /// The name of the type, as in the field `type` of its resources.
    pub(crate) id: String,
    /// Always `schema`.
    #[schemars(extend("const" = "schema"))]
    r#type: &'static str,
    /// The name of its collection.
    plural_name: String,
    /// What can be done with the collection, as methods.
    collection_methods: Vec<&'static str>,
    /// What can be done with one of it, as methods.
    resource_methods: Vec<&'static str>,
    /// Its fields.
    resource_fields: BTreeMap<String, Field>,
    /// What can be asked of one of it.
    resource_actions: BTreeMap<String, Action>,
    /// What can be asked of the collection.
    collection_actions: BTreeMap<String, Action>,
    /// By what the collection is filtered.
    collection_filters: BTreeMap<String, Filter>,
    links: SchemaLinks,
}

/// Something that can be asked.
#[derive(Clone, Debug, Serialize, JsonSchema)]
struct Action {
    /// The schema of what it is given; null if nothing.
    input: Option<String>,
    /// The schema of what it answers with; null if nothing.
    output: Option<String>,
}

/// A filter of a collection.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
struct Filter {
    /// What can stand behind its name; an empty one means that it equals.
    modifiers: Vec<&'static str>,
    /// The values that there are, if they are few.
    #[serde(skip_serializing_if = "Option::is_none")]
    options: Option<Value>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
struct SchemaLinks {
    #[serde(rename = "self")]
    own: String,
    collection: String,
}

/// The types that a description of the API knows.
pub(crate) fn of(document: &Value) -> Vec<TypeSchema> {
    let description = Description { document };
    let paths = document["paths"].as_object();
    let collections = paths.into_iter().flatten().filter_map(|(path, item)| {
        let plural = path.strip_prefix("/v1/")?;
        (!plural.contains('/')).then_some((plural, item))
    });
    collections
        .filter_map(|(plural, item)| description.of_type(plural, item))
        .collect()
}

/// An OpenAPI description, as it is written.
#[derive(Clone, Copy)]
struct Description<'a> {
    document: &'a Value,
}

impl<'a> Description<'a> {
    /// The schema behind a reference; what is no reference is itself.
    fn resolve(self, schema: &'a Value) -> &'a Value {
        match name_of(schema) {
            Some(name) => &self.document["components"]["schemas"][name],
            None => schema,
        }
    }

    /// The type whose collection is at a path, if that is a collection.
    fn of_type(self, plural: &str, collection: &'a Value) -> Option<TypeSchema> {
        let page = self.resolve(answer(&collection["get"])?);
        let items = &page["properties"]["data"]["items"];
        let id = lower_first(name_of(items)?);
        let member = &self.document["paths"][format!("/v1/{plural}/{{id}}")];
        let taken = Taken {
            to_create: self.body(&collection["post"]),
            to_update: self
                .body(&member["patch"])
                .or_else(|| self.body(&member["put"])),
        };
        Some(TypeSchema {
            r#type: "schema",
            plural_name: plural.to_owned(),
            collection_methods: methods(collection),
            resource_methods: methods(member),
            resource_fields: self.fields(self.resolve(items), taken),
            resource_actions: self.actions(&format!("/v1/{plural}/{{id}}/")),
            collection_actions: BTreeMap::new(),
            collection_filters: self.filters(&collection["get"]),
            links: SchemaLinks {
                own: format!("/v1/schemas/{id}"),
                collection: format!("/v1/{plural}"),
            },
            id,
        })
    }

    /// The schema of the object that an operation is given.
    fn body(self, operation: &'a Value) -> Option<&'a Map<String, Value>> {
        let schema = operation.pointer("/requestBody/content/application~1json/schema")?;
        let schema = self.resolve(schema);
        // Several of them may be taken at once, beside one.
        let one = ["anyOf", "oneOf"]
            .iter()
            .filter_map(|key| schema[*key].as_array())
            .flatten()
            .map(|part| self.resolve(part))
            .find(|part| part["type"] == "object");
        one.unwrap_or(schema).as_object()
    }

    fn fields(self, shown: &'a Value, taken: Taken<'a>) -> BTreeMap<String, Field> {
        let mut fields: BTreeMap<String, Field> = BTreeMap::new();
        for (name, schema) in properties(shown.as_object()) {
            fields.insert(name.clone(), Field::of(schema, self.resolve(schema)));
        }
        for (name, schema) in properties(taken.to_create) {
            let given = Field::of(schema, self.resolve(schema));
            let field = fields.entry(name.clone()).or_insert_with(|| given.clone());
            field.take_limits_of(given);
            field.create = true;
            field.required = is_required(taken.to_create, name);
        }
        for (name, schema) in properties(taken.to_update) {
            let given = Field::of(schema, self.resolve(schema));
            let field = fields.entry(name.clone()).or_insert(given);
            field.update = true;
        }
        fields
    }

    fn actions(self, prefix: &str) -> BTreeMap<String, Action> {
        let paths = self.document["paths"].as_object();
        let actions = paths.into_iter().flatten().filter_map(|(path, item)| {
            let name = path.strip_prefix(prefix)?;
            let operation = item.get("post")?;
            let input = operation.pointer("/requestBody/content/application~1json/schema");
            let action = Action {
                input: input.and_then(name_of).map(lower_first),
                output: answer(operation).and_then(name_of).map(lower_first),
            };
            Some((name.to_owned(), action))
        });
        actions.collect()
    }

    fn filters(self, list: &'a Value) -> BTreeMap<String, Filter> {
        const NO_FILTERS: [&str; 6] = ["limit", "marker", "sort", "include", "fields", "Prefer"];
        let mut filters: BTreeMap<String, Filter> = BTreeMap::new();
        let parameters = list["parameters"].as_array().into_iter().flatten();
        for parameter in parameters.filter(|parameter| parameter["in"] == "query") {
            let name = parameter["name"].as_str().unwrap_or_default();
            if NO_FILTERS.contains(&name) {
                continue;
            }
            let parts = name.rsplit_once('_').and_then(|(field, modifier)| {
                let modifier = MODIFIERS.iter().find(|known| **known == modifier)?;
                Some((field, *modifier))
            });
            let (field, modifier) = parts.unwrap_or((name, ""));
            let filter = filters.entry(field.to_owned()).or_default();
            filter.modifiers.push(modifier);
            let options = self.resolve(&parameter["schema"]).get("enum");
            filter.options = options.cloned().or(filter.options.take());
        }
        filters
    }
}

/// What operations on a type are given.
#[derive(Clone, Copy)]
struct Taken<'a> {
    to_create: Option<&'a Map<String, Value>>,
    to_update: Option<&'a Map<String, Value>>,
}

fn properties(schema: Option<&Map<String, Value>>) -> impl Iterator<Item = (&String, &Value)> {
    let properties = schema.and_then(|schema| schema.get("properties")?.as_object());
    properties.into_iter().flatten()
}

fn is_required(schema: Option<&Map<String, Value>>, name: &str) -> bool {
    let required = schema.and_then(|schema| schema.get("required")?.as_array());
    required.is_some_and(|required| required.iter().any(|known| known == name))
}

/// The schema of what an operation answers with when it works.
fn answer(operation: &Value) -> Option<&Value> {
    let responses = operation.get("responses")?.as_object()?;
    let working = ["200", "201", "202"];
    working
        .iter()
        .filter_map(|status| responses.get(*status))
        .find_map(|response| response.pointer("/content/application~1json/schema"))
}

fn methods(path: &Value) -> Vec<&'static str> {
    [
        ("get", "GET"),
        ("post", "POST"),
        ("put", "PUT"),
        ("patch", "PATCH"),
        ("delete", "DELETE"),
    ]
    .into_iter()
    .filter(|(key, _)| path.get(key).is_some_and(Value::is_object))
    .map(|(_, method)| method)
    .collect()
}

/// The name of the schema that a reference means.
fn name_of(schema: &Value) -> Option<&str> {
    schema["$ref"].as_str()?.rsplit('/').next()
}

fn lower_first(name: &str) -> String {
    let mut letters = name.chars();
    let first = letters.next().map(|first| first.to_ascii_lowercase());
    first.into_iter().chain(letters).collect()
}
