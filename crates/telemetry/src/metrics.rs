//! Metrics: what was recorded by the libraries of this program, as Prometheus reads it.
//!
//! ```text
//!   store, locks, bus, services ---> recorder of the program <--- every few seconds: upkeep
//!      (drover-metrics)                     |
//!                                     GET /metrics, beside /healthz
//! ```
//!
//! Handles are bound to the recorder that they find, so [`begin`] comes before anything that
//! records is made.

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;
use drover_metrics::{Kind, Unit, table};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

/// How often what histograms have gathered is condensed. Nobody may ever scrape.
const UPKEEP: Duration = Duration::from_secs(5);

/// The form of the answer.
const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The version of the whole workspace.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Why metrics cannot be recorded.
#[derive(Debug, thiserror::Error)]
#[error("metrics cannot be recorded")]
pub struct MetricsError(#[from] BuildError);

/// What the program has recorded. Clones tell the same.
#[derive(Clone)]
pub struct Metrics {
    recorded: PrometheusHandle,
}

/// Records from now on. `started` is the present moment, in milliseconds since 1970.
///
/// # Errors
/// When something records already.
pub fn begin(started: i64) -> Result<Metrics, MetricsError> {
    let mut builder = PrometheusBuilder::new();
    for metric in table::ALL
        .iter()
        .filter(|metric| metric.kind == Kind::Histogram)
    {
        let name = Matcher::Full(metric.name.to_owned());
        builder = builder.set_buckets_for_metric(name, metric.buckets)?;
    }
    let recorded = builder.install_recorder()?;
    describe();
    table::BUILD.set([VERSION], 1.0);
    table::STARTED.set(
        [],
        Duration::from_millis(started.unsigned_abs()).as_secs_f64(),
    );
    Ok(Metrics { recorded })
}

impl Metrics {
    /// `/metrics`. It needs no key: it tells numbers, and never ids or names.
    pub fn router(self) -> Router {
        Router::new()
            .route("/metrics", get(scrape))
            .with_state(self)
    }

    /// Everything that was recorded, as Prometheus reads it.
    pub fn render(&self) -> String {
        self.recorded.render()
    }

    /// Keeps what histograms hold small, until it is dropped.
    pub async fn keep_up(&self) -> Infallible {
        loop {
            tokio::time::sleep(UPKEEP).await;
            self.recorded.run_upkeep();
        }
    }
}

async fn scrape(State(metrics): State<Metrics>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], metrics.render())
}

fn describe() {
    for metric in table::ALL {
        let unit = match metric.unit {
            Unit::Seconds => metrics::Unit::Seconds,
            Unit::Count | Unit::Information => metrics::Unit::Count,
        };
        match metric.kind {
            Kind::Counter => metrics::describe_counter!(metric.name, unit, metric.help),
            Kind::Gauge => metrics::describe_gauge!(metric.name, unit, metric.help),
            Kind::Histogram => metrics::describe_histogram!(metric.name, unit, metric.help),
        }
    }
}
