//! Alternatives, as generators of clients take them.
//!
//! The schema of an `enum` of Rust is a list of alternatives. JSON Schema means the same by several
//! forms of that list, and generators make a type of some of them only: words belong in an `enum`, and
//! objects need a name.

use serde_json::{Map, Value, json};

/// Turns alternatives that are words, each with what it means, into an `enum` whose description says
/// what they mean.
pub(super) fn as_words(schema: &mut Map<String, Value>) {
    let Some(alternatives) = schema.get("oneOf").and_then(Value::as_array) else {
        return;
    };
    let told: Option<Vec<(Vec<Value>, Option<&str>)>> = alternatives.iter().map(words_of).collect();
    let Some(told) = told else {
        return;
    };
    let mut description = match schema.get("description").and_then(Value::as_str) {
        Some(text) => format!("{text}\n"),
        None => String::new(),
    };
    for (words, meaning) in &told {
        if let ([Value::String(word)], Some(meaning)) = (words.as_slice(), meaning) {
            description.push_str(&format!("\n- `{word}`: {meaning}"));
        }
    }
    let words: Vec<Value> = told.into_iter().flat_map(|(words, _)| words).collect();
    schema.remove("oneOf");
    schema.insert("type".to_owned(), json!("string"));
    schema.insert("enum".to_owned(), Value::Array(words));
    schema.insert("description".to_owned(), json!(description.trim()));
}

/// The words of an alternative that is nothing but words, and what it means.
fn words_of(alternative: &Value) -> Option<(Vec<Value>, Option<&str>)> {
    if alternative["type"] != "string" {
        return None;
    }
    let words = match (alternative.get("const"), alternative.get("enum")) {
        (Some(word), None) => vec![word.clone()],
        (None, Some(Value::Array(words))) => words.clone(),
        _ => return None,
    };
    Some((words, alternative["description"].as_str()))
}

/// Gives a name to each alternative that a field of its own tells from the others: `event: cut` of
/// `WatchEvent` becomes `WatchEventCut`.
pub(super) fn name(schemas: &mut Value) {
    let Value::Object(schemas) = schemas else {
        return;
    };
    let mut named = Map::new();
    for (name, schema) in schemas.iter_mut() {
        let alternatives = schema.get_mut("oneOf").and_then(Value::as_array_mut);
        for alternative in alternatives.into_iter().flatten() {
            if let Some(tag) = tag_of(alternative) {
                let name = format!("{name}{tag}");
                let reference = json!({ "$ref": format!("#/components/schemas/{name}") });
                named.insert(name, std::mem::replace(alternative, reference));
            }
        }
    }
    schemas.extend(named);
}

/// What tells an object from its alternatives, with a capital.
fn tag_of(alternative: &Value) -> Option<String> {
    let properties = alternative.get("properties")?.as_object()?;
    let tag = properties
        .values()
        .find_map(|one| one.get("const")?.as_str())?;
    let mut letters = tag.chars();
    let first = letters.next()?.to_ascii_uppercase();
    Some(std::iter::once(first).chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_an_enum_that_says_what_they_mean() {
        let mut schema = json!({
            "description": "How far it is.",
            "oneOf": [
                { "type": "string", "enum": ["begun"] },
                { "type": "string", "const": "done", "description": "It is over." },
            ],
        });
        as_words(schema.as_object_mut().unwrap());
        let expected = json!({
            "description": "How far it is.\n\n- `done`: It is over.",
            "type": "string",
            "enum": ["begun", "done"],
        });
        assert_eq!(schema, expected);
    }

    #[test]
    fn objects_are_named_after_what_tells_them_apart() {
        let cut = json!({ "type": "object", "properties": { "event": { "const": "cut" } } });
        let named = json!({ "$ref": "#/components/schemas/Other" });
        let mut schemas = json!({ "Event": { "oneOf": [cut, named] } });
        name(&mut schemas);
        let expected = json!({
            "Event": { "oneOf": [{ "$ref": "#/components/schemas/EventCut" }, named] },
            "EventCut": cut,
        });
        assert_eq!(schemas, expected);
    }
}
