//! An HTTP client for tests.

use std::sync::Once;
use std::time::Duration;

use anyhow::{Context, Result};

static PROVIDER: Once = Once::new();

/// A client that gives up on a request after 40 seconds, which is longer than any wait that a
/// server is asked to hold.
///
/// # Errors
/// When the platform has no TLS roots that can be read.
pub fn client() -> Result<reqwest::Client> {
    PROVIDER.call_once(|| {
        // Somebody else may have installed the same one first.
        drop(rustls::crypto::ring::default_provider().install_default());
    });
    reqwest::Client::builder()
        .connect_timeout(Duration::from_secs(5))
        .timeout(Duration::from_secs(40))
        .no_proxy()
        .build()
        .context("making an HTTP client")
}
