//! What the programs of an installation tell of themselves at `/metrics`.

use anyhow::{Context, Result};
use futures::future::try_join_all;

use crate::http;
use crate::installation::Drover;

/// What the programs of an installation tell at one time.
pub struct Scrape {
    /// What each of them tells, as it is told.
    pub texts: Vec<String>,
}

impl Scrape {
    /// Asks every program.
    ///
    /// # Errors
    /// When one does not answer.
    pub async fn take(drover: &Drover) -> Result<Self> {
        let client = http::client()?;
        let scrapes = drover.health.iter().map(|program| {
            let request = client.get(format!("{program}/metrics"));
            async move {
                let answer = request.send().await?.error_for_status()?;
                answer.text().await
            }
        });
        let texts = try_join_all(scrapes).await.context("asking for metrics")?;
        Ok(Self { texts })
    }

    /// The values of all series of a metric whose labels hold all of these.
    pub fn values(&self, metric: &str, labels: &[&str]) -> impl Iterator<Item = f64> {
        let lines = self.texts.iter().flat_map(|text| text.lines());
        lines.filter_map(move |line| {
            let (series, value) = line.rsplit_once(' ')?;
            let rest = series.strip_prefix(metric)?;
            let is_it = rest.is_empty() || rest.starts_with('{');
            let fits = labels.iter().all(|label| rest.contains(label));
            value.parse().ok().filter(|_| is_it && fits)
        })
    }

    /// Their sum; none is zero, as for a counter that has counted nothing.
    #[must_use]
    pub fn sum(&self, metric: &str, labels: &[&str]) -> f64 {
        self.values(metric, labels).sum()
    }
}
