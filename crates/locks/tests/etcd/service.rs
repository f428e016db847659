//! A real etcd, a source of epochs, and servers that hold locks there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use drover_locks::conformance::Pair;
use drover_locks::{EpochSource, EtcdLocks, EtcdOptions, LockManager};
use drover_scenarios::etcd::Etcd;
use etcd_client::{Client, GetOptions};

/// Long enough for a restart of etcd on a busy machine.
pub(crate) const LEASE: Duration = Duration::from_secs(6);

/// The epochs of one database.
#[derive(Default)]
pub(crate) struct Epochs {
    last: AtomicU32,
    pub(crate) out_of_reach: AtomicBool,
}

#[async_trait]
impl EpochSource for Epochs {
    async fn next_epoch(&self) -> Result<u32, Box<dyn std::error::Error + Send + Sync>> {
        if self.out_of_reach.load(Ordering::SeqCst) {
            return Err("the database is out of reach".into());
        }
        Ok(self.last.fetch_add(1, Ordering::SeqCst) + 1)
    }
}

pub(crate) struct Service {
    pub(crate) etcd: Etcd,
    pub(crate) epochs: Arc<Epochs>,
}

impl Service {
    pub(crate) async fn start() -> Self {
        Self {
            etcd: Etcd::start().await.unwrap(),
            epochs: Arc::default(),
        }
    }

    pub(crate) fn options(&self, server: &str) -> EtcdOptions {
        EtcdOptions {
            endpoints: vec![self.etcd.url()],
            lease: LEASE,
            server: server.to_owned(),
            timeout: Duration::from_secs(1),
            ..EtcdOptions::default()
        }
    }

    pub(crate) async fn server(&self, name: &str) -> EtcdLocks {
        self.server_with(self.options(name)).await
    }

    pub(crate) async fn server_with(&self, options: EtcdOptions) -> EtcdLocks {
        let epochs: Arc<dyn EpochSource> = self.epochs.clone();
        EtcdLocks::connect(options, epochs).await.unwrap()
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect([self.etcd.url()], None).await.unwrap()
    }

    /// The keys below the prefix, with their values.
    pub(crate) async fn keys(&self, below: &str) -> Vec<(String, String)> {
        let mut client = self.client().await;
        let prefix = GetOptions::new().with_prefix();
        let found = client
            .get(format!("/drover/v1/{below}"), Some(prefix))
            .await
            .unwrap();
        let pairs = found.kvs().iter();
        pairs
            .map(|pair| {
                let (key, value) = (pair.key_str().unwrap(), pair.value_str().unwrap());
                (key.to_owned(), value.to_owned())
            })
            .collect()
    }
}

/// Two servers on one etcd.
pub(crate) struct TwoServers<'a> {
    service: &'a Service,
    first: EtcdLocks,
    second: EtcdLocks,
}

impl<'a> TwoServers<'a> {
    pub(crate) async fn on(service: &'a Service) -> Self {
        Self {
            service,
            first: service.server("first").await,
            second: service.server("second").await,
        }
    }
}

#[async_trait]
impl Pair for TwoServers<'_> {
    fn first(&self) -> &dyn LockManager {
        &self.first
    }

    fn second(&self) -> &dyn LockManager {
        &self.second
    }

    async fn lose_first_session(&self) {
        let sessions = self.service.keys("session/").await;
        let (key, _) = sessions.iter().find(|(_, name)| name == "first").unwrap();
        let (_, lease) = key.rsplit_once('/').unwrap();
        let lease = i64::from_str_radix(lease, 16).unwrap();
        let mut client = self.service.client().await;
        client.lease_revoke(lease).await.unwrap();
    }
}
