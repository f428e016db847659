//! A process server as the settings of its executable say.

use std::sync::Arc;
use std::time::Duration;

use drover_bus::EventBus;
use drover_configuration::{ConfigurationError, Settings};
use drover_locks::{EtcdLocks, EtcdOptions, LockError, LockManager};
use drover_store::Store;
use drover_telemetry::health::Health;

use crate::{Options, Retention, StoreEpochs};

/// Why the lock service cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// A setting is missing.
    #[error(transparent)]
    Configuration(#[from] ConfigurationError),
    /// The lock service cannot be used as configured.
    #[error(transparent)]
    Locks(#[from] LockError),
}

/// How it behaves.
///
/// # Errors
/// When a setting cannot be used.
pub fn options(settings: &Settings) -> Result<Options, ConfigurationError> {
    Ok(Options {
        lease: Duration::from_secs(settings.lease_seconds),
        retention: Retention {
            processes: Duration::from_secs(settings.process_retention_seconds),
            changes: Duration::from_secs(settings.change_retention_seconds),
            audit: Duration::from_secs(settings.audit_retention_seconds),
        },
        policies: settings.policies()?,
        ..Options::default()
    })
}

/// The lock service of a cluster. It need not be up yet.
///
/// # Errors
/// When its address is missing or cannot be used.
pub async fn locks(settings: &Settings, store: &Store) -> Result<Arc<EtcdLocks>, LaunchError> {
    let etcd = EtcdOptions {
        endpoints: settings.etcd_urls()?,
        lease: Duration::from_secs(settings.lease_seconds),
        server: "process-server".to_owned(),
        ..EtcdOptions::default()
    };
    let epochs = Arc::new(StoreEpochs(store.clone()));
    Ok(Arc::new(EtcdLocks::connect(etcd, epochs).await?))
}

/// Whether all that a process server needs is within reach.
pub fn health(store: &Store, bus: &Arc<dyn EventBus>, locks: &Arc<EtcdLocks>) -> Health {
    let (store, bus, locks) = (store.clone(), bus.clone(), locks.clone());
    Health::default()
        .with("database", move || {
            let store = store.clone();
            async move { store.is_ready().await.unwrap_or(false) }
        })
        .with("bus", move || std::future::ready(bus.is_connected()))
        .with("locks", move || std::future::ready(locks.is_connected()))
}
