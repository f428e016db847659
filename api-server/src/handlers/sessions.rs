//! `/v1/sessions`: people log in with a name and a password, and out again.

use std::sync::Arc;
use std::time::Duration;

use aide::operation::OperationInput;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use drover_domain::resource::{Details, Membership};
use drover_domain::{Resource, ResourceId, Role, Timestamp};
use drover_store::{Attempt, LoginError, Session};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::Shared;
use crate::answer::{Outcome, Reply, Told};
use crate::authentication::{COOKIE, CurrentSession};
use crate::authorization::Caller;
use crate::body::{self, FromObject, JsonBody};
use crate::problem::catalogue::{CREDENTIALS, CSRF, LOGIN_THROTTLED, NOT_FOUND};
use crate::problem::{Problem, catalogue};
use crate::query::{Nothing, Strict};
use crate::recording::Subject;
use crate::routes::{Needs, Routes, about};
use drover_serving::PeerAddress;

/// How long a session lasts if the settings do not say: a day at work, and not until tomorrow.
const LIFETIME: Duration = Duration::from_secs(12 * 60 * 60);

const TAG: &str = "Sessions";

/// A name and its password.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewSession")]
struct Asked {
    /// The name of the account.
    #[schemars(length(min = 1, max = 128))]
    name: String,
    /// Its password.
    #[schemars(length(max = 1024))]
    password: String,
}

impl FromObject for Asked {
    fn from_object(object: Map<String, Value>) -> Result<Self, Problem> {
        body::parse(object)
    }
}

/// A session as whoever it is of sees it.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Session")]
struct ShownSession {
    /// Always `session`.
    #[schemars(extend("const" = "session"))]
    r#type: &'static str,
    id: Uuid,
    /// The account that it acts for.
    account_id: ResourceId,
    /// The name of the account.
    name: String,
    /// The most that it may be anywhere.
    role: Role,
    /// Whether it may do everything, in every project.
    operator: bool,
    /// The projects that it works in.
    memberships: Vec<Membership>,
    /// What a request that changes something shows as `X-CSRF-Token`.
    csrf_token: String,
    /// When it began.
    created: Timestamp,
    /// When it ends by itself.
    expires: Timestamp,
    /// Where it was begun from.
    from: Option<String>,
    links: SessionLinks,
}

/// Where what belongs to a session is.
#[derive(Serialize, JsonSchema)]
struct SessionLinks {
    #[serde(rename = "self")]
    own: &'static str,
    account: String,
    logins: &'static str,
}

impl ShownSession {
    fn new(session: &Session, account: &Resource, token: String) -> Result<Self, Problem> {
        let Details::Account { spec, .. } = &account.details else {
            return Err(Problem::internal());
        };
        Ok(Self {
            r#type: "session",
            id: session.id,
            account_id: account.id,
            name: account.name.clone(),
            role: spec.highest_role().unwrap_or(Role::Agent),
            operator: spec.operator,
            memberships: spec.memberships.clone(),
            csrf_token: token,
            created: session.created,
            expires: session.expires,
            from: session.from.clone(),
            links: SessionLinks {
                own: "/v1/sessions/current",
                account: format!("/v1/accounts/{}", account.id),
                logins: "/v1/logins",
            },
        })
    }
}

/// Somebody has logged in.
struct Begun;

impl Outcome for Begun {
    const STATUSES: &'static [(StatusCode, &'static str)] =
        &[(StatusCode::CREATED, "Logged in; the cookie is the session.")];
    const HEADERS: &'static [(HeaderName, &'static str)] = &[
        (header::LOCATION, "Where the session is."),
        (header::SET_COOKIE, "What to show with each request."),
    ];
}

/// Somebody has logged out.
struct Over;

impl Outcome for Over {
    const STATUSES: &'static [(StatusCode, &'static str)] =
        &[(StatusCode::NO_CONTENT, "Logged out.")];
    const HEADERS: &'static [(HeaderName, &'static str)] =
        &[(header::SET_COOKIE, "Takes the session away.")];
}

/// The addresses of sessions.
pub(crate) fn routes(routes: Routes) -> Routes {
    let log_in = about(Needs::OPEN, TAG, "createSession", "Logs a person in");
    let read = about(
        Needs::ANY,
        TAG,
        "readCurrentSession",
        "Tells who has logged in, as what, and until when",
    );
    let log_out = about(Needs::ANY, TAG, "deleteCurrentSession", "Logs a person out");
    let current = "/sessions/current";
    routes
        .post(
            "/sessions",
            log_in.fails(&[&CREDENTIALS, &CSRF, &LOGIN_THROTTLED]),
            self::log_in,
        )
        .get(current, read.fails(&[&NOT_FOUND]), self::read)
        .delete(current, log_out.fails(&[&NOT_FOUND]), self::log_out)
}

