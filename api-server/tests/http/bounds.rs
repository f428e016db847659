//! What a client cannot make a server hold.

use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::get;
use drover_api_server::{Limits, Options};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Api, SOON, client};

const BRIEF: Duration = Duration::from_millis(300);

fn with(limits: Limits) -> Options {
    Options {
        limits,
        ..Options::default()
    }
}

/// Waits until the server has closed a connection, and gives what it said before.
async fn rest_of(stream: &mut TcpStream) -> String {
    let mut said = Vec::new();
    let read = timeout(SOON, stream.read_to_end(&mut said)).await;
    // A connection that is reset is closed as well.
    read.expect("the connection is closed").ok();
    String::from_utf8_lossy(&said).into_owned()
}

#[tokio::test]
async fn headers_that_do_not_come_to_an_end_are_cut() {
    let api = Api::start(with(Limits {
        headers_within: BRIEF,
        ..Limits::default()
    }))
    .await;
    let mut slow = api.connect().await;
    slow.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        .await
        .unwrap();
    assert_eq!(rest_of(&mut slow).await, "");
    // Neither does a byte now and then keep it open.
    let mut dripping = api.connect().await;
    let dripped = async {
        while dripping.write_all(b"G").await.is_ok() {
            tokio::time::sleep(BRIEF / 10).await;
        }
    };
    timeout(SOON, dripped)
        .await
        .expect("the connection is closed");
    api.stop().await;
}

#[tokio::test]
async fn a_connection_without_a_request_is_closed_and_one_with_an_answer_under_way_is_not() {
    let pages = Router::new().route(
        "/late",
        get(|| async {
            tokio::time::sleep(BRIEF * 5).await;
            "late"
        }),
    );
    let limits = Limits {
        idle: BRIEF,
        headers_within: BRIEF,
        ..Limits::default()
    };
    let api = Api::with_pages(with(limits), pages).await;
    let mut silent = api.connect().await;
    assert_eq!(rest_of(&mut silent).await, "");
    let mut patient = api.connect().await;
    let request = "GET /late HTTP/1.1\r\nHost: x\r\n\r\n";
    patient.write_all(request.as_bytes()).await.unwrap();
    let said = rest_of(&mut patient).await;
    assert!(
        said.starts_with("HTTP/1.1 200") && said.ends_with("late"),
        "{said}"
    );
    api.stop().await;
}

#[tokio::test]
async fn a_client_that_does_not_read_its_answer_is_cut() {
    let endless = get(|| async {
        let chunk = || Ok::<_, std::io::Error>(Bytes::from_static(&[b'x'; 64 * 1024]));
        Body::from_stream(futures::stream::repeat_with(chunk))
    });
    let limits = Limits {
        stalled: BRIEF,
        connections: 1,
        ..Limits::default()
    };
    let api = Api::with_pages(with(limits), Router::new().route("/endless", endless)).await;
    let mut deaf = api.connect().await;
    let request = b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n";
    deaf.write_all(request).await.unwrap();
    // Its place is free for the next one although it has not gone.
    let answer = client(&[]).get(format!("http://{}/healthz", api.address));
    assert_eq!(answer.send().await.unwrap().status(), 200);
    drop(deaf);
    api.stop().await;
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_a_place() {
    let api = Api::start(with(Limits {
        connections: 2,
        ..Limits::default()
    }))
    .await;
    let held = [api.connect().await, api.connect().await];
    let mut waiting = api.connect().await;
    let request = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    waiting.write_all(request.as_bytes()).await.unwrap();
    let mut byte = [0];
    let answered = timeout(BRIEF, waiting.read(&mut byte)).await;
    assert!(answered.is_err(), "there is no place yet");
    drop(held);
    assert!(rest_of(&mut waiting).await.starts_with("HTTP/1.1 200"));
    api.stop().await;
}

#[tokio::test]
async fn a_query_of_16_kb_works_and_one_of_40_kb_is_414() {
    let api = Api::start(Options::default()).await;
    let ask = |length: usize| {
        let name = "n".repeat(length);
        client(&[])
            .get(format!("http://{}/v1/containers?name={name}", api.address))
            .bearer_auth(&api.key)
            .send()
    };
    assert_eq!(ask(16 * 1024).await.unwrap().status(), 200);
    let refused = ask(40 * 1024).await.unwrap();
    assert_eq!(refused.status(), 414);
    let problem: serde_json::Value = refused.json().await.unwrap();
    assert_eq!(problem["code"], "queryTooLong");
    api.stop().await;
}

#[tokio::test]
async fn headers_that_are_too_many_or_too_large_are_431() {
    let api = Api::start(Options::default()).await;
    let many = "X-Many: x\r\n".repeat(200);
    let large = format!("X-Large: {}\r\n", "x".repeat(80 * 1024));
    let huge = format!("X-Huge: {}\r\n", "x".repeat(400 * 1024));
    for headers in [many, large, huge] {
        let mut stream = api.connect().await;
        let head =
            format!("GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n");
        let (mut reader, mut writer) = stream.split();
        let writing = async { writer.write_all(head.as_bytes()).await.ok() };
        let mut said = vec![0; 12];
        let reading = timeout(SOON, reader.read_exact(&mut said));
        tokio::join!(writing, reading).1.unwrap().unwrap();
        assert_eq!(String::from_utf8_lossy(&said), "HTTP/1.1 431");
    }
    api.stop().await;
}

#[tokio::test]
async fn a_server_that_is_told_to_end_does_so_although_an_answer_never_comes() {
    let pages = Router::new().route("/never", get(std::future::pending::<&str>));
    let limits = Limits {
        grace: BRIEF,
        ..Limits::default()
    };
    let api = Api::with_pages(with(limits), pages).await;
    let mut stream = api.connect().await;
    let request = "GET /never HTTP/1.1\r\nHost: x\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    // It is being answered once the next connection is.
    let answer = client(&[]).get(format!("http://{}/readyz", api.address));
    assert_eq!(answer.send().await.unwrap().status(), 200);
    api.stop().await;
}
