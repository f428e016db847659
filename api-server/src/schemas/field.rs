//! One field of a type, as those who write forms need it.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

/// A field of a type.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Field {
    /// Its type: `string`, `int`, `boolean`, `date`, `uuid`, `enum`, `json`, the name of a schema,
    /// or `array[…]` or `map[…]` of one of these.
    r#type: String,
    /// What it says.
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// Whether it can be null.
    nullable: bool,
    /// Whether it must be given to make one.
    pub(super) required: bool,
    /// Whether it can be given to make one.
    pub(super) create: bool,
    /// Whether it can be changed.
    pub(super) update: bool,
    /// What it is if it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    default: Option<Value>,
    /// The values that there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    options: Option<Value>,
    /// The least number.
    #[serde(skip_serializing_if = "Option::is_none")]
    min: Option<Value>,
    /// The greatest number.
    #[serde(skip_serializing_if = "Option::is_none")]
    max: Option<Value>,
    /// The least characters or items.
    #[serde(skip_serializing_if = "Option::is_none")]
    min_length: Option<Value>,
    /// The most characters or items.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_length: Option<Value>,
    /// What it must look like.
    #[serde(skip_serializing_if = "Option::is_none")]
    pattern: Option<String>,
}

impl Field {
    /// A field by its schema, as it is written and with its reference followed.
    pub(super) fn of(written: &Value, resolved: &Value) -> Self {
        let text = |key: &str| {
            let own = written[key].as_str().or(resolved[key].as_str());
            own.map(str::to_owned)
        };
        let any = |keys: &[&str]| keys.iter().find_map(|key| resolved.get(*key)).cloned();
        Self {
            r#type: name(written, resolved),
            description: text("description"),
            nullable: is_nullable(resolved),
            required: false,
            create: false,
            update: false,
            default: written.get("default").cloned(),
            options: any(&["enum"]),
            min: any(&["minimum"]),
            max: any(&["maximum"]),
            min_length: any(&["minLength", "minItems", "minProperties"]),
            max_length: any(&["maxLength", "maxItems", "maxProperties"]),
            pattern: text("pattern"),
        }
    }

    /// What is given is limited more than what is shown.
    pub(super) fn take_limits_of(&mut self, given: Self) {
        let Self {
            default,
            options,
            min,
            max,
            min_length,
            max_length,
            pattern,
            ..
        } = given;
        self.default = default.or(self.default.take());
        self.options = options.or(self.options.take());
        self.min = min.or(self.min.take());
        self.max = max.or(self.max.take());
        self.min_length = min_length.or(self.min_length.take());
        self.max_length = max_length.or(self.max_length.take());
        self.pattern = pattern.or(self.pattern.take());
    }
}

fn is_nullable(schema: &Value) -> bool {
    let is_null = |schema: &Value| schema["type"] == "null";
    let types = schema["type"].as_array();
    let alternatives = schema["anyOf"].as_array();
    types.is_some_and(|types| types.iter().any(|one| one == "null"))
        || alternatives.is_some_and(|all| all.iter().any(is_null))
}

/// The name of a type.
fn name(written: &Value, resolved: &Value) -> String {
    if resolved.get("enum").is_some() {
        return "enum".to_owned();
    }
    if let Some(name) = reference(written) {
        return name;
    }
    let types = match &resolved["type"] {
        Value::Array(types) => types.iter().find(|one| *one != "null"),
        one => Some(one),
    };
    match types.and_then(Value::as_str) {
        Some("string") => match resolved["format"].as_str() {
            Some("date-time") => "date".to_owned(),
            Some("uuid") => "uuid".to_owned(),
            _ => "string".to_owned(),
        },
        Some("integer") => "int".to_owned(),
        Some("number") => "float".to_owned(),
        Some("boolean") => "boolean".to_owned(),
        Some("array") => format!("array[{}]", inner(&resolved["items"])),
        Some("object") => match &resolved["additionalProperties"] {
            Value::Object(_) => format!("map[{}]", inner(&resolved["additionalProperties"])),
            _ => "json".to_owned(),
        },
        _ => "json".to_owned(),
    }
}

fn inner(schema: &Value) -> String {
    name(schema, schema)
}

/// The name of the one schema that is referred to, be it among alternatives.
fn reference(schema: &Value) -> Option<String> {
    let alternatives = schema["anyOf"].as_array().into_iter().flatten();
    let named = std::iter::once(schema)
        .chain(alternatives)
        .find_map(super::name_of)?;
    Some(super::lower_first(named))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_type_is_told_in_one_word() {
        let cases = [
            (json!({ "type": "string" }), "string"),
            (
                json!({ "type": ["string", "null"], "format": "date-time" }),
                "date",
            ),
            (json!({ "type": "integer", "minimum": 1 }), "int"),
            (
                json!({ "type": "array", "items": { "type": "string" } }),
                "array[string]",
            ),
            (
                json!({ "type": "object", "additionalProperties": { "type": "string" } }),
                "map[string]",
            ),
            (json!({ "$ref": "#/components/schemas/Quota" }), "quota"),
            (
                json!({ "anyOf": [{ "$ref": "#/components/schemas/Step" }, { "type": "null" }] }),
                "step",
            ),
            (json!({ "type": "string", "enum": ["a", "b"] }), "enum"),
        ];
        for (schema, told) in cases {
            assert_eq!(Field::of(&schema, &schema).r#type, told, "{schema}");
        }
    }
}
