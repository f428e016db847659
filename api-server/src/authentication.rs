//! Who asks: every request under `/v1` shows an API key, the session of a person, or the credential of
//! an agent.
//!
//! ```text
//!   Authorization: Bearer drv_…   a key        its role, in its project or everywhere
//!   Authorization: Bearer dra_…   an agent     itself
//!   Cookie: drover_session=…      a person     what the account may at this moment
//! ```
//!
//! Nothing is remembered between requests, so what is revoked on one server is refused by all. A
//! browser shows the cookie to Drover by itself, whoever made it ask. So a request by a session that
//! could change something must show a token too, which only pages of Drover can know; and the cookie
//! is not sent along from pages of others in the first place.

use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use drover_domain::resource::{AccountSpec, Details};
use drover_domain::{Resource, ResourceId, Role};
use drover_store::{CredentialKind, Presented, Session, SessionText, StoreError, Verified};
use tokio::time::timeout;

use crate::Shared;
use crate::authorization::{Caller, Scope};
use crate::problem::{Problem, catalogue};
use crate::recording::Record;
use drover_serving::PeerAddress;

/// The cookie of a session.
pub(crate) const COOKIE: &str = "drover_session";
/// What a request by a session shows beside it if it could change something.
pub(crate) const CSRF_TOKEN: HeaderName = HeaderName::from_static("x-csrf-token");

/// What nobody has to show anything for: it is where people get what they show.
const OPEN: [(Method, &str); 1] = [(Method::POST, "/sessions")];

/// How long the database may take to look up a key before it counts as out of reach.
const PATIENCE: Duration = Duration::from_secs(5);

/// The session that a request was made by.
#[derive(Clone, Debug)]
pub(crate) struct CurrentSession(pub(crate) Arc<OpenSession>);

/// A session, its account, and the token that is to be shown beside it.
#[derive(Debug)]
pub(crate) struct OpenSession {
    pub(crate) session: Session,
    pub(crate) account: Resource,
    pub(crate) token: String,
}

