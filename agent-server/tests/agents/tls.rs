//! TLS, with a certificate that the agents are given.

use std::time::Duration;

use drover_agent_server::Tls;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::json;

use crate::world::World;

#[tokio::test]
async fn agents_speak_tls_with_a_server_that_has_a_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let names = vec!["127.0.0.1".to_owned()];
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).unwrap();
    let files = Tls {
        certificate: folder.path().join("agents.crt"),
        key: folder.path().join("agents.key"),
    };
    std::fs::write(&files.certificate, cert.pem()).unwrap();
    std::fs::write(&files.key, signing_key.serialize_pem()).unwrap();
    let world = World::begin_with_tls(Duration::from_secs(5), files, cert.der().clone()).await;
    let agent = world.agent().await;
    let mut lines = world.lines(&agent).await;
    let posted = world.post(&agent, &lines.session, "[]").await;
    assert_eq!(posted, (200, json!({"accepted": 0})));
    drop(world);
    let farewell = lines.next().await;
    assert!(farewell.get("farewell").is_some(), "{farewell}");
}
