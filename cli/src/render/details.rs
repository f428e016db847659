//! Everything that is known of one object, a field a line.

use serde_json::Value;

use super::escape::escape;

/// The fields of an object, nested ones by their paths; what is empty is left out.
pub fn fields(object: &Value) -> String {
    let mut lines = Vec::new();
    collect(object, String::new(), &mut lines);
    let width = lines
        .iter()
        .map(|(path, _)| path.chars().count())
        .max()
        .unwrap_or(0);
    let lines: Vec<String> = lines
        .iter()
        .map(|(path, value)| format!("{path:width$}  {value}"))
        .collect();
    lines.join("\n")
}

fn collect(value: &Value, path: String, lines: &mut Vec<(String, String)>) {
    match value {
        Value::Null => {}
        Value::Object(members) => {
            for (name, member) in members {
                let name = escape(name);
                let path = if path.is_empty() {
                    name
                } else {
                    format!("{path}.{name}")
                };
                collect(member, path, lines);
            }
        }
        Value::Array(members) => {
            for (index, member) in members.iter().enumerate() {
                collect(member, format!("{path}[{index}]"), lines);
            }
        }
        Value::String(text) if text.is_empty() => {}
        Value::String(text) => lines.push((path, escape(text))),
        Value::Bool(_) | Value::Number(_) => lines.push((path, value.to_string())),
    }
}
