//! A scrape tells what was done. The recorder is that of the whole program, so this is the only
//! test of its executable.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, and its helpers stand outside of test functions"
)]

use axum::body::{Body, to_bytes};
use axum::http::{Request as HttpRequest, header};
use drover_domain::lifecycle::Request;
use drover_domain::process::Cause;
use drover_domain::resource::{ContainerSpec, Details};
use drover_domain::write::{Asked, Intent};
use drover_domain::{Resource, State, Timestamp};
use drover_store::{Accepted, Store, StoreOptions, fresh};
use drover_telemetry::metrics;
use tower::ServiceExt;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_500);

fn to_create_a_container() -> Intent {
    let details = Details::Container {
        spec: Box::new(ContainerSpec {
            image: "drover/hello".to_owned(),
            ..ContainerSpec::default()
        }),
        status: Box::default(),
    };
    let container = Resource::new(fresh::resource_id(), "", State::Requested, details, NOW);
    let asked = Asked {
        request: Request::Create,
        force: false,
        process: fresh::process_id(),
        cause: Cause::default(),
        now: NOW,
        policy: None,
    };
    Intent::to_create(container, asked).unwrap()
}

/// The value of a series in a scrape.
fn value(scrape: &str, series: &str) -> f64 {
    let line = scrape.lines().find_map(|line| line.strip_prefix(series));
    let line = line.unwrap_or_else(|| panic!("there is no {series} in\n{scrape}"));
    line.trim().parse().unwrap()
}

#[tokio::test]
async fn a_scrape_tells_what_a_store_was_asked_to_write() {
    let metrics = metrics::begin(NOW.millis()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("test.db").display());
    let store = Store::connect(&StoreOptions::new(url)).await.unwrap();
    store.migrate().await.unwrap();

    for _ in 0..3 {
        let intent = to_create_a_container();
        let accepted = store.accept(intent.clone()).await.unwrap();
        assert_eq!(accepted, Accepted::Committed { superseded: None });
        // It is there already: the database refuses it, alone as it is.
        assert!(store.accept(intent).await.is_err());
    }
    let mut stale = Intent::to_change(
        to_create_a_container().resource,
        Asked {
            request: Request::Remove,
            force: true,
            process: fresh::process_id(),
            cause: Cause::default(),
            now: NOW,
            policy: None,
        },
    )
    .unwrap();
    stale.expected = Some(7);
    assert_eq!(store.accept(stale).await.unwrap(), Accepted::VersionMoved);

    let request = HttpRequest::get("/metrics").body(Body::empty()).unwrap();
    let answer = metrics.router().oneshot(request).await.unwrap();
    assert!(answer.status().is_success());
    let content_type = &answer.headers()[header::CONTENT_TYPE];
    assert!(
        content_type
            .to_str()
            .unwrap()
            .starts_with("text/plain; version=0.0.4")
    );
    let body = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
    let scrape = String::from_utf8(body.to_vec()).unwrap();

    for (series, expected) in [
        (
            r#"drover_store_items_total{group="intents",outcome="committed"}"#,
            3.0,
        ),
        (
            r#"drover_store_items_total{group="intents",outcome="version_moved"}"#,
            1.0,
        ),
        (
            r#"drover_store_transactions_total{kind="intents",outcome="committed"}"#,
            4.0,
        ),
        (
            r#"drover_store_transactions_total{kind="intents",outcome="refused"}"#,
            3.0,
        ),
        (r#"drover_store_rows_written_total{table="resource"}"#, 3.0),
        (r#"drover_store_rows_written_total{table="process"}"#, 3.0),
        (r#"drover_store_rows_written_total{table="change"}"#, 3.0),
        // One that is alone is not tried again.
        (
            r#"drover_store_batches_refused_total{group="intents"}"#,
            0.0,
        ),
        (r#"drover_store_batch_items_count{group="intents"}"#, 7.0),
        (r#"drover_store_batch_items_sum{group="intents"}"#, 7.0),
        (
            r#"drover_store_batch_items_bucket{group="intents",le="1"}"#,
            7.0,
        ),
        (
            r#"drover_store_flush_duration_seconds_count{group="intents"}"#,
            7.0,
        ),
        (
            r#"drover_store_flush_duration_seconds_bucket{group="intents",le="+Inf"}"#,
            7.0,
        ),
        ("drover_start_time_seconds", 1_800_000_000.5),
    ] {
        let told = value(&scrape, series);
        assert!((told - expected).abs() < f64::EPSILON, "{series} is {told}");
    }
    let version = concat!(
        r#"drover_build_info{version=""#,
        env!("CARGO_PKG_VERSION"),
        r#""} 1"#
    );
    for line in [
        "# TYPE drover_store_items_total counter",
        "# TYPE drover_store_batch_items histogram",
        "# HELP drover_start_time_seconds When the program was started, in seconds since 1970.",
        version,
    ] {
        assert!(scrape.contains(line), "there is no `{line}` in\n{scrape}");
    }
    store.close().await.unwrap();
}
