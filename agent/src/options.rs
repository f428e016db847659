//! What an agent can be told at its start.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use drover_proto::registration::{EVENTS_PATH, REGISTER_PATH};
use drover_proto::stream::AGENT_STREAMS_PATH;
use reqwest::Url;

/// What an agent can be told at its start.
#[derive(Clone, Debug)]
pub struct Options {
    /// The agent servers, tried in turn. At least one.
    pub servers: Vec<ServerAddress>,
    /// What the agent introduces itself with; not needed once it is registered.
    pub registration_token: Option<RegistrationToken>,
    /// A directory of this agent's own; it is made if need be. Its credential is kept there.
    pub data_dir: PathBuf,
    /// The name of the host, for people; the machine's own if absent.
    pub host_name: Option<String>,
    /// Labels for the host.
    pub labels: BTreeMap<String, String>,
    /// Whether a server that is not on this machine may be spoken to without encryption.
    pub allow_plain_http: bool,
    /// A file of certificates in PEM to trust instead of the platform's.
    pub ca_file: Option<PathBuf>,
}

impl Options {
    /// Options for one server, with nothing else said.
    pub fn new(server: ServerAddress, data_dir: impl Into<PathBuf>) -> Self {
        Self {
            servers: vec![server],
            registration_token: None,
            data_dir: data_dir.into(),
            host_name: None,
            labels: BTreeMap::new(),
            allow_plain_http: false,
            ca_file: None,
        }
    }
}

/// A registration token, as `drt_<id>_<secret>`. It is never shown.
#[derive(Clone)]
pub struct RegistrationToken(String);

impl RegistrationToken {
    /// Takes the text of a token, which may have white space around it.
    pub fn new(text: &str) -> Self {
        Self(text.trim().to_owned())
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<&str> for RegistrationToken {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl fmt::Debug for RegistrationToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("RegistrationToken(…)")
    }
}

/// Where an agent server is: `http://` or `https://`, a host, and perhaps a port and a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerAddress(Url);

/// The text is no address of an agent server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no address of an agent server: {reason}")]
pub struct ServerAddressError {
    text: String,
    reason: String,
}

impl FromStr for ServerAddress {
    type Err = ServerAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = |reason: &str| ServerAddressError {
            text: text.to_owned(),
            reason: reason.to_owned(),
        };
        let url = Url::parse(text.trim()).map_err(|error| refuse(&error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(refuse("it begins with http:// or https://"));
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(refuse("it names no host"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            // Not repeated here, for it may hold a password.
            return Err(ServerAddressError {
                text: "…".to_owned(),
                reason: "it must not hold a user or a password".to_owned(),
            });
        }
        Ok(Self(url))
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

impl ServerAddress {
    /// Whether what is said to it can be read on the way.
    pub(crate) fn is_plain(&self) -> bool {
        self.0.scheme() == "http"
    }

    /// Whether it is on this machine for certain.
    pub(crate) fn is_loopback(&self) -> bool {
        let Some(host) = self.0.host_str() else {
            return false;
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }

    pub(crate) fn register_url(&self) -> String {
        format!("{self}{REGISTER_PATH}")
    }

    /// The address of the WebSocket: `ws://` for `http://`, `wss://` for `https://`.
    pub(crate) fn events_url(&self) -> String {
        self.socket_url(EVENTS_PATH)
    }

    /// The address of the WebSocket of a stream.
    pub(crate) fn stream_url(&self, stream: &str) -> String {
        self.socket_url(&format!("{AGENT_STREAMS_PATH}/{stream}"))
    }

    fn socket_url(&self, path: &str) -> String {
        let text = self.to_string();
        let rest = text.strip_prefix("http").unwrap_or(&text);
        format!("ws{rest}{path}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> ServerAddress {
        text.parse().unwrap()
    }

    #[test]
    fn addresses_lead_to_both_calls() {
        let plain = address("http://127.0.0.1:8090/");
        assert_eq!(
            plain.register_url(),
            "http://127.0.0.1:8090/agent/v1/register"
        );
        assert_eq!(plain.events_url(), "ws://127.0.0.1:8090/agent/v1/events");
        let below = address("https://example.org/drover");
        assert_eq!(
            below.events_url(),
            "wss://example.org/drover/agent/v1/events"
        );
        assert_eq!(
            below.stream_url("5"),
            "wss://example.org/drover/agent/v1/streams/5"
        );
    }

    #[test]
    fn only_this_machine_is_loopback() {
        for text in ["http://localhost:1", "http://127.0.0.9:1", "http://[::1]:1"] {
            assert!(address(text).is_loopback(), "{text}");
        }
        for text in [
            "http://10.0.0.1",
            "http://localhost.example.org",
            "http://[2001:db8::1]",
        ] {
            assert!(!address(text).is_loopback(), "{text}");
        }
    }

    #[test]
    fn other_addresses_are_refused_and_passwords_not_repeated() {
        assert!("ftp://x".parse::<ServerAddress>().is_err());
        assert!("nonsense".parse::<ServerAddress>().is_err());
        let error = "http://me:hunter2@host"
            .parse::<ServerAddress>()
            .unwrap_err();
        assert!(!error.to_string().contains("hunter2"));
    }

    #[test]
    fn a_token_is_never_shown() {
        let options = Options {
            registration_token: Some(RegistrationToken::new("drt_x_secret")),
            ..Options::new(address("http://localhost:1"), "/tmp")
        };
        assert!(!format!("{options:?}").contains("secret"));
    }
}
