//! `Idempotency-Key`: a request that is repeated under its key is answered as it was the first time.
//!
//! The first answer is kept by the transaction of the mutation, for a day, under the caller and the
//! key. A repetition gets its status, `Location`, `ETag` and body again, whichever server is asked,
//! and `Prefer: wait` waits for the same process again. One key for two different requests is a
//! mistake of the client, and is refused. Of two requests at the same time one commits; the other is
//! told so by the store and gets the answer of the first.
//!
//! A request for several things keeps an answer for each, under `key/0`, `key/1` and so on.

use std::collections::HashMap;

use aide::generate::GenContext;
use aide::openapi::Operation;
use aide::operation::{OperationInput, ParamLocation, add_parameters, parameters_from_schema};
use axum::body::Body;
use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method};
use drover_store::KeptAnswer;
use schemars::json_schema;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::Key;
use crate::Shared;
use crate::authorization::Caller;
use crate::body;
use crate::problem::{Problem, catalogue, shape};

const HEADER: HeaderName = HeaderName::from_static("idempotency-key");
/// The longest key.
const LONGEST: usize = 255;

/// Says of an operation that it can be repeated under a key. There is nothing in it: the layer has
/// seen to it before the handler runs.
pub(crate) struct Repeatable;

impl<S: Sync> FromRequestParts<S> for Repeatable {
    type Rejection = Problem;

    async fn from_request_parts(_: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self)
    }
}

impl OperationInput for Repeatable {
    fn operation_input(context: &mut GenContext, operation: &mut Operation) {
        let schema = json_schema!({
            "properties": {
                "Idempotency-Key": {
                    "type": "string",
                    "pattern": "^[!-~]{1,255}$",
                    "description": "A text of your own. A request that is repeated under it within a day changes nothing more, and is answered as it was the first time.",
                },
            },
        });
        let parameters = parameters_from_schema(context, schema, ParamLocation::Header);
        add_parameters(context, operation, parameters);
        let problems = &[
            &catalogue::HEADER,
            &catalogue::REPEATED,
            &catalogue::KEY_MISMATCH,
        ];
        shape::add(context, operation, problems);
    }
}

type Found = (Request, Option<Key>, Option<KeptAnswer>);

/// The key of a request and the answer that is kept for it, with the request as it was.
pub(super) async fn look_up(
    shared: &Shared,
    caller: &Caller,
    request: Request,
) -> Result<Found, (Parts, Problem)> {
    let given = request.headers().get(&HEADER);
    let Some(given) = given.filter(|_| request.method() == Method::POST).cloned() else {
        return Ok((request, None, None));
    };
    let (parts, body) = request.into_parts();
    let text = match text(&given) {
        Ok(text) => text.to_owned(),
        Err(problem) => return Err((parts, problem)),
    };
    let bytes = match body::bytes(body, shared).await {
        Ok(bytes) => bytes,
        Err(problem) => return Err((parts, problem)),
    };
    let key = Key {
        caller: caller
            .account
            .map_or(caller.credential, |account| account.uuid()),
        key: text,
        hash: hash(&parts, &bytes),
    };
    // The first of several things tells of a request that asked for several.
    let keys = [key.key.clone(), key.of_item(0).key];
    let kept = match shared.store.kept_answers(key.caller, &keys).await {
        Ok(kept) => kept,
        Err(error) => return Err((parts, error.into())),
    };
    if kept.iter().any(|kept| kept.hash != key.hash) {
        return Err((parts, mismatch()));
    }
    let kept = kept.into_iter().find(|kept| kept.key == key.key);
    Ok((
        Request::from_parts(parts, Body::from(bytes)),
        Some(key),
        kept,
    ))
}

fn text(given: &HeaderValue) -> Result<&str, Problem> {
    let text = given.to_str().ok().filter(|text| {
        (1..=LONGEST).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
    });
    text.ok_or_else(|| {
        let reason = format!("a key has 1 to {LONGEST} visible characters of ASCII");
        Problem::bad_header("Idempotency-Key", &reason)
    })
}

