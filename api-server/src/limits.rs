//! How large a request may be, apart from its body.
//!
//! HTTP itself is stopped at limits that are a few times these: what passes those but not these is
//! answered with a problem, what does not pass them by a bare 414 or 431.

use axum::extract::Request;
use axum::http::HeaderMap;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::problem::{Problem, catalogue};

/// The longest query, in bytes.
const QUERY: usize = 32 * 1024;
/// The longest path, in bytes.
const PATH: usize = 8 * 1024;
/// All headers of a request together, names and values, in bytes.
const HEADERS: usize = 64 * 1024;

/// Lets pass what is within the limits.
pub(crate) async fn hold(request: Request, next: Next) -> Response {
    let refused = if request.uri().query().map_or(0, str::len) > QUERY {
        query_too_long()
    } else if request.uri().path().len() > PATH {
        path_too_long()
    } else if length(request.headers()) > HEADERS {
        headers_too_large()
    } else {
        return next.run(request).await;
    };
    refused.into_response()
}

fn length(headers: &HeaderMap) -> usize {
    let lengths = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len());
    lengths.sum()
}

fn query_too_long() -> Problem {
    Problem::new(
        &catalogue::QUERY_TOO_LONG,
        format!("the query is longer than {QUERY} bytes"),
    )
    .with_hint("ask in several requests")
}

fn path_too_long() -> Problem {
    Problem::new(
        &catalogue::PATH_TOO_LONG,
        format!("the path is longer than {PATH} bytes"),
    )
}

fn headers_too_large() -> Problem {
    Problem::new(
        &catalogue::HEADERS_TOO_LARGE,
        format!("the headers are larger than {HEADERS} bytes together"),
    )
}
