//! `/v1/logins`: who logged in, and who tried to.

use std::sync::Arc;

use axum::extract::State;
use axum::http::Uri;
use drover_domain::{ResourceId, Role, Timestamp};
use drover_store::{Login, LoginFilter};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Shared;
use crate::answer::{Reply, Told};
use crate::authorization::Caller;
use crate::problem::Problem;
use crate::query::Strict;
use crate::representation::Collection;
use crate::routes::{Needs, Routes, about};

/// The most items of a page, and as many as it has if the client does not say.
const HIGHEST_LIMIT: u64 = 1_000;
const USUAL_LIMIT: u64 = 100;

/// The query of the collection of logins.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ListLogins {
    /// Only of this account.
    account_id: Option<ResourceId>,
    /// The most items of a page.
    #[schemars(range(min = 1, max = 1000), extend("default" = 100))]
    limit: Option<u64>,
    /// The last item of the page before.
    marker: Option<Uuid>,
}

/// An attempt to log in.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Login")]
struct ShownLogin {
    /// Always `login`.
    #[schemars(extend("const" = "login"))]
    r#type: &'static str,
    id: Uuid,
    /// When.
    at: Timestamp,
    /// The name that was given.
    name: String,
    /// The account of that name, if there was one.
    account_id: Option<ResourceId>,
    /// Where it came from.
    from: Option<String>,
    /// The program that asked, as it called itself.
    user_agent: Option<String>,
    /// What became of it: `succeeded`, `failed`, or `confirmed` where the password was shown to
    /// change it.
    outcome: &'static str,
}

impl From<Login> for ShownLogin {
    fn from(login: Login) -> Self {
        Self {
            r#type: "login",
            id: login.id,
            at: login.at,
            name: login.name,
            account_id: login.account,
            from: login.from,
            user_agent: login.user_agent,
            outcome: login.outcome.as_str(),
        }
    }
}

/// The address of logins.
pub(crate) fn routes(routes: Routes) -> Routes {
    let list = about(
        Needs::ANY,
        "Logins",
        "listLogins",
        "Lists logins, the newest first: your own, or all if you are an operator",
    );
    routes.get("/logins", list, self::list)
}

async fn list(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Strict(query): Strict<ListLogins>,
    address: Uri,
) -> Result<Reply<Told, Collection<ShownLogin>>, Problem> {
    let limit = query.limit.unwrap_or(USUAL_LIMIT);
    if !(1..=HIGHEST_LIMIT).contains(&limit) {
        let says = format!("`limit` is 1 to {HIGHEST_LIMIT}");
        return Err(Problem::bad_query(says));
    }
    let wanted = match (caller.role, query.account_id, caller.account) {
        (Role::Operator, wanted, _) => Some(wanted),
        (_, None, Some(own)) => Some(Some(own)),
        (_, Some(wanted), own) if own == Some(wanted) => Some(own),
        // Those of others do not exist for the caller, and a key without an account has none.
        _ => None,
    };
    let mut logins = match wanted {
        None => Vec::new(),
        Some(account) => {
            let filter = LoginFilter {
                account,
                before: query.marker,
                // One more than asked for tells whether there is a next page.
                limit: limit + 1,
            };
            shared.store.logins(&filter).await?
        }
    };
    let has_more = logins.len() as u64 > limit;
    logins.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let next = logins.last().filter(|_| has_more);
    let next = next.map(|login| login.id.to_string());
    let data = logins.into_iter().map(ShownLogin::from).collect();
    let address = super::reading::full(&address);
    Ok(Reply::new(Collection::new(
        "login", data, &address, limit, next,
    )))
}
