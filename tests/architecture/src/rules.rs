//! What `arrows.toml` says.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::workspace::Kind;

/// The whole file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// Dependencies between crates of the workspace that are allowed.
    #[serde(default, rename = "arrow")]
    pub arrows: Vec<Arrow>,
    /// Sets of crates that never use one another.
    #[serde(default)]
    pub strangers: Vec<Strangers>,
    /// Crates of others that some of ours may use.
    #[serde(default, rename = "home")]
    pub homes: Vec<Home>,
    /// Crates of ours that use next to nothing.
    #[serde(default)]
    pub pure: Vec<Pure>,
}

/// One crate of the workspace may use another.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arrow {
    /// The crate that uses.
    pub from: String,
    /// The crate that is used.
    pub to: String,
    /// Why.
    pub reason: String,
    /// `normal` (for all purposes) or `dev` (for tests only).
    #[serde(default)]
    pub kind: Kind,
    /// Allowed, but not followed yet.
    #[serde(default)]
    pub planned: bool,
}

/// Crates none of which may use another.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Strangers {
    /// The crates.
    pub crates: Vec<String>,
    /// Why.
    pub reason: String,
}

/// A crate from elsewhere that only some of ours may use.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Home {
    /// Its name, or the beginning of several names before a `*`.
    #[serde(rename = "crate")]
    pub name: String,
    /// Our crates that may use it.
    #[serde(rename = "in")]
    pub users: Vec<String>,
    /// Why.
    pub reason: String,
}

impl Home {
    /// Whether this rule is about the crate `name`.
    #[must_use]
    pub fn is_of(&self, name: &str) -> bool {
        match self.name.strip_suffix('*') {
            Some(beginning) => name.starts_with(beginning),
            None => name == self.name,
        }
    }
}

/// A crate of ours that uses only what is listed, tests aside.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pure {
    /// The crate.
    #[serde(rename = "crate")]
    pub name: String,
    /// All that it may use.
    pub uses: Vec<String>,
    /// Why.
    pub reason: String,
}

impl Rules {
    /// Reads `arrows.toml`, which stands beside this crate's manifest.
    ///
    /// # Errors
    /// When it cannot be read or understood, or a rule lacks its reason.
    pub fn read() -> Result<Self> {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("arrows.toml");
        let text =
            fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
        Self::parse(&text)
    }

    /// Understands the text of such a file.
    ///
    /// # Errors
    /// When it cannot be understood or a rule lacks its reason.
    pub fn parse(text: &str) -> Result<Self> {
        let rules: Self = toml::from_str(text).context("understanding arrows.toml")?;
        let reasons = (rules.arrows.iter().map(|rule| &rule.reason))
            .chain(rules.strangers.iter().map(|rule| &rule.reason))
            .chain(rules.homes.iter().map(|rule| &rule.reason))
            .chain(rules.pure.iter().map(|rule| &rule.reason));
        for reason in reasons {
            ensure!(
                !reason.trim().is_empty(),
                "a rule of arrows.toml has an empty reason"
            );
        }
        Ok(rules)
    }
}
