//! A command as the query of a request says it.

use aide::generate::GenContext;
use aide::openapi::Operation;
use aide::operation::{OperationInput, ParamLocation, add_parameters, parameters_from_schema};
use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use drover_domain::stream::{ExecRequest, Size};
use schemars::json_schema;

use crate::problem::{Problem, catalogue, shape};

/// The command of a query: `command=ls&command=-l&tty=true`. Several values are several parameters, as
/// a browser can send them.
pub(crate) struct Command(pub(crate) ExecRequest);

impl<S: Send + Sync> FromRequestParts<S> for Command {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri)
            .map_err(|rejection| Problem::bad_query(rejection.body_text()))?;
        let request = read(pairs)?;
        request
            .validate()
            .map_err(|unsound| Problem::bad_query(unsound.to_string()).with_field(unsound.field))?;
        Ok(Self(request))
    }
}

fn read(pairs: Vec<(String, String)>) -> Result<ExecRequest, Problem> {
    let mut request = ExecRequest::default();
    let (mut width, mut height) = (None, None);
    let mut seen = Vec::new();
    for (name, value) in pairs {
        let malformed =
            |is: &str| Problem::bad_query(format!("`{name}` is {is}")).with_field(name.clone());
        let cells = || {
            value
                .parse::<u16>()
                .map_err(|_| malformed("a number of characters"))
        };
        let yes_or_no = || {
            value
                .parse::<bool>()
                .map_err(|_| malformed("true or false"))
        };
        match name.as_str() {
            "command" => {
                request.command.push(value);
                continue;
            }
            "environment" => {
                let (variable, value) = value
                    .split_once('=')
                    .ok_or_else(|| malformed("as NAME=value"))?;
                request
                    .environment
                    .insert(variable.to_owned(), value.to_owned());
                continue;
            }
            "tty" => request.tty = yes_or_no()?,
            "stdin" => request.stdin = yes_or_no()?,
            "width" => width = Some(cells()?),
            "height" => height = Some(cells()?),
            "user" => request.user = Some(value),
            "workingDir" => request.working_dir = Some(value),
            _ => return Err(malformed("no parameter here")),
        }
        if seen.contains(&name) {
            return Err(malformed("there twice"));
        }
        seen.push(name);
    }
    request.size = match (width, height) {
        (None, None) => None,
        (Some(width), Some(height)) => Some(Size { width, height }),
        _ => return Err(Problem::bad_query("`width` and `height` go together")),
    };
    Ok(request)
}

impl OperationInput for Command {
    fn operation_input(context: &mut GenContext, operation: &mut Operation) {
        let text =
            || json_schema!({ "type": "string", "pattern": r"^[^\u0000]*$", "maxLength": 1024 });
        let cells = json_schema!({ "type": "integer", "minimum": 1, "maximum": 65_535 });
        let schema = json_schema!({
            "properties": {
                "command": {
                    "type": "array", "items": text(), "minItems": 1, "maxItems": 16,
                    "description": "The program, and its arguments, a parameter each.",
                },
                "tty": { "type": "boolean", "description": "Whether it is given a terminal." },
                "stdin": { "type": "boolean", "description": "Whether something will be written to its stdin." },
                "width": cells, "height": cells,
                "user": {
                    "type": "string", "minLength": 1, "maxLength": 256, "pattern": r"^[^\u0000]+$",
                    "description": "Who runs it; as the container says if absent.",
                },
                "workingDir": {
                    "type": "string", "maxLength": 1024, "pattern": r"^/[^\u0000]*$",
                    "description": "Where it runs; as the container says if absent.",
                },
                "environment": {
                    "type": "array", "maxItems": 16,
                    "items": { "type": "string", "maxLength": 1024, "pattern": r"^[^=\u0000]+=[^\u0000]*$" },
                    "description": "Variables beside those of the container, as `NAME=value`.",
                },
            },
            "required": ["command"],
        });
        let parameters = parameters_from_schema(context, schema, ParamLocation::Query);
        add_parameters(context, operation, parameters);
        shape::add(context, operation, &[&catalogue::QUERY]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> Result<ExecRequest, Problem> {
        let uri = format!("/exec?{text}").parse().unwrap();
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(&uri).unwrap();
        read(pairs)
    }

    #[test]
    fn a_command_is_read_off_the_query_in_its_order() {
        let request = query(
            "command=sh&tty=true&command=-c&command=a%20b&width=100&height=30&environment=A=b=c",
        );
        let request = request.unwrap();
        assert_eq!(request.command, ["sh", "-c", "a b"]);
        assert_eq!(request.environment["A"], "b=c");
        assert!(request.tty && !request.stdin);
        let size = Size {
            width: 100,
            height: 30,
        };
        assert_eq!(request.terminal(), Some(size));
    }

    #[test]
    fn nothing_in_the_query_of_a_command_is_ignored() {
        for text in [
            "command=sh&shell=true",
            "command=sh&tty=yes",
            "command=sh&tty=true&tty=false",
            "command=sh&width=5",
            "command=sh&environment=A",
            "command=sh&width=100000&height=1",
        ] {
            assert_eq!(query(text).unwrap_err().code(), "query", "{text}");
        }
    }
}
