//! TLS and HTTP/2.

use std::path::Path;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, Version};
use drover_api_server::{Options, Tls, TlsError};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::ServerName;
use tempfile::TempDir;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::{Api, SOON, client};

/// Writes a new certificate for this machine, with its key, and gives the certificate in PEM.
fn write_certificate(files: &Tls) -> String {
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).unwrap();
    std::fs::write(&files.certificate, cert.pem()).unwrap();
    std::fs::write(&files.key, signing_key.serialize_pem()).unwrap();
    cert.pem()
}

fn files(folder: &Path) -> Tls {
    Tls {
        certificate: folder.join("api.crt"),
        key: folder.join("api.key"),
    }
}

async fn start() -> (Api, Tls, String, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let files = files(folder.path());
    let certificate = write_certificate(&files);
    let options = Options {
        tls: Some(files.clone()),
        ..Options::default()
    };
    (Api::start(options).await, files, certificate, folder)
}

#[tokio::test]
async fn a_client_that_trusts_the_certificate_is_answered_and_another_is_not() {
    let (api, _, certificate, _folder) = start().await;
    let address = format!("https://localhost:{}/healthz", api.address.port());
    let answer = client(&[&certificate]).get(&address).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let elsewhere = tempfile::tempdir().unwrap();
    let other = write_certificate(&files(elsewhere.path()));
    assert!(client(&[&other]).get(&address).send().await.is_err());
    api.stop().await;
}

#[tokio::test]
async fn a_certificate_that_is_renewed_is_shown_without_a_restart() {
    let (api, files, _, _folder) = start().await;
    let renewed = write_certificate(&files);
    let address = format!("https://localhost:{}/healthz", api.address.port());
    let shown = async {
        while client(&[&renewed]).get(&address).send().await.is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    };
    timeout(SOON, shown)
        .await
        .expect("the new certificate is shown");
    api.stop().await;
}

#[tokio::test]
async fn plain_http_on_a_port_of_tls_is_told_to_use_https() {
    let (api, _, _, _folder) = start().await;
    let answer = client(&[])
        .get(format!("http://{}/healthz", api.address))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 400);
    let problem: serde_json::Value = answer.json().await.unwrap();
    assert_eq!(problem["code"], "tlsOnly");
    api.stop().await;
}

#[tokio::test]
async fn a_certificate_that_does_not_fit_its_key_is_refused_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let files = files(folder.path());
    write_certificate(&files);
    let certificate = std::fs::read(&files.certificate).unwrap();
    write_certificate(&files);
    std::fs::write(&files.certificate, certificate).unwrap();
    let started = super::run(Options {
        tls: Some(files.clone()),
        ..Options::default()
    });
    assert!(matches!(started.await, Err(TlsError::Pair { .. })));
    std::fs::write(&files.key, "no key").unwrap();
    let started = super::run(Options {
        tls: Some(files),
        ..Options::default()
    });
    assert!(matches!(started.await, Err(TlsError::File { .. })));
}

async fn ask_by_http_2<T>(stream: T, key: &str)
where
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
{
    let io = TokioIo::new(stream);
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io)
        .await
        .unwrap();
    tokio::spawn(connection);
    let request = |path: &str| {
        Request::get(format!("http://localhost{path}"))
            .header("Authorization", format!("Bearer {key}"))
            .body(Body::empty())
            .unwrap()
    };
    // Two at a time, on one connection.
    let (first, second) = (request("/healthz"), request("/v1/containers"));
    let answers = [sender.send_request(first), sender.send_request(second)];
    for answer in futures::future::join_all(answers).await {
        let answer = answer.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.version(), Version::HTTP_2);
    }
}

#[tokio::test]
async fn http_2_is_spoken_with_who_speaks_it() {
    let plain = Api::start(Options::default()).await;
    ask_by_http_2(plain.connect().await, &plain.key).await;
    plain.stop().await;

    let (api, _, certificate, _folder) = start().await;
    let mut roots = rustls::RootCertStore::empty();
    let pem = rustls::pki_types::pem::PemObject::from_pem_slice(certificate.as_bytes());
    roots.add(pem.unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let name = ServerName::try_from("localhost").unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    let stream = connector.connect(name, api.connect().await).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    ask_by_http_2(stream, &api.key).await;
    api.stop().await;
}
