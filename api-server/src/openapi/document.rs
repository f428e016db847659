//! How the description is made, before roles filter it.

use std::sync::Arc;

use aide::axum::ApiRouter;
use aide::generate::in_context;
use aide::openapi::{
    ApiKeyLocation, Info, License, OpenApi, PathItem, ReferenceOr, SecurityScheme,
};
use axum::Router;
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::alternatives;
use crate::Shared;
use crate::problem::{catalogue, shape};
use crate::routes::Routes;

/// The API below `/v1`, before anything is wrapped around it, and its description.
pub(crate) struct Described {
    pub(crate) router: ApiRouter<Arc<Shared>>,
    pub(crate) document: Value,
}

/// Has the API described by its handlers.
pub(crate) fn describe(routes: impl FnOnce() -> Routes) -> Described {
    // OpenAPI 3.1 takes JSON schemas as they are since 2020-12.
    in_context(|context| {
        let settings = SchemaSettings::draft2020_12().with(|settings| {
            settings.definitions_path = "/components/schemas".into();
        });
        context.schema = SchemaGenerator::new(settings);
    });
    let mut document = document();
    let router = routes().into_router();
    // The router is described below its prefix, and used without: what is wrapped around it belongs
    // inside of the prefix.
    let described = ApiRouter::new().nest("/v1", router.clone());
    let nested: Router<Arc<Shared>> = described.finish_api_with(&mut document, |document| {
        document
            .security_scheme(
                "key",
                SecurityScheme::Http {
                    scheme: "bearer".to_owned(),
                    bearer_format: None,
                    description: Some("An API key, as `drv_…`.".to_owned()),
                    extensions: Default::default(),
                },
            )
            .security_scheme(
                "session",
                SecurityScheme::ApiKey {
                    location: ApiKeyLocation::Cookie,
                    name: "drover_session".to_owned(),
                    description: Some(
                        "The session of a person; what changes something takes `X-CSRF-Token` too."
                            .to_owned(),
                    ),
                    extensions: Default::default(),
                },
            )
    });
    tell_of_forgery(&mut document);
    drop(nested);
    let mut document = serde_json::to_value(document).unwrap_or_default();
    finish(&mut document);
    alternatives::name(&mut document["components"]["schemas"]);
    Described { router, document }
}

/// Whatever changes something may be refused to a session that does not show its token.
fn tell_of_forgery(document: &mut OpenApi) {
    let paths = document.paths.get_or_insert_default();
    let paths = paths.paths.values_mut().filter_map(|path| match path {
        ReferenceOr::Item(path) => Some(path),
        ReferenceOr::Reference { .. } => None,
    });
    let changing = paths.flat_map(|path| {
        let PathItem {
            put,
            post,
            patch,
            delete,
            ..
        } = path;
        [put, post, patch, delete].into_iter().flatten()
    });
    for operation in changing.filter(|operation| !operation.security.is_empty()) {
        in_context(|context| shape::add(context, operation, &[&catalogue::CSRF]));
    }
}

fn document() -> OpenApi {
    OpenApi {
        info: Info {
            title: "Drover".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: Some("What should exist, and why it is where it is.".to_owned()),
            license: Some(License {
                name: "Apache-2.0".to_owned(),
                ..License::default()
            }),
            ..Info::default()
        },
        ..OpenApi::default()
    }
}

/// Says what the types of Rust know and their schemas do not, and leaves out what needs no saying.
fn finish(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(finish),
        Value::Object(object) => {
            bound(object);
            as_addresses(object);
            alternatives::as_words(object);
            // Nothing is what is there where nothing is given.
            if object.get("default") == Some(&Value::Null) {
                object.remove("default");
            }
            object.values_mut().for_each(finish);
        }
        _ => {}
    }
}

/// An address is one of two formats, which have names of their own.
fn as_addresses(schema: &mut Map<String, Value>) {
    if schema.get("format") != Some(&json!("ip")) {
        return;
    }
    let mut formats = vec![
        json!({ "type": "string", "format": "ipv4" }),
        json!({ "type": "string", "format": "ipv6" }),
    ];
    schema.remove("format");
    if schema.remove("type").is_some_and(|types| types.is_array()) {
        formats.push(json!({ "type": "null" }));
    }
    schema.insert("anyOf".to_owned(), Value::Array(formats));
}

/// Puts bounds to an integer by its format, and keeps the formats that OpenAPI knows.
fn bound(schema: &mut Map<String, Value>) {
    let bounds = match schema.get("format").and_then(Value::as_str) {
        Some("uint8") => (json!(0), json!(u8::MAX)),
        Some("uint16") => (json!(0), json!(u16::MAX)),
        Some("uint32") => (json!(0), json!(u32::MAX)),
        Some("uint64" | "uint") => (json!(0), json!(u64::MAX)),
        Some("int32") => (json!(i32::MIN), json!(i32::MAX)),
        Some("int64") => (json!(i64::MIN), json!(i64::MAX)),
        _ => return,
    };
    let is_known = matches!(schema["format"].as_str(), Some("int32" | "int64"));
    if !is_known {
        schema.remove("format");
    }
    schema.entry("minimum").or_insert(bounds.0);
    schema.entry("maximum").or_insert(bounds.1);
}
