//! Logs.

use std::io::IsTerminal;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

/// The form of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Why the log cannot be begun.
#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    /// The filter is not of the right form.
    #[error("the filter of the log cannot be read")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// Something has begun a log before.
    #[error("the log has been begun before")]
    Begun(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The client of Docker would log whole requests, with the environment of containers in them.
const KEPT_QUIET: &str = "bollard=info";

/// Begins to log to standard error what passes the filter, for example `info,drover_store=debug`.
///
/// # Errors
/// When the filter cannot be read, or the log has been begun before.
pub fn begin(format: Format, filter: &str) -> Result<(), LogsError> {
    let filter = EnvFilter::try_new(format!("{filter},{KEPT_QUIET}"))?;
    let builder = fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    match format {
        Format::Text => builder.with_target(false).try_init(),
        Format::Json => builder.json().try_init(),
    }
    .map_err(LogsError::Begun)
}
