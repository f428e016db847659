//! What a problem looks like, for those who read the description of the API.

use aide::generate::GenContext;
use aide::openapi::{MediaType, Operation, Response, SchemaObject};
use aide::operation::OperationOutput;
use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::{Kind, Problem, catalogue};

/// Why a request was not done, after RFC 9457.
#[derive(JsonSchema)]
#[schemars(rename = "Problem", rename_all = "camelCase")]
#[expect(dead_code, reason = "only its schema is wanted")]
struct Shape {
    /// Always `about:blank`: the code says more.
    r#type: String,
    /// What kind of problem it is, for people.
    title: String,
    /// The status of the answer.
    #[schemars(range(min = 400, max = 599))]
    status: u16,
    /// What kind of problem it is, for programs.
    code: String,
    /// What is wrong this time.
    detail: String,
    /// The field of the request that it is about.
    #[schemars(extend("type" = "string"))]
    field: Option<String>,
    /// What can be done about it.
    #[schemars(extend("type" = "string"))]
    hint: Option<String>,
    /// The id of the request, as it stands in the log.
    request_id: String,
}

/// The schema of a problem.
pub(crate) fn schema(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<Shape>()
}

/// The description of an answer with a problem of some kinds, which have one status.
pub(crate) fn describe(context: &mut GenContext, kinds: &[&Kind]) -> Response {
    let json_schema = context.schema.subschema_for::<Shape>();
    let codes: Vec<String> = kinds
        .iter()
        .map(|kind| format!("`{}`", kind.code))
        .collect();
    Response {
        description: format!("A problem: {}.", codes.join(", ")),
        content: [(
            "application/problem+json".to_owned(),
            MediaType {
                schema: Some(SchemaObject {
                    json_schema,
                    example: None,
                    external_docs: None,
                }),
                ..MediaType::default()
            },
        )]
        .into_iter()
        .collect(),
        ..Response::default()
    }
}

/// Adds to an operation that it may be answered with a problem of these kinds.
pub(crate) fn add(context: &mut GenContext, operation: &mut Operation, kinds: &[&'static Kind]) {
    use aide::openapi::{ReferenceOr, StatusCode};
    for kind in kinds {
        let status = StatusCode::Code(kind.status.as_u16());
        let responses = operation.responses.get_or_insert_default();
        match responses.responses.get_mut(&status) {
            None => {
                let response = describe(context, &[kind]);
                responses
                    .responses
                    .insert(status, ReferenceOr::Item(response));
            }
            Some(ReferenceOr::Item(response)) => {
                let code = format!("`{}`", kind.code);
                if !response.description.contains(&code) {
                    let known = response.description.trim_end_matches('.');
                    response.description = format!("{known}, {code}.");
                }
            }
            Some(ReferenceOr::Reference { .. }) => {}
        }
    }
}

/// What a handler answers if it fails says nothing about how: its extractors and its route do. What
/// may always go wrong is here.
impl OperationOutput for Problem {
    type Inner = Self;

    fn inferred_responses(
        context: &mut GenContext,
        _: &mut Operation,
    ) -> Vec<(Option<u16>, Response)> {
        [&catalogue::INTERNAL, &catalogue::UNAVAILABLE]
            .map(|kind| (Some(kind.status.as_u16()), describe(context, &[kind])))
            .to_vec()
    }
}
