//! Where the settings of the executables come from.
//!
//! In this order, the later over the earlier: defaults, a file in TOML (`drover.toml`), variables of
//! the environment (`DROVER_…`), flags. A key that is not known, in the file or in the environment,
//! is an error: a setting that is misspelt must not be silently ignored.
//!
//! All executables share one set of [`Settings`], so that one file serves all the services of a
//! machine; each offers only the [`flags`] that concern it. Libraries never depend on this crate:
//! they are given their options.

pub mod flags;
mod policies;
mod settings;

use std::path::Path;

use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use serde::Serialize;

pub use policies::ProcessPolicy;
pub use settings::{Runtime, Settings};

/// Variables that begin with `DROVER_` too but belong to the client or to the tests.
const OF_OTHERS: [&str; 5] = [
    "server",
    "api_key",
    "api_key_file",
    "config",
    "test_without_docker",
];

/// Why the settings cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ConfigurationError {
    /// The file that was named is not there.
    #[error("there is no configuration file `{0}`")]
    NoFile(String),
    /// A setting is unknown or has a value that it cannot have.
    #[error("the configuration cannot be used: {0}")]
    Unusable(Box<figment::Error>),
    /// A policy names no process, or leaves it nothing to do.
    #[error("`policies` cannot be used: {0}")]
    Policy(drover_domain::lifecycle::UnsoundPolicy),
    /// A setting that is needed is missing.
    #[error("`{setting}` is not set: {hint}")]
    Missing {
        /// The key.
        setting: &'static str,
        /// How to set it.
        hint: &'static str,
    },
}

/// Reads the settings. Flags that were not given must not be serialized.
///
/// # Errors
/// When a key is unknown, a value cannot be, or the file that was named is not there.
pub fn load(file: Option<&Path>, flags: &impl Serialize) -> Result<Settings, ConfigurationError> {
    let mut figment = Figment::from(Serialized::defaults(Settings::default()));
    match file {
        Some(path) if !path.is_file() => {
            return Err(ConfigurationError::NoFile(path.display().to_string()));
        }
        Some(path) => figment = figment.merge(Toml::file_exact(path)),
        None => figment = figment.merge(Toml::file("drover.toml")),
    }
    figment
        .merge(Env::prefixed("DROVER_").ignore(&OF_OTHERS))
        .merge(Serialized::defaults(flags))
        .extract()
        .map_err(|error| ConfigurationError::Unusable(Box::new(error)))
}

#[cfg(test)]
mod tests;