fn hash(parts: &Parts, body: &[u8]) -> String {
    let mut hash = Sha256::new();
    for part in [
        parts.method.as_str(),
        parts.uri.path(),
        parts.uri.query().unwrap_or_default(),
    ] {
        hash.update(part.as_bytes());
        hash.update(b"\n");
    }
    match without_passwords(body) {
        Some(body) => hash.update(body),
        None => hash.update(body),
    }
    let bytes = hash.finalize();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A body without the passwords in it, if there are any: their hashes are slow on purpose, and this one
/// is not. So a request is the same whatever password it sets.
fn without_passwords(body: &[u8]) -> Option<Vec<u8>> {
    const PASSWORDS: [&str; 2] = ["password", "currentPassword"];
    let mut body: Value = serde_json::from_slice(body).ok()?;
    let fields = body.as_object_mut()?;
    let before = fields.len();
    fields.retain(|name, _| !PASSWORDS.contains(&name.as_str()));
    if fields.len() == before {
        return None;
    }
    serde_json::to_vec(&body).ok()
}

fn mismatch() -> Problem {
    Problem::new(
        &catalogue::KEY_MISMATCH,
        "another request was made under this key",
    )
    .with_field("Idempotency-Key")
    .with_hint("repeat the request exactly, or make up a key for the new one")
}

/// The answer that somebody else kept meanwhile; none if they took it back.
pub(super) async fn kept_now(
    shared: &Shared,
    caller: &Caller,
) -> Option<Result<KeptAnswer, Problem>> {
    let key = caller.key()?;
    let keys = [key.key.clone()];
    match shared.store.kept_answers(key.caller, &keys).await {
        Err(error) => Some(Err(error.into())),
        Ok(kept) => {
            let kept = kept.into_iter().next()?;
            Some(match kept.hash == key.hash {
                true => Ok(kept),
                false => Err(mismatch()),
            })
        }
    }
}

/// The answer that is kept for one of several things of a request.
///
/// # Errors
/// That something else was asked for under its key.
pub(crate) async fn kept_item(
    shared: &Shared,
    caller: &Caller,
) -> Result<Option<KeptAnswer>, Problem> {
    kept_now(shared, caller).await.transpose()
}

/// The answers that are kept for some of several things of a request, by their places.
///
/// # Errors
/// When the database cannot be reached.
pub(crate) async fn kept_items(
    shared: &Shared,
    caller: &Caller,
    count: usize,
) -> Result<HashMap<usize, KeptAnswer>, Problem> {
    let Some(key) = caller.key() else {
        return Ok(HashMap::new());
    };
    let keys: Vec<String> = (0..count).map(|index| key.of_item(index).key).collect();
    let kept = shared.store.kept_answers(key.caller, &keys).await?;
    let mut by_key: HashMap<String, KeptAnswer> = kept
        .into_iter()
        .filter(|kept| kept.hash == key.hash)
        .map(|kept| (kept.key.clone(), kept))
        .collect();
    let items = keys.iter().enumerate();
    Ok(items
        .filter_map(|(index, key)| Some((index, by_key.remove(key)?)))
        .collect())
}

/// Whether an error says that an answer was kept already.
pub(crate) fn is_repeated(problem: &Problem) -> bool {
    problem.code() == catalogue::REPEATED.code
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash_of(body: &str) -> String {
        let request = Request::post("/v1/accounts?a=b").body(()).unwrap();
        hash(&request.into_parts().0, body.as_bytes())
    }

    #[test]
    fn nothing_of_a_password_is_in_the_hash_of_a_request() {
        let one = hash_of(r#"{"name":"one","password":"secret"}"#);
        assert_eq!(one, hash_of(r#"{"name":"one","password":"other"}"#));
        assert_ne!(one, hash_of(r#"{"name":"two","password":"secret"}"#));
        assert_ne!(one, hash_of("no JSON"));
    }
}
