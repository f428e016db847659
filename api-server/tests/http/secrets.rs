//! A server that was given no key takes no secret, and says what to do.

use drover_api_server::Options;
use serde_json::{Value, json};

use super::{Api, client};

#[tokio::test]
async fn a_server_without_a_key_takes_no_password() {
    let api = Api::start(Options::default()).await;
    let collection = format!("http://{}/v1/registryCredentials", api.address);
    let body = json!({ "registry": "docker.io", "username": "robot", "password": "hunter2" });
    let http = client(&[]);
    let asked = http.post(&collection).bearer_auth(&api.key).json(&body);
    let answer = asked.send().await.unwrap();
    assert_eq!(answer.status(), 409);
    let problem: Value = answer.json().await.unwrap();
    assert_eq!(problem["code"], "secrets.noKey", "{problem}");
    let hint = problem["hint"].as_str().unwrap_or_default();
    assert!(hint.contains("secrets_key_file"), "{problem}");
    assert!(!problem.to_string().contains("hunter2"), "{problem}");
    let listed = http.get(&collection).bearer_auth(&api.key).send().await;
    let listed: Value = listed.unwrap().json().await.unwrap();
    assert_eq!(listed["data"], json!([]), "nothing is left of it");
    api.stop().await;
}
