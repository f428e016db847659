//! `/v1/accounts`: who uses Drover. Operators make, change and remove accounts; whoever has one changes
//! its password.

use std::borrow::Cow;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use drover_domain::resource::{AccountSpec, AccountStatus, Details, Invalid};
use drover_domain::{Resource, ResourceId, ResourceType, Role, State as ResourceState};
use drover_store::{AccountError, Attached, LoginError, Mutated, NewPassword};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::removal::Removal;
use super::sessions::Origin;
use super::updates::Changeable;
use super::{Id, made};
use crate::Shared;
use crate::answer::{Made, NoContent, Reply};
use crate::authorization::Caller;
use crate::body::{self, FromObject, JsonBody};
use crate::conditional::Precondition;
use crate::new::New;
use crate::problem::catalogue::{ACCOUNT_NAME, LOGIN_THROTTLED, NOT_FOUND};
use crate::problem::{Problem, catalogue};
use crate::query::{Nothing, Strict};
use crate::recording::{Answered, Repeatable, Subject};
use crate::representation::{Account, Kind, Shown, add_fields};
use crate::routes::{Needs, Routes, about};

/// The fewest characters of a password, as NIST asks for in SP 800-63B.
const SHORTEST_PASSWORD: usize = 8;
/// The most. More would only cost time.
const LONGEST_PASSWORD: usize = 1_024;

/// An account, as a client asks for it.
struct Asked {
    new: New<Account>,
    password: Option<String>,
}

/// What only the making of an account takes.
#[derive(Deserialize, JsonSchema)]
struct Beside {
    /// What to log in with; nobody can if it is absent.
    #[serde(default)]
    #[schemars(length(min = 8, max = 1024))]
    password: Option<String>,
}

impl FromObject for Asked {
    fn from_object(mut object: Map<String, Value>) -> Result<Self, Problem> {
        let password = object.remove_entry("password");
        let Beside { password } = body::parse(password.into_iter().collect())?;
        let new = New::from_object(object)?;
        Ok(Self { new, password })
    }
}

impl JsonSchema for Asked {
    fn schema_name() -> Cow<'static, str> {
        "NewAccount".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = New::<Account>::json_schema(generator);
        add_fields(&mut schema, Beside::json_schema(generator));
        schema
    }
}

/// A new password.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "NewPassword")]
struct AskedPassword {
    /// What to log in with from now on.
    #[schemars(length(min = 8, max = 1024))]
    password: String,
    /// What it was until now; needed by whoever changes their own.
    #[schemars(length(max = 1024))]
    current_password: Option<String>,
}

impl FromObject for AskedPassword {
    fn from_object(object: Map<String, Value>) -> Result<Self, Problem> {
        body::parse(object)
    }
}

/// The addresses to make, change and remove accounts at.
pub(crate) fn routes(routes: Routes) -> Routes {
    let needs = Needs::to_change(ResourceType::Account);
    let tag = Account::NAMES;
    let create = about(needs, tag, "createAccount", "Makes an account");
    let remove = about(
        needs,
        tag,
        "deleteAccount",
        "Removes an account with its keys and sessions, at once",
    );
    let set_password = about(
        Needs::ANY,
        tag,
        "setPassword",
        "Sets the password of an account, one's own or, for operators, any; other sessions end",
    );
    routes
        .post("/accounts", create.fails(&[&ACCOUNT_NAME]), self::create)
        .delete("/accounts/{id}", remove, self::remove)
        .post(
            "/accounts/{id}/setPassword",
            set_password.fails(&[&NOT_FOUND, &LOGIN_THROTTLED]),
            self::set_password,
        )
}

async fn create(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Strict(Nothing {}): Strict<Nothing>,
    _: Repeatable,
    JsonBody(asked): JsonBody<Asked>,
) -> Result<Reply<Made, Shown<Account>>, Problem> {
    let Asked { new, password } = asked;
    if new.given.project_id.is_some() {
        return Err(Problem::invalid("projectId", "an account belongs to none"));
    }
    new.given.validate()?;
    named(&new.given.name)?;
    new.spec.validate()?;
    check_projects(&shared, &new.spec).await?;
    if let Some(password) = &password {
        check_password("password", password)?;
    }
    let New { given, spec } = new;
    let status = AccountStatus::default();
    let details = Details::Account { spec, status };
    let now = shared.clock.now();
    let account = given.resource(None, (ResourceState::Active, details), now);
    let (reply, attached) = made(&caller, &account)?;
    shared
        .store
        .make_account(&account, password, attached)
        .await?;
    shared.announcer.changed().await;
    Ok(reply)
}

async fn remove(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Id(id): Id,
    Strict(Nothing {}): Strict<Nothing>,
    read: Precondition,
) -> Result<NoContent, Problem> {
    let of = (ResourceType::Account, id);
    let removal = Removal::begin((&shared, &caller), of, &read).await?;
    removal
        .by(|target, now, attached| shared.store.remove_account(target, now, attached))
        .await
}

