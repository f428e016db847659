//! `drover token create`: a registration token, and the line that starts an agent with it.

use serde_json::{Value, json};

use super::Session;
use crate::arguments::{TokenArguments, TokenCommand, TokenCreateArguments};
use crate::failure::Failure;
use crate::render::escape::escape;

/// Where agents are served, unless the person says otherwise.
const AGENT_PORT: u16 = 8090;

/// Carries out the command.
///
/// # Errors
/// That of the call.
pub async fn token(session: &Session<'_>, arguments: &TokenArguments) -> Result<(), Failure> {
    match &arguments.command {
        TokenCommand::Create(arguments) => create(session, arguments).await,
    }
}

async fn create(session: &Session<'_>, arguments: &TokenCreateArguments) -> Result<(), Failure> {
    let mut body = json!({
        "maximumUses": arguments.maximum_uses,
        "expiresInSeconds": arguments.expires_in.map(|span| span.as_secs()),
    });
    if let Some(name) = &arguments.name {
        body["name"] = Value::from(name.as_str());
    }
    let created = session.client.post("/v1/registrationTokens", &body).await?;
    if session.terminal.wants_json() {
        return session.terminal.print_json(&created);
    }
    let Some(token) = created["token"].as_str() else {
        return Err(session
            .client
            .not_the_api("a new registration token shows no `token`"));
    };
    let server = match &arguments.agent_server {
        Some(server) => server.clone(),
        None => agent_server(&session.settings.server),
    };
    session
        .terminal
        .note("Start an agent on each host with this line; the token is not shown again:");
    let line = format!("drover-agent --server {server} --registration-token {token}");
    session.terminal.print(&escape(&line))
}

/// The agents' server beside an API server: the same machine, port 8090.
fn agent_server(api: &str) -> String {
    let Ok(mut address) = reqwest::Url::parse(api) else {
        return api.to_owned();
    };
    address.set_path("");
    address.set_query(None);
    match address.set_port(Some(AGENT_PORT)) {
        Ok(()) => address.as_str().trim_end_matches('/').to_owned(),
        Err(()) => api.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_are_served_beside_the_api() {
        assert_eq!(
            agent_server("http://127.0.0.1:8080"),
            "http://127.0.0.1:8090"
        );
        assert_eq!(
            agent_server("https://h.example/api"),
            "https://h.example:8090"
        );
        assert_eq!(agent_server("http://[::1]:8080"), "http://[::1]:8090");
    }
}