/// Lets only those pass who show what is allowed to use the API.
pub(crate) async fn require(
    State(shared): State<Arc<Shared>>,
    mut request: Request,
    next: Next,
) -> Response {
    let is_open = |(method, path): &(Method, &str)| {
        request.method() == method && request.uri().path() == *path
    };
    if OPEN.iter().any(is_open) {
        return next.run(request).await;
    }
    let identified = identify_whole(&shared, request.headers()).await;
    let checked = identified.and_then(|identified| {
        identified.refuse_forged(request.method(), request.headers())?;
        Ok(identified)
    });
    match checked {
        Ok(identified) => {
            let from = request.extensions().get::<PeerAddress>();
            let from: Option<IpAddr> = from.map(|peer| peer.0);
            let extensions = request.extensions_mut();
            extensions.insert(Caller {
                from,
                ..identified.caller
            });
            if let Some((session, _)) = identified.session {
                extensions.insert(CurrentSession(session));
            }
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

/// Whoever shows what stands in some headers.
///
/// # Errors
/// That it is nothing that is allowed to use the API.
pub(crate) async fn identify(shared: &Shared, headers: &HeaderMap) -> Result<Caller, Problem> {
    Ok(identify_whole(shared, headers).await?.caller)
}

struct Identified {
    caller: Caller,
    session: Option<(Arc<OpenSession>, SessionText)>,
}

impl Identified {
    /// Refuses what somebody else's page may have made a browser ask.
    fn refuse_forged(&self, method: &Method, headers: &HeaderMap) -> Result<(), Problem> {
        let Some((_, text)) = &self.session else {
            return Ok(());
        };
        let shown = headers.get(CSRF_TOKEN);
        let shown = shown.and_then(|token| token.to_str().ok());
        let is_ours = || shown.is_some_and(|token| text.has_token(token));
        match method.is_safe() || is_ours() {
            true => Ok(()),
            false => Err(Problem::new(
                &catalogue::CSRF,
                "a request by a session that changes something shows the session's token",
            )
            .with_hint("send `X-CSRF-Token`; GET /v1/sessions/current tells it as `csrfToken`")),
        }
    }
}

async fn identify_whole(shared: &Shared, headers: &HeaderMap) -> Result<Identified, Problem> {
    if headers.contains_key(header::AUTHORIZATION) {
        let text = bearer(headers).ok_or_else(Problem::unauthorized)?;
        let caller = by_credential(shared, text).await?;
        return Ok(Identified {
            caller,
            session: None,
        });
    }
    let text = session_of(headers).ok_or_else(Problem::unauthorized)?;
    let looking = shared.store.session(&text, shared.clock.now());
    let found = in_time(looking).await?;
    let (session, account) = found.ok_or_else(Problem::unauthorized)?;
    let open = OpenSession {
        token: text.token(),
        session,
        account,
    };
    Ok(Identified {
        caller: person(&open)?,
        session: Some((Arc::new(open), text)),
    })
}

async fn by_credential(shared: &Shared, text: &str) -> Result<Caller, Problem> {
    let kinds = [CredentialKind::ApiKey, CredentialKind::Agent];
    let shown = kinds
        .into_iter()
        .find_map(|kind| Some((kind, Presented::parse(kind, text)?)));
    let (kind, presented) = shown.ok_or_else(Problem::unauthorized)?;
    let verifying = shared.store.verify(kind, &presented, shared.clock.now());
    let verified = in_time(verifying).await?;
    let verified = verified.ok_or_else(Problem::unauthorized)?;
    match kind {
        CredentialKind::Agent => agent(&verified),
        _ => Ok(program(&verified)),
    }
}

/// A database that hangs is told of here, before anything else is begun.
async fn in_time<T>(reading: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    timeout(PATIENCE, reading)
        .await
        .unwrap_or(Err(StoreError::TimedOut(PATIENCE)))
}

/// Whoever holds a key. A key of one project is nothing in the rest of the installation, and so it is
/// at most a member.
fn program(verified: &Verified) -> Caller {
    let (role, scope) = match verified.project {
        None => (verified.role, Scope::Everything),
        Some(project) => {
            let role = verified.role.min(Role::Member);
            (role, Scope::Projects(vec![(project, role)]))
        }
    };
    Caller {
        credential: verified.id,
        account: verified.account,
        role,
        scope,
        expires: verified.expires,
        from: None,
        record: Record::default(),
    }
}

fn agent(verified: &Verified) -> Result<Caller, Problem> {
    let own = verified.owner.ok_or_else(Problem::unauthorized)?;
    Ok(Caller {
        credential: verified.id,
        account: None,
        role: Role::Agent,
        scope: Scope::Agent(own),
        expires: None,
        from: None,
        record: Record::default(),
    })
}

/// Whoever has logged in. A person without any project sees nothing but what is their own.
fn person(open: &OpenSession) -> Result<Caller, Problem> {
    let Details::Account { spec, .. } = &open.account.details else {
        return Err(Problem::internal());
    };
    let (role, scope) = standing(spec, open.account.id);
    Ok(Caller {
        credential: open.session.id,
        account: Some(open.account.id),
        role,
        scope,
        expires: None,
        from: None,
        record: Record::default(),
    })
}

fn standing(spec: &AccountSpec, account: ResourceId) -> (Role, Scope) {
    if spec.operator {
        return (Role::Operator, Scope::Everything);
    }
    let projects = spec.memberships.iter();
    let projects = projects.map(|own| (own.project_id, Role::from(own.role)));
    match spec.highest_role() {
        Some(role) => (role, Scope::Projects(projects.collect())),
        None => (Role::Agent, Scope::Agent(account)),
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, text) = headers
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?
        .split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| text.trim())
}

fn session_of(headers: &HeaderMap) -> Option<SessionText> {
    let cookies = headers.get_all(header::COOKIE).into_iter();
    let cookies = cookies.filter_map(|value| value.to_str().ok());
    cookies
        .flat_map(|value| value.split(';'))
        .filter_map(|cookie| cookie.trim().split_once('='))
        .find_map(|(name, value)| (name == COOKIE).then(|| SessionText::parse(value))?)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use drover_domain::resource::{Membership, ProjectRole};
    use uuid::Uuid;

    use super::*;

    fn id(number: u128) -> ResourceId {
        ResourceId::new(Uuid::from_u128(number))
    }

    fn verified(role: Role, project: Option<ResourceId>) -> Verified {
        Verified {
            id: Uuid::nil(),
            owner: Some(id(1)),
            account: Some(id(2)),
            project,
            role,
            expires: None,
        }
    }

    #[test]
    fn a_key_of_one_project_is_nothing_elsewhere() {
        let key = program(&verified(Role::Member, Some(id(7))));
        assert_eq!(key.role_in(id(7)), Some(Role::Member));
        assert_eq!(key.role_in(id(8)), None);
        let odd = program(&verified(Role::Operator, Some(id(7))));
        assert_eq!(odd.role, Role::Member);
        let everywhere = program(&verified(Role::Viewer, None));
        assert_eq!(everywhere.role_in(id(8)), Some(Role::Viewer));
    }

    #[test]
    fn a_person_is_what_the_account_is_now() {
        let membership = |number, role| Membership {
            project_id: id(number),
            role,
        };
        let mut spec = AccountSpec {
            operator: false,
            memberships: vec![
                membership(1, ProjectRole::Viewer),
                membership(2, ProjectRole::Member),
            ],
        };
        let (role, scope) = standing(&spec, id(9));
        assert_eq!(role, Role::Member);
        let roles = vec![(id(1), Role::Viewer), (id(2), Role::Member)];
        assert_eq!(scope, Scope::Projects(roles));
        spec.memberships.clear();
        assert_eq!(standing(&spec, id(9)).1, Scope::Agent(id(9)));
        spec.operator = true;
        assert_eq!(standing(&spec, id(9)).1, Scope::Everything);
    }

    #[test]
    fn the_session_is_found_among_other_cookies() {
        let mut headers = HeaderMap::new();
        let value = format!("theme=dark; {COOKIE}={}_secret; a=b", Uuid::nil().simple());
        let value = HeaderValue::from_str(&value).unwrap();
        headers.insert(header::COOKIE, value);
        let text = session_of(&headers).unwrap();
        assert!(text.reveal().ends_with("_secret"));
        let other = HeaderValue::from_static("xdrover_session=1_2; drover_session");
        headers.insert(header::COOKIE, other);
        assert!(session_of(&headers).is_none());
    }
}
