//! Requests that become a WebSocket.

use aide::operation::OperationInput;
use axum::extract::FromRequestParts;
use axum::extract::ws::WebSocketUpgrade;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri, header};

use crate::problem::Problem;
use crate::problem::catalogue::FOREIGN_ORIGIN;

/// A WebSocket, if one is asked for.
pub(crate) struct Upgrade(pub(crate) Option<WebSocketUpgrade>);

impl<S: Send + Sync> FromRequestParts<S> for Upgrade {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let asked = parts.headers.get(header::UPGRADE);
        let is_asked =
            asked.is_some_and(|asked| asked.as_bytes().eq_ignore_ascii_case(b"websocket"));
        if !is_asked {
            return Ok(Self(None));
        }
        refuse_foreign(&parts.headers)?;
        WebSocketUpgrade::from_request_parts(parts, state)
            .await
            .map(|upgrade| Self(Some(upgrade)))
            .map_err(|rejection| Problem::bad_header("Upgrade", &rejection.body_text()))
    }
}

/// That it can become a WebSocket is no parameter.
impl OperationInput for Upgrade {}

/// A browser sends its cookies with a WebSocket that any page opens, and says which page that was.
fn refuse_foreign(headers: &HeaderMap) -> Result<(), Problem> {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return Ok(());
    };
    let origin = origin
        .to_str()
        .ok()
        .and_then(|text| text.parse::<Uri>().ok());
    let origin = origin.as_ref().and_then(Uri::authority);
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    match (origin, host) {
        (Some(origin), Some(host)) if origin.as_str().eq_ignore_ascii_case(host) => Ok(()),
        _ => Err(Problem::new(
            &FOREIGN_ORIGIN,
            "a page of another site cannot open a WebSocket here",
        )),
    }
}
