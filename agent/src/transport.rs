//! How servers are trusted: one TLS configuration, shared by registration and connection, and by all
//! the agents of a process that has many.
//!
//! Certificates are checked against the platform's roots or, if a file of certificates is given,
//! against those alone. The roots are read only when a server is spoken to over HTTPS, so that a
//! machine without any can still reach a server on its own loopback.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::options::{Options, ServerAddress};

/// The servers that were named cannot be spoken to as was asked.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// There is no server to speak to.
    #[error("no agent server was named")]
    NoServer,
    /// The way to this server is not encrypted, and it is not on this machine.
    #[error(
        "`{0}` is not encrypted and not on this machine: use https://, or allow plain HTTP by name"
    )]
    PlainHttp(ServerAddress),
    /// The file of certificates is of no use.
    #[error("cannot read certificates from {path}")]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: rustls::pki_types::pem::Error,
    },
    /// There is nothing to check a server against.
    #[error("{0} holds no certificate to trust")]
    NoRoots(String),
    /// The configuration was refused.
    #[error("cannot set up TLS")]
    Tls(#[from] rustls::Error),
}

/// A way to speak to the servers that some options name. Clones are the same.
#[derive(Clone, Debug)]
pub struct Transport(pub(crate) Arc<ClientConfig>);

impl Transport {
    /// Checks that each server may be spoken to, and reads the certificates to trust.
    ///
    /// # Errors
    /// When no server is named, one must not be spoken to, or there is nothing to trust.
    pub fn prepare(options: &Options) -> Result<Self, TransportError> {
        prepare(options).map(Self)
    }
}

/// Checks that each server may be spoken to, and makes the TLS configuration for them.
fn prepare(options: &Options) -> Result<Arc<ClientConfig>, TransportError> {
    if options.servers.is_empty() {
        return Err(TransportError::NoServer);
    }
    for server in &options.servers {
        if server.is_plain() && !server.is_loopback() && !options.allow_plain_http {
            return Err(TransportError::PlainHttp(server.clone()));
        }
    }
    let roots = if options.servers.iter().all(ServerAddress::is_plain) {
        RootCertStore::empty()
    } else if let Some(path) = &options.ca_file {
        roots_in(path)?
    } else {
        platform_roots()?
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn roots_in(path: &Path) -> Result<RootCertStore, TransportError> {
    let unreadable = |source| TransportError::CaFile {
        path: path.to_owned(),
        source,
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(unreadable)? {
        roots.add(certificate.map_err(unreadable)?)?;
    }
    if roots.is_empty() {
        return Err(TransportError::NoRoots(path.display().to_string()));
    }
    Ok(roots)
}

fn platform_roots() -> Result<RootCertStore, TransportError> {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "some of the platform's certificates cannot be read");
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        return Err(TransportError::NoRoots("this platform".to_owned()));
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(server: &str) -> Options {
        Options::new(server.parse().unwrap(), "/nowhere")
    }

    #[test]
    fn plain_http_leaves_the_machine_only_when_asked_for_by_name() {
        assert!(prepare(&options("http://127.0.0.1:8090")).is_ok());
        let mut elsewhere = options("http://192.0.2.1:8090");
        assert!(matches!(
            prepare(&elsewhere),
            Err(TransportError::PlainHttp(_))
        ));
        elsewhere.allow_plain_http = true;
        assert!(prepare(&elsewhere).is_ok());
    }

    #[test]
    fn a_ca_file_without_certificates_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut given = options("https://192.0.2.1:8090");
        given.ca_file = Some(file.path().to_owned());
        assert!(matches!(prepare(&given), Err(TransportError::NoRoots(_))));
        given.ca_file = Some("/nowhere/ca.pem".into());
        assert!(matches!(
            prepare(&given),
            Err(TransportError::CaFile { .. })
        ));
    }
}
