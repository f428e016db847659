//! Registration: a token and a key in, an identity out.
//!
//! The servers are asked in turn, for as long as it takes: a server that is not up yet is the usual
//! case at the start of a machine. A refusal is tried again as well, more slowly, because a token
//! may be renewed and a database restored; the log tells a person what the server said.

use std::sync::Arc;
use std::time::Duration;

use drover_domain::resource::HostFacts;
use drover_proto::registration::{Registered, Registration};
use reqwest::StatusCode;
use rustls::ClientConfig;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::backoff::Backoff;
use crate::identity::Identity;
use crate::options::{Options, ServerAddress};

const ANSWER_WITHIN: Duration = Duration::from_secs(15);
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// No answer to a registration is longer, in bytes.
const ANSWER_LIMIT: usize = 64 * 1024;

#[derive(Debug, thiserror::Error)]
enum RegistrationError {
    #[error("the server refuses: {status} {detail}")]
    Refused { status: StatusCode, detail: String },
    #[error("the answer is longer than a registration can be")]
    TooLong,
    #[error("the answer is not a registration")]
    Malformed(#[from] serde_json::Error),
    #[error("the server cannot be spoken to")]
    Http(#[from] reqwest::Error),
}

/// The part of a problem (RFC 9457) that is of use in a log.
#[derive(Deserialize)]
struct Problem {
    #[serde(default)]
    detail: String,
}

/// Registers, for as long as it takes. `None` if the program is to end first.
pub(crate) async fn register(
    options: &Options,
    tls: &Arc<ClientConfig>,
    registration: &Registration,
    shutdown: &CancellationToken,
) -> Option<Identity> {
    let mut soon = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
    let mut later = Backoff::new(Duration::from_secs(2), Duration::from_secs(30));
    for server in options.servers.iter().cycle() {
        let answer = tokio::select! {
            () = shutdown.cancelled() => return None,
            answer = ask(server, tls, registration) => answer,
        };
        let backoff = match answer {
            Ok(registered) => {
                info!(
                    %server,
                    agent_id = %registered.agent_id,
                    host_id = %registered.host_id,
                    "registered"
                );
                return Some(registered.into());
            }
            Err(error) => {
                let refused = matches!(
                    &error,
                    RegistrationError::Refused { status, .. } if status.is_client_error()
                );
                warn!(%server, error = %Chain(&error), "cannot register; trying again");
                if refused { &mut later } else { &mut soon }
            }
        };
        if !backoff.pause(shutdown).await {
            return None;
        }
    }
    None
}

async fn ask(
    server: &ServerAddress,
    tls: &Arc<ClientConfig>,
    registration: &Registration,
) -> Result<Registered, RegistrationError> {
    // Made for each try: registrations are rare, and an idle client is memory for nothing.
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(ClientConfig::clone(tls))
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .connect_timeout(CONNECT_WITHIN)
        .timeout(ANSWER_WITHIN)
        .build()?;
    let mut response = client
        .post(server.register_url())
        .json(registration)
        .send()
        .await?;
    let status = response.status();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > ANSWER_LIMIT {
            return Err(RegistrationError::TooLong);
        }
        body.extend_from_slice(&chunk);
    }
    if !status.is_success() {
        let detail = serde_json::from_slice::<Problem>(&body)
            .map(|problem| problem.detail)
            .unwrap_or_default();
        return Err(RegistrationError::Refused { status, detail });
    }
    Ok(serde_json::from_slice(&body)?)
}

/// The registration of this agent as it is now.
pub(crate) fn registration(
    options: &Options,
    token: &str,
    agent_key: &str,
    facts: HostFacts,
) -> Registration {
    let name = options
        .host_name
        .clone()
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| facts.hostname.clone());
    Registration {
        token: token.to_owned(),
        agent_key: agent_key.to_owned(),
        name,
        labels: options.labels.clone(),
        facts,
    }
}

/// An error with its sources, in one line.
pub(crate) struct Chain<'a>(pub(crate) &'a (dyn std::error::Error + 'static));

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(formatter, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}