async fn set_password(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Id(id): Id,
    Strict(Nothing {}): Strict<Nothing>,
    _: Repeatable,
    origin: Origin,
    JsonBody(asked): JsonBody<AskedPassword>,
) -> Result<NoContent, Problem> {
    let is_own = caller.account == Some(id);
    if !is_own && caller.role != Role::Operator {
        return Err(Problem::not_found("account"));
    }
    let account = shared.store.resource(ResourceType::Account, id).await?;
    let account = account.filter(|account| account.removed.is_none());
    let account = account.ok_or_else(|| Problem::not_found("account"))?;
    check_password("password", &asked.password)?;
    if let Some(current) = &asked.current_password {
        check_length("currentPassword", current)?;
    }
    // An open session may have been left alone, and a key may be one of many; an operator's key may
    // do this to any account.
    let session = origin.session();
    let is_trusted = caller.role == Role::Operator && (!is_own || session.is_none());
    if !is_trusted && shared.store.has_password(id).await? {
        let current = asked.current_password.ok_or_else(|| {
            Problem::invalid("currentPassword", "is missing: you change your own")
        })?;
        let attempt = origin.attempt(account.name, current, shared.clock.now());
        let confirmed = shared.store.confirm_password(attempt).await;
        confirmed.map_err(|error| match error {
            LoginError::Refused => Problem::invalid("currentPassword", "is not the current one"),
            other => other.into(),
        })?;
    }
    let new = NewPassword {
        account: id,
        stays: session.filter(|_| is_own),
        now: shared.clock.now(),
    };
    let answered = Answered::without_body(StatusCode::NO_CONTENT);
    let attached = caller.attached(new.now, Subject::default(), answered);
    let set = shared.store.set_password(new, asked.password, attached);
    match set.await? {
        Mutated::Done => Ok(NoContent),
        Mutated::Moved => Err(Problem::not_found("account")),
        Mutated::Repeated => Err(Problem::repeated()),
    }
}

/// What is taken from an account is taken from its keys and sessions in the same transaction.
impl Changeable for Account {
    const FIELDS: &'static [&'static str] = &["operator", "memberships"];
    const PROBLEMS: &'static [&'static crate::problem::Kind] = &[&ACCOUNT_NAME];

    fn check(spec: &AccountSpec) -> Result<(), Invalid> {
        spec.validate()
    }

    async fn write(
        shared: &Shared,
        before: &Resource,
        changed: &Resource,
        attached: Attached,
    ) -> Result<bool, Problem> {
        let Details::Account { spec, .. } = &changed.details else {
            return Err(Problem::internal());
        };
        named(&changed.name)?;
        check_projects(shared, spec).await?;
        match shared
            .store
            .change_account(changed, before.version, attached)
            .await
        {
            Ok(()) => Ok(true),
            Err(AccountError::VersionMoved) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// Whatever people type to name it must have a name that can be typed.
pub(super) fn named(name: &str) -> Result<(), Invalid> {
    if name.trim().is_empty() {
        return Err(Invalid::new("name", "is missing"));
    }
    if name.trim() != name {
        return Err(Invalid::new("name", "begins or ends with a space"));
    }
    Ok(())
}

async fn check_projects(shared: &Shared, spec: &AccountSpec) -> Result<(), Problem> {
    let ids: Vec<ResourceId> = spec
        .memberships
        .iter()
        .map(|membership| membership.project_id)
        .collect();
    let known = shared.store.projects_among(&ids).await?;
    let unknown = ids.iter().position(|id| !known.contains(id));
    match unknown {
        None => Ok(()),
        Some(index) => Err(Problem::invalid(
            format!("memberships[{index}].projectId"),
            "there is no such project",
        )),
    }
}

fn check_password(field: &str, password: &str) -> Result<(), Problem> {
    if password.chars().count() < SHORTEST_PASSWORD {
        let reason = format!("has fewer than {SHORTEST_PASSWORD} characters");
        return Err(Problem::invalid(field, reason));
    }
    check_length(field, password)
}

/// Checks that a text is not longer than any password.
pub(super) fn check_length(field: &str, password: &str) -> Result<(), Problem> {
    match password.chars().count() > LONGEST_PASSWORD {
        false => Ok(()),
        true => Err(Problem::invalid(
            field,
            format!("has more than {LONGEST_PASSWORD} characters"),
        )),
    }
}

impl From<AccountError> for Problem {
    fn from(error: AccountError) -> Self {
        let detail = error.to_string();
        match error {
            AccountError::NameTaken => {
                Self::new(&catalogue::ACCOUNT_NAME, detail).with_field("name")
            }
            AccountError::VersionMoved => Self::conflict(detail),
            AccountError::Repeated => Self::repeated(),
            AccountError::Store(error) => error.into(),
        }
    }
}