async fn log_in(
    State(shared): State<Arc<Shared>>,
    Strict(Nothing {}): Strict<Nothing>,
    origin: Origin,
    JsonBody(asked): JsonBody<Asked>,
) -> Result<Reply<Begun, ShownSession>, Problem> {
    origin.refuse_other_sites()?;
    if asked.name.is_empty() || asked.name.chars().count() > 128 {
        return Err(Problem::invalid("name", "has 1 to 128 characters"));
    }
    super::accounts::check_length("password", &asked.password)?;
    let attempt = origin.attempt(asked.name, asked.password, shared.clock.now());
    let hours = shared.live.values().await.session_hours;
    let hours = hours.and_then(|hours| u64::try_from(hours).ok());
    let lifetime = hours.map_or(LIFETIME, |hours| Duration::from_secs(hours * 60 * 60));
    let logged_in = shared.store.log_in(attempt, lifetime).await?;
    // The account may have changed at the same moment; the next request says what it is then.
    let token = logged_in.text.token();
    let shown = ShownSession::new(&logged_in.session, &logged_in.account, token)?;
    let cookie = cookie(&logged_in.text.reveal(), lifetime, shared.is_tls);
    Ok(Reply::new(shown)
        .at("/v1/sessions/current")
        .with_header(header::SET_COOKIE, &cookie))
}

async fn read(
    CurrentSession(open): CurrentSession,
    Strict(Nothing {}): Strict<Nothing>,
) -> Result<Reply<Told, ShownSession>, Problem> {
    let shown = ShownSession::new(&open.session, &open.account, open.token.clone())?;
    Ok(Reply::new(shown))
}

async fn log_out(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    CurrentSession(open): CurrentSession,
    Strict(Nothing {}): Strict<Nothing>,
) -> Result<Reply<Over, ()>, Problem> {
    let subject = Subject {
        id: Some(open.session.id),
        project: None,
    };
    let attached = caller.attached(shared.clock.now(), subject, StatusCode::NO_CONTENT);
    shared.store.end_session(open.session.id, attached).await?;
    let cookie = cookie("", Duration::ZERO, shared.is_tls);
    let over = Reply::empty(StatusCode::NO_CONTENT);
    Ok(over.with_header(header::SET_COOKIE, &cookie))
}

/// No script reads it, no page of others has it sent along, and where there is TLS it travels no other
/// way.
fn cookie(text: &str, lifetime: Duration, is_tls: bool) -> String {
    let secure = if is_tls { "; Secure" } else { "" };
    let age = lifetime.as_secs();
    format!("{COOKIE}={text}; Path=/; HttpOnly; SameSite=Strict; Max-Age={age}{secure}")
}

/// Where a request comes from, as far as it can be told.
pub(super) struct Origin {
    headers: HeaderMap,
    peer: Option<PeerAddress>,
    session: Option<CurrentSession>,
}

impl Origin {
    /// A password that was shown from there.
    pub(super) fn attempt(&self, name: String, password: String, now: Timestamp) -> Attempt {
        let user_agent = self.headers.get(header::USER_AGENT);
        let user_agent = user_agent.and_then(|value| value.to_str().ok());
        Attempt {
            name,
            password,
            from: self.peer.map(|peer| peer.0),
            user_agent: user_agent.map(str::to_owned),
            now,
        }
    }

    /// The session that it was made by, if it was not made by a key.
    pub(super) fn session(&self) -> Option<Uuid> {
        let session = self.session.as_ref();
        session.map(|CurrentSession(open)| open.session.id)
    }

    /// Nobody is logged in by somebody else's page: that would have people work, without knowing,
    /// under an account that others look into. Browsers say where a request comes from.
    fn refuse_other_sites(&self) -> Result<(), Problem> {
        let site = self.headers.get("sec-fetch-site");
        match site.is_some_and(|site| site == "cross-site") {
            false => Ok(()),
            true => Err(Problem::new(
                &catalogue::CSRF,
                "the request was made by a page of another site",
            )),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Origin {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self {
            headers: parts.headers.clone(),
            peer: parts.extensions.get().copied(),
            session: parts.extensions.get().cloned(),
        })
    }
}

/// Nothing that a client would have to be told of.
impl OperationInput for Origin {}

impl<S: Sync> FromRequestParts<S> for CurrentSession {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let current = parts.extensions.get().cloned();
        current.ok_or_else(|| {
            Problem::not_found("session")
                .with_hint("the request was made by a key, not by a session")
        })
    }
}

/// What is shown is described with the security of the operation.
impl OperationInput for CurrentSession {}

impl From<LoginError> for Problem {
    fn from(error: LoginError) -> Self {
        let detail = error.to_string();
        match error {
            LoginError::Refused => Self::new(&catalogue::CREDENTIALS, detail),
            LoginError::Throttled { retry_after } => {
                Self::new(&catalogue::LOGIN_THROTTLED, detail).retry_after(retry_after)
            }
            LoginError::Store(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cookie_is_for_requests_of_our_own_pages_only() {
        let cookie = cookie("id_secret", LIFETIME, true);
        assert_eq!(
            cookie,
            "drover_session=id_secret; Path=/; HttpOnly; SameSite=Strict; Max-Age=43200; Secure"
        );
        assert!(!self::cookie("", Duration::ZERO, false).contains("Secure"));
    }
}
