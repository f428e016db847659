//! How to reach NATS, and how the client is to behave.

use std::fmt;
use std::time::Duration;

use async_nats::{ConnectOptions, ServerAddr};
use rand::RngExt;

use crate::BusError;

/// Messages that the client holds for a subscription before it loses some.
const QUEUE: usize = 8192;

/// Commands on their way to the server before publishers have to wait.
const SEND_QUEUE: usize = 2048;

/// A server that does not answer two of these in a row is taken for dead.
const PING: Duration = Duration::from_secs(5);

/// How long one attempt to connect may take.
const ATTEMPT: Duration = Duration::from_secs(3);

/// The pause before the second attempt to reconnect; it doubles from there on.
const FIRST_PAUSE: Duration = Duration::from_millis(20);

/// The longest pause between attempts to reconnect.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// How to reach NATS.
#[derive(Clone, Default)]
pub struct NatsOptions {
    /// Addresses as `nats://host:4222` or `tls://host:4222`; one at least. The first that carries a
    /// user and a password, as `nats://user:password@host:4222`, gives them for all.
    pub servers: Vec<String>,
    /// What the NATS server calls this client in its lists; the server's id serves well.
    pub name: String,
    /// A user and its password, where the server asks for them.
    pub user: Option<(String, String)>,
    /// A token, where the server asks for one.
    pub token: Option<String>,
}

impl fmt::Debug for NatsOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers: Vec<&str> = self.servers.iter().map(|server| host(server)).collect();
        formatter
            .debug_struct("NatsOptions")
            .field("servers", &servers)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// The addresses, checked.
pub(crate) fn addresses(options: &NatsOptions) -> Result<Vec<ServerAddr>, BusError> {
    if options.servers.is_empty() {
        return Err(BusError::Configuration(
            "no address of a NATS server".to_owned(),
        ));
    }
    options
        .servers
        .iter()
        .map(|server| {
            server.parse().map_err(|_| {
                BusError::Configuration(format!("`{}` is no address of NATS", host(server)))
            })
        })
        .collect()
}

/// The user and the password of the first address that carries them, as `nats://user:password@host`.
fn credentials(addresses: &[ServerAddr]) -> Option<(String, String)> {
    addresses.iter().find_map(|address| {
        let user = address.username()?;
        Some((
            user.to_owned(),
            address.password().unwrap_or_default().to_owned(),
        ))
    })
}

/// What stands behind the credentials that an address may carry.
fn host(address: &str) -> &str {
    address.rsplit_once('@').map_or(address, |(_, host)| host)
}

/// The client's settings.
pub(crate) fn connect_options(options: &NatsOptions) -> ConnectOptions {
    let mut connect = ConnectOptions::new()
        .name(&options.name)
        .retry_on_initial_connect()
        .max_reconnects(None)
        .reconnect_delay_callback(pause)
        .connection_timeout(ATTEMPT)
        .ping_interval(PING)
        .subscription_capacity(QUEUE)
        .client_capacity(SEND_QUEUE);
    let in_address = addresses(options)
        .ok()
        .and_then(|addresses| credentials(&addresses));
    if let Some((user, password)) = options.user.clone().or(in_address) {
        connect = connect.user_and_password(user, password);
    }
    if let Some(token) = &options.token {
        connect = connect.token(token.clone());
    }
    connect
}

/// The pause before an attempt to connect, the first of which is 1. The jitter keeps the servers of
/// an installation from coming back all at once.
fn pause(attempt: usize) -> Duration {
    let doublings = u32::try_from(attempt.saturating_sub(1))
        .unwrap_or(u32::MAX)
        .min(16);
    let longest = if doublings == 0 {
        Duration::ZERO
    } else {
        (FIRST_PAUSE * 2_u32.pow(doublings - 1)).min(LONGEST_PAUSE)
    };
    longest.mul_f64(rand::rng().random_range(0.5..=1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_and_stay_there() {
        assert_eq!(pause(1), Duration::ZERO);
        assert!((Duration::from_millis(10)..=FIRST_PAUSE).contains(&pause(2)));
        for attempt in [12, 1_000, usize::MAX] {
            assert!((LONGEST_PAUSE / 2..=LONGEST_PAUSE).contains(&pause(attempt)));
        }
    }

    #[test]
    fn a_user_in_an_address_is_used() {
        let servers = vec![
            "nats://a:4222".to_owned(),
            "nats://drover:geheim@b:4222".to_owned(),
        ];
        let options = NatsOptions {
            servers,
            ..NatsOptions::default()
        };
        let found = credentials(&addresses(&options).unwrap());
        assert_eq!(found, Some(("drover".to_owned(), "geheim".to_owned())));
    }

    #[test]
    fn credentials_show_neither_in_a_debug_line_nor_in_an_error() {
        let options = NatsOptions {
            servers: vec!["http://drover:geheim@bus:4222".to_owned()],
            user: Some(("drover".to_owned(), "geheim".to_owned())),
            token: Some("geheim".to_owned()),
            ..NatsOptions::default()
        };
        let error = addresses(&options).unwrap_err();
        for text in [
            format!("{options:?}"),
            error.to_string(),
            format!("{error:?}"),
        ] {
            assert!(!text.contains("geheim"), "{text}");
            assert!(text.contains("bus:4222"), "{text}");
        }
    }
}
