//! Sessions: people log in, and what guards them.

use anyhow::{Context, Result, ensure};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::people::{account, membership, project, somebody};
use crate::facts;
use crate::installation::{Drover, Reply, id_of, send};

const PASSWORD: &str = "correct horse battery";

/// All facts of this theme.
pub async fn hold(drover: &Drover) {
    facts![
        drover;
        whoever_knows_the_password_logs_in_and_out,
        a_change_by_a_session_takes_its_token,
        a_person_is_in_each_project_what_the_account_is_there,
        people_change_their_own_password_and_their_other_sessions_end,
        who_logged_in_can_be_read,
        a_login_from_another_site_is_refused,
        a_name_that_failed_too_often_is_held_back,
    ]
    .hold()
    .await;
}

/// A person who has logged in.
struct Person {
    cookie: String,
    session: Value,
}

impl Person {
    fn request(&self, drover: &Drover, method: Method, path: &str) -> RequestBuilder {
        let request = drover.api.without_key(method, path);
        request.header("cookie", &self.cookie)
    }

    async fn get(&self, drover: &Drover, path: &str) -> Result<Reply> {
        send(self.request(drover, Method::GET, path)).await
    }

    /// Changes something, with the token.
    async fn change(
        &self,
        drover: &Drover,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Result<Reply> {
        let token = self.session["csrfToken"].as_str().context("a token")?;
        let request = self.request(drover, method, path);
        send(request.header("x-csrf-token", token).json(body)).await
    }
}

async fn try_to_log_in(drover: &Drover, name: &str, password: &str) -> Result<Reply> {
    let shown = json!({ "name": name, "password": password });
    send(
        drover
            .api
            .without_key(Method::POST, "/v1/sessions")
            .json(&shown),
    )
    .await
}

async fn log_in(drover: &Drover, name: &str, password: &str) -> Result<Person> {
    let reply = try_to_log_in(drover, name, password).await?;
    let cookie = reply.header("set-cookie").to_owned();
    let session = reply.expect(201)?;
    for part in ["Path=/", "HttpOnly", "SameSite=Strict"] {
        ensure!(cookie.contains(part), "the cookie is without {part}");
    }
    let (cookie, _) = cookie.split_once(';').context("a cookie")?;
    ensure!(cookie.starts_with("drover_session="), "another cookie");
    Ok(Person {
        cookie: cookie.to_owned(),
        session,
    })
}

async fn whoever_knows_the_password_logs_in_and_out(drover: &Drover) -> Result<()> {
    let id = account(
        drover,
        "in-and-out",
        json!({ "operator": true, "password": PASSWORD }),
    );
    let id = id.await?;
    let refused = try_to_log_in(drover, "in-and-out", "another one").await?;
    refused.problem(401, "login.refused")?;
    let person = log_in(drover, "in-and-out", PASSWORD).await?;
    for _ in 0..2 {
        let current = person.get(drover, "/v1/sessions/current").await?;
        let current = current.expect(200)?;
        ensure!(current == person.session, "{current} {}", person.session);
        ensure!(current["accountId"] == id, "it is {current}");
        ensure!(current["role"] == "operator", "it is {current}");
        person.get(drover, "/v1/accounts").await?.expect(200)?;
    }
    let read = drover.api.get(&format!("/v1/accounts/{id}")).await?;
    let read = read.expect(200)?;
    ensure!(read["lastLogin"].is_string(), "it is {read}");
    ensure!(
        !read.to_string().contains("argon2"),
        "it shows the password"
    );

    let current = "/v1/sessions/current";
    let nothing = json!({});
    let out = person.change(drover, Method::DELETE, current, &nothing);
    let out = out.await?;
    ensure!(out.header("set-cookie").contains("Max-Age=0"), "it is kept");
    out.expect(204)?;
    for _ in 0..2 {
        let over = person.get(drover, "/v1/accounts").await?;
        over.problem(401, "unauthorized")?;
    }
    let by_key = drover.api.get(current).await?;
    by_key.problem(404, "notFound").map(drop)
}

async fn a_change_by_a_session_takes_its_token(drover: &Drover) -> Result<()> {
    let fields = json!({ "operator": true, "password": PASSWORD });
    account(drover, "forged", fields.clone()).await?;
    account(drover, "forger", fields).await?;
    let person = log_in(drover, "forged", PASSWORD).await?;
    let other = log_in(drover, "forger", PASSWORD).await?;
    let foreign = other.session["csrfToken"].as_str().context("a token")?;
    let new = json!({ "name": "by-a-session" });
    for token in [None, Some(""), Some("made-up"), Some(foreign)] {
        let mut request = person.request(drover, Method::POST, "/v1/projects");
        if let Some(token) = token {
            request = request.header("x-csrf-token", token);
        }
        send(request.json(&new)).await?.problem(403, "csrf")?;
    }
    let current = "/v1/sessions/current";
    let out = send(person.request(drover, Method::DELETE, current)).await?;
    out.problem(403, "csrf")?;
    let made = person.change(drover, Method::POST, "/v1/projects", &new);
    made.await?.expect(201).map(drop)
}

async fn a_person_is_in_each_project_what_the_account_is_there(drover: &Drover) -> Result<()> {
    let (own, looked_at) = (
        project(drover, "own").await?,
        project(drover, "looked-at").await?,
    );
    let (foreign, _) = somebody(drover, "foreign", "member").await?;
    let person = json!({ "password": PASSWORD, "memberships": [
        { "projectId": own, "role": "member" },
        { "projectId": looked_at, "role": "viewer" },
    ] });
    let id = account(drover, "two-projects", person).await?;
    let person = log_in(drover, "two-projects", PASSWORD).await?;
    for (project, status) in [(&own, 202), (&looked_at, 403), (&foreign, 422)] {
        let new = drover.hello(json!({ "projectId": project }));
        let made = person.change(drover, Method::POST, "/v1/containers", &new);
        made.await?.expect(status)?;
    }
    let seen = person.get(drover, "/v1/projects").await?.expect(200)?;
    let seen = seen["data"].as_array().map(Vec::len);
    ensure!(seen == Some(2), "it sees {seen:?} projects");
    let path = format!("/v1/accounts/{id}");
    let less = membership(&own, "viewer");
    drover.api.patch(&path, &less).await?.expect(200)?;
    let over = person.get(drover, "/v1/containers").await?;
    over.problem(401, "unauthorized")?;
    let again = log_in(drover, "two-projects", PASSWORD).await?;
    ensure!(again.session["role"] == "viewer", "it is {}", again.session);
    Ok(())
}

async fn people_change_their_own_password_and_their_other_sessions_end(
    drover: &Drover,
) -> Result<()> {
    let project = project(drover, "passwords").await?;
    let mut fields = membership(&project, "viewer");
    fields["password"] = json!("too few");
    fields["name"] = json!("passwords");
    let short = drover.api.post("/v1/accounts", &fields).await?;
    let short = short.problem(422, "invalid")?;
    ensure!(
        short["field"] == "password",
        "the field is {}",
        short["field"]
    );
    fields["password"] = json!(PASSWORD);
    let id = account(drover, "passwords", fields).await?;
    let other = account(drover, "passwords-other", membership(&project, "viewer")).await?;
    let (stays, ends) = (
        log_in(drover, "passwords", PASSWORD).await?,
        log_in(drover, "passwords", PASSWORD).await?,
    );
    let path = format!("/v1/accounts/{id}/setPassword");
    let set = |body: Value| {
        let (stays, path) = (&stays, &path);
        async move { stays.change(drover, Method::POST, path, &body).await }
    };
    let new = "another horse";
    for wrong in [
        json!({ "password": new }),
        json!({ "password": new, "currentPassword": "a guess" }),
    ] {
        let problem = set(wrong).await?.problem(422, "invalid")?;
        ensure!(problem["field"] == "currentPassword", "it is {problem}");
    }
    let right = json!({ "password": new, "currentPassword": PASSWORD });
    set(right.clone()).await?.expect(204)?;
    stays.get(drover, "/v1/hosts").await?.expect(200)?;
    let over = ends.get(drover, "/v1/hosts").await?;
    over.problem(401, "unauthorized")?;
    let old = try_to_log_in(drover, "passwords", PASSWORD).await?;
    old.problem(401, "login.refused")?;
    log_in(drover, "passwords", new).await?;
    let others = format!("/v1/accounts/{other}/setPassword");
    let others = stays.change(drover, Method::POST, &others, &right).await?;
    others.problem(404, "notFound")?;
    let reset = json!({ "password": "by the operator" });
    drover.api.post(&path, &reset).await?.expect(204)?;
    let over = stays.get(drover, "/v1/hosts").await?;
    over.problem(401, "unauthorized").map(drop)
}

async fn who_logged_in_can_be_read(drover: &Drover) -> Result<()> {
    let project = project(drover, "history").await?;
    let mut fields = membership(&project, "viewer");
    fields["password"] = json!(PASSWORD);
    let id = account(drover, "history", fields).await?;
    let refused = try_to_log_in(drover, "history", "another one").await?;
    refused.problem(401, "login.refused")?;
    let nobody = try_to_log_in(drover, "history-nobody", PASSWORD).await?;
    nobody.problem(401, "login.refused")?;
    let person = log_in(drover, "history", PASSWORD).await?;
    let own = person.get(drover, "/v1/logins").await?.expect(200)?;
    let outcomes: Vec<&Value> = own["data"]
        .as_array()
        .context("a collection")?
        .iter()
        .map(|login| &login["outcome"])
        .collect();
    ensure!(outcomes == ["succeeded", "failed"], "it is {own}");
    ensure!(own["data"][0]["from"] == "127.0.0.1", "it is {own}");
    ensure!(own["data"][0]["accountId"] == id, "it is {own}");
    let all = drover.api.list("/v1/logins?limit=1000").await?;
    ensure!(
        all.iter().any(|login| login["name"] == "history-nobody"),
        "operators see those of nobody too"
    );
    let page = drover.api.get("/v1/logins?limit=1").await?.expect(200)?;
    let next = page["links"]["next"].as_str().context("a next page")?;
    let next = drover.api.list(next).await?;
    ensure!(
        next.first().map(id_of).transpose()? != Some(id_of(&page["data"][0])?),
        "the same"
    );
    Ok(())
}

/// What browsers say of a request that a page of another site makes them send.
async fn a_login_from_another_site_is_refused(drover: &Drover) -> Result<()> {
    account(drover, "other-site", json!({ "password": PASSWORD })).await?;
    let shown = json!({ "name": "other-site", "password": PASSWORD });
    let request = drover.api.without_key(Method::POST, "/v1/sessions");
    let request = request.header("sec-fetch-site", "cross-site");
    send(request.json(&shown)).await?.problem(403, "csrf")?;
    // Whoever is in no project sees nothing but who they are.
    let person = log_in(drover, "other-site", PASSWORD).await?;
    let nothing = person.get(drover, "/v1/containers").await?;
    nothing.problem(404, "notFound").map(drop)
}

/// By whichever server; the right password is held back as well.
async fn a_name_that_failed_too_often_is_held_back(drover: &Drover) -> Result<()> {
    account(drover, "guessed", json!({ "password": PASSWORD })).await?;
    account(drover, "not-guessed", json!({ "password": PASSWORD })).await?;
    for _ in 0..5 {
        let refused = try_to_log_in(drover, "guessed", "a guess").await?;
        refused.problem(401, "login.refused")?;
    }
    for password in ["a guess", PASSWORD, PASSWORD] {
        let held = try_to_log_in(drover, "guessed", password).await?;
        let pause: u64 = held.header("retry-after").parse()?;
        ensure!((1..=900).contains(&pause), "it asks to wait for {pause} s");
        held.problem(429, "login.throttled")?;
    }
    log_in(drover, "not-guessed", PASSWORD).await.map(drop)
}
