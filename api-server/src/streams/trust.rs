//! Which agent servers are believed to be what they say.
//!
//! As agents do it: certificates are checked against the platform's roots or those in a file, and plain
//! HTTP leaves the machine only when that was asked for by name. The roots are read when a server is
//! dialled over HTTPS for the first time.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::OnceCell;

/// See the module.
pub(super) struct Trust {
    ca_file: Option<PathBuf>,
    allow_plain_http: bool,
    config: OnceCell<Arc<ClientConfig>>,
}

impl Trust {
    pub(super) fn new(ca_file: Option<PathBuf>, allow_plain_http: bool) -> Self {
        Self {
            ca_file,
            allow_plain_http,
            config: OnceCell::new(),
        }
    }

    /// Whether a server may be spoken to without encryption.
    pub(super) fn allows_plain(&self, host: &str) -> bool {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let is_loopback = || {
            let address = host.parse::<std::net::IpAddr>();
            host == "localhost" || address.is_ok_and(|address| address.is_loopback())
        };
        self.allow_plain_http || is_loopback()
    }

    /// How a server that is spoken to with encryption shows what it is.
    ///
    /// # Errors
    /// Why none can be, in words.
    pub(super) async fn config(&self) -> Result<Arc<ClientConfig>, String> {
        let made = self.config.get_or_try_init(|| async {
            let ca_file = self.ca_file.clone();
            let read = tokio::task::spawn_blocking(move || config(ca_file.as_deref()));
            read.await.map_err(|error| error.to_string())?
        });
        made.await.cloned()
    }
}

fn config(ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    match ca_file {
        Some(path) => {
            let unreadable = |error: &dyn std::error::Error| {
                format!(
                    "certificates cannot be read from {}: {error}",
                    path.display()
                )
            };
            let found = CertificateDer::pem_file_iter(path);
            for certificate in found.map_err(|error| unreadable(&error))? {
                let certificate = certificate.map_err(|error| unreadable(&error))?;
                roots.add(certificate).map_err(|error| unreadable(&error))?;
            }
        }
        None => {
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
        }
    }
    if roots.is_empty() {
        return Err("there is no certificate to trust".to_owned());
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_leaves_the_machine_only_when_asked_for_by_name() {
        let strict = Trust::new(None, false);
        assert!(strict.allows_plain("127.0.0.1") && strict.allows_plain("[::1]"));
        assert!(!strict.allows_plain("10.0.0.1") && !strict.allows_plain("agents.example.org"));
        assert!(Trust::new(None, true).allows_plain("10.0.0.1"));
    }
}
