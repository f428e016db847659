//! Health: the only addresses that need no key.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::Shared;

/// Whether the server lives.
pub(crate) async fn alive() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

/// Whether the server can do its work, and which part is missing. It needs nothing but the
/// database; the bus is told of because hints are late without it.
pub(crate) async fn ready(State(shared): State<Arc<Shared>>) -> (StatusCode, Json<Value>) {
    let database = match shared.store.is_ready().await {
        Ok(true) => "ok",
        Ok(false) => "not migrated",
        Err(_) => "unreachable",
    };
    let bus = if shared.bus.is_connected() {
        "ok"
    } else {
        "unreachable"
    };
    let is_ready = database == "ok";
    let (code, status) = match is_ready {
        true => (StatusCode::OK, "ok"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
    };
    (
        code,
        Json(json!({ "status": status, "parts": { "database": database, "bus": bus } })),
    )
}
