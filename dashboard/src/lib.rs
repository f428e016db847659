//! The web page: the fleet at a glance, and the reason for whatever is not as it was asked to be.
//!
//! The crate holds files and the headers that they are served with, and no knowledge of containers:
//! the page itself speaks the public HTTP API with the key of the person who looks at it. There is
//! no build step; what stands in `assets` is what a browser reads.
//!
//! ```text
//!  GET /          -> assets/index.html
//!  GET /ui/NAME   -> assets/ui/NAME
//! ```
//!
//! Nothing is loaded from another host, and the policy that is sent along makes the browser refuse
//! to. The names of files never change, so each is revalidated by the hash of its content: an
//! upgraded server is never read with a mixture of old and new scripts.

use axum::Router;
use axum::extract::Path;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use rust_embed::RustEmbed;

/// What the browser may do: load from this host only, build no script from text, and never show the
/// page inside another.
const POLICY: &str = "default-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'; object-src 'none'; \
                      require-trusted-types-for 'script'; trusted-types 'none'";

#[derive(RustEmbed)]
#[folder = "assets/"]
struct Assets;

/// The page at `/` and what it loads under `/ui/`. It needs no key: it holds nothing of the fleet.
pub fn router() -> Router {
    Router::new()
        .route(
            "/",
            get(async |headers: HeaderMap| asset("index.html", &headers)),
        )
        .route(
            "/ui/{*name}",
            get(async |Path(name): Path<String>, headers: HeaderMap| {
                asset(&format!("ui/{name}"), &headers)
            }),
        )
}

fn asset(name: &str, request: &HeaderMap) -> Response {
    let Some(file) = Assets::get(name) else {
        return (StatusCode::NOT_FOUND, "there is no such file\n").into_response();
    };
    let tag = entity_tag(file.metadata.sha256_hash());
    let headers = [
        (CONTENT_SECURITY_POLICY, POLICY.to_owned()),
        (X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        (X_FRAME_OPTIONS, "DENY".to_owned()),
        (REFERRER_POLICY, "no-referrer".to_owned()),
        // Kept, but asked about each time: the answer is a 304 without a body.
        (CACHE_CONTROL, "no-cache".to_owned()),
        (ETAG, tag.clone()),
    ];
    if is_known(request, &tag) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    let content_type = [(CONTENT_TYPE, content_type(name))];
    (headers, content_type, file.data).into_response()
}

fn entity_tag(hash: [u8; 32]) -> String {
    let digits: String = hash
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("\"{digits}\"")
}

/// Whether the browser already has the content of that tag.
fn is_known(request: &HeaderMap, tag: &str) -> bool {
    request
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        // A proxy that compresses marks the tag as weak; the content is the same.
        .any(|known| known.trim().trim_start_matches("W/") == tag)
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests;
