//! What the services are wired to.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use drover_bus::EventBus;
use drover_configuration::Settings;
use drover_store::{Keyring, Store};
use drover_telemetry::health::Health;
use tokio::net::TcpListener;

/// Where the operator's key is written on the first start.
pub(crate) fn operator_key(data_dir: &Path) -> PathBuf {
    data_dir.join("operator.key")
}

/// Says which implementation of TLS is used. There is one for the whole program.
pub(crate) fn install_tls_provider() {
    if rustls::crypto::ring::default_provider()
        .install_default()
        .is_err()
    {
        tracing::debug!("a provider for TLS was installed before");
    }
}

/// Makes a directory for files that only the owner may read.
pub(crate) fn make_data_dir(path: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .with_context(|| format!("cannot make the data directory {}", path.display()))
}

/// The keys of secrets of a program that is all there is: those of the file that it was given, or one of its
/// own, which it makes.
pub(crate) fn own_keyring(settings: &Settings) -> anyhow::Result<Keyring> {
    let keyring = match &settings.secrets_key_file {
        Some(file) => Keyring::read(Some(file)),
        None => Keyring::read_or_make(&settings.data_dir.join("secrets.key")),
    };
    Ok(keyring?)
}

/// Seals with the first key what older ones have sealed.
pub(crate) async fn reseal(store: &Store) -> anyhow::Result<()> {
    let secrets = store.reseal().await?;
    if secrets > 0 {
        tracing::info!(
            secrets,
            "what older keys had sealed is sealed with the first one"
        );
    }
    Ok(())
}

/// Listens, with the address in the error.
pub(crate) async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}"))
}

/// How the API server is to behave.
pub(crate) fn api_options(settings: &Settings) -> anyhow::Result<drover_api_server::Options> {
    let tls = settings.tls()?;
    Ok(drover_api_server::Options {
        policies: settings.policies()?,
        tls: tls.map(|(certificate, key)| drover_api_server::Tls { certificate, key }),
        streams: drover_api_server::StreamOptions {
            ca_file: settings.ca_file.clone(),
            allow_plain_http: settings.allow_plain_http,
            ..drover_api_server::StreamOptions::default()
        },
        ..drover_api_server::Options::default()
    })
}

/// The health of a program that needs a database and a bus.
pub(crate) fn health(store: &Store, bus: &Arc<dyn EventBus>) -> Health {
    let (store, bus) = (store.clone(), bus.clone());
    Health::default()
        .with("database", move || {
            let store = store.clone();
            async move { store.is_ready().await.unwrap_or(false) }
        })
        .with("bus", move || {
            let is_connected = bus.is_connected();
            async move { is_connected }
        })
}
