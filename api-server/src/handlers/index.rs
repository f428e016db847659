//! `/v1`: what there is.

use axum::Json;
use serde_json::{Map, Value, json};

use drover_domain::ResourceType;

use crate::problem::Problem;
use crate::query::{Nothing, Strict};

pub(crate) async fn index(Strict(Nothing {}): Strict<Nothing>) -> Result<Json<Value>, Problem> {
    let mut links: Map<String, Value> = ResourceType::ALL
        .iter()
        .map(|known| {
            (
                known.plural().to_owned(),
                json!(format!("/v1/{}", known.plural())),
            )
        })
        .collect();
    links.insert("self".to_owned(), json!("/v1"));
    links.insert("processes".to_owned(), json!("/v1/processes"));
    links.insert("lifecycles".to_owned(), json!("/v1/lifecycles"));
    links.insert("watch".to_owned(), json!("/v1/watch"));
    Ok(Json(json!({
        "type": "apiVersion",
        "id": "v1",
        "version": env!("CARGO_PKG_VERSION"),
        "links": links,
    })))
}
