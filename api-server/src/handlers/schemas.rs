//! `/v1/schemas`: the types that exist for whoever asks.

use std::sync::Arc;

use aide::generate::GenContext;
use aide::openapi::Operation;
use aide::operation::{OperationInput, ParamLocation, add_parameters, parameters_from_schema};
use axum::extract::{FromRequestParts, Path, State};
use axum::http::request::Parts;
use schemars::json_schema;

use crate::Shared;
use crate::answer::{Reply, Told};
use crate::authorization::Caller;
use crate::problem::{Problem, catalogue, shape};
use crate::query::{Nothing, Strict};
use crate::representation::Collection;
use crate::routes::{Needs, Routes, about};
use crate::schemas::TypeSchema;

/// The addresses of schemas.
pub(crate) fn routes(routes: Routes) -> Routes {
    let list = about(
        Needs::ANY,
        "Schemas",
        "listSchemas",
        "Lists the types there are",
    );
    let read = about(
        Needs::ANY,
        "Schemas",
        "readSchema",
        "Reads the fields, actions and filters of one type",
    );
    routes
        .get("/schemas", list, self::list)
        .get("/schemas/{type}", read, self::read)
}

async fn list(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Strict(Nothing {}): Strict<Nothing>,
) -> Reply<Told, Collection<TypeSchema>> {
    let schemas = shared.descriptions.schemas(caller.role).to_vec();
    let limit = schemas.len() as u64;
    Reply::new(Collection::new(
        "schema",
        schemas,
        "/v1/schemas",
        limit,
        None,
    ))
}

async fn read(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Named(name): Named,
    Strict(Nothing {}): Strict<Nothing>,
) -> Result<Reply<Told, TypeSchema>, Problem> {
    let schemas = shared.descriptions.schemas(caller.role);
    let schema = schemas.iter().find(|schema| schema.id == name);
    let schema = schema.ok_or_else(|| Problem::not_found("schema"))?;
    Ok(Reply::new(schema.clone()))
}

/// The name of the type in the address of a schema.
struct Named(String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let Path(name) = path.map_err(|_| Problem::not_found("schema"))?;
        Ok(Self(name))
    }
}

impl OperationInput for Named {
    fn operation_input(context: &mut GenContext, operation: &mut Operation) {
        let schema = json_schema!({
            "properties": { "type": { "type": "string", "maxLength": 64 } },
            "required": ["type"],
        });
        let parameters = parameters_from_schema(context, schema, ParamLocation::Path);
        add_parameters(context, operation, parameters);
        shape::add(context, operation, &[&catalogue::NOT_FOUND]);
    }
}
