//! TLS: a certificate and its key, read again when one of their files has changed, and the handshake.
//!
//! Whoever renews a certificate writes two files, one after the other. What is read between the two
//! does not fit together; it is told of, the old certificate goes on, and the next look sees both.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use crate::Tls;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(3);
/// How much a client that does not speak TLS is listened to, so that it gets to read the answer.
const DISCARDED: u64 = 64 * 1024;
const DISCARDED_WITHIN: Duration = Duration::from_secs(1);

/// The certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or is not of its form.
    #[error("cannot read {what} from {path}: {source}")]
    File {
        /// `a certificate` or `a key`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: pem::Error,
    },
    /// Certificate and key cannot be used with one another.
    #[error("the certificate of {certificate} cannot be used with the key of {key}: {source}")]
    Pair {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
        /// Why.
        source: rustls::Error,
    },
}

/// The certificate that is shown to clients now.
pub(crate) struct Certificates {
    files: Tls,
    acceptor: Mutex<TlsAcceptor>,
    seen: Mutex<Stamps>,
}

/// What tells one version of the two files from another.
type Stamps = [Option<(u64, i64, i64, u64)>; 2];

impl Certificates {
    pub(crate) fn read(files: Tls) -> Result<Self, TlsError> {
        let seen = stamps(&files);
        Ok(Self {
            acceptor: Mutex::new(acceptor(&files)?),
            seen: Mutex::new(seen),
            files,
        })
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        let acceptor = self.acceptor.lock();
        acceptor.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the files again whenever they have changed, until `shutdown`.
    pub(crate) async fn renew(self: Arc<Self>, shutdown: CancellationToken) {
        loop {
            let pause = LOOK.mul_f64(0.75 + rand::random::<f64>() / 2.0);
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = shutdown.cancelled() => return,
            }
            let certificates = Arc::clone(&self);
            let looked = tokio::task::spawn_blocking(move || certificates.look()).await;
            if let Err(error) = looked {
                tracing::warn!(%error, "the certificate could not be looked at");
            }
        }
    }

    fn look(&self) {
        let now = stamps(&self.files);
        {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            if *seen == now {
                return;
            }
            *seen = now;
        }
        match acceptor(&self.files) {
            Ok(new) => {
                *self.acceptor.lock().unwrap_or_else(PoisonError::into_inner) = new;
                tracing::info!("the certificate was read again");
            }
            Err(error) => tracing::warn!(%error, "the old certificate goes on"),
        }
    }
}

fn stamps(files: &Tls) -> Stamps {
    [&files.certificate, &files.key].map(|path| {
        let file = std::fs::metadata(path).ok()?;
        Some((file.ino(), file.mtime(), file.mtime_nsec(), file.len()))
    })
}

fn acceptor(files: &Tls) -> Result<TlsAcceptor, TlsError> {
    let unreadable = |what, path: &Path| {
        let path = path.to_owned();
        move |source| TlsError::File { what, path, source }
    };
    let chain = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .and_then(|chain| match chain.is_empty() {
            true => Err(pem::Error::NoItemsFound),
            false => Ok(chain),
        })
        .map_err(unreadable("a certificate", &files.certificate))?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(unreadable("a key", &files.key))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let configured = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key));
    let mut config = configured.map_err(|source| TlsError::Pair {
        certificate: files.certificate.clone(),
        key: files.key.clone(),
        source,
    })?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Begins TLS with whoever has connected. One who speaks plain HTTP is told so.
pub(crate) async fn handshake(
    acceptor: TlsAcceptor,
    mut stream: TcpStream,
) -> io::Result<TlsStream<TcpStream>> {
    let mut first = [0];
    stream.peek(&mut first).await?;
    // A method; what a handshake begins with is no letter.
    if first[0].is_ascii_uppercase() {
        refuse_plain(&mut stream).await?;
        return Err(io::Error::other("the client speaks plain HTTP"));
    }
    acceptor.accept(stream).await
}

async fn refuse_plain(stream: &mut TcpStream) -> io::Result<()> {
    let body = "{\"type\":\"about:blank\",\"title\":\"TLS only\",\"status\":400,\"code\":\"tlsOnly\",\
        \"detail\":\"plain HTTP was spoken where TLS is\",\"hint\":\"use https:// in the address\"}";
    let head =
        "HTTP/1.1 400 Bad Request\r\ncontent-type: application/problem+json\r\nconnection: close";
    let length = body.len();
    let answer = format!("{head}\r\ncontent-length: {length}\r\n\r\n{body}");
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await?;
    // A socket that is closed with something unread in it takes the answer back.
    let mut rest = stream.take(DISCARDED);
    let mut nowhere = tokio::io::sink();
    let discarding = tokio::io::copy(&mut rest, &mut nowhere);
    timeout(DISCARDED_WITHIN, discarding).await??;
    Ok(())
}
