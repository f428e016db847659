//! The shape of this workspace, held by a machine.
//!
//! ```text
//!   cargo metadata -> Workspace --+
//!                                 +-> check -> Finding (error or warning)
//!   arrows.toml ----> Rules ------+
//! ```
//!
//! [`workspace`] reads what the manifests and the source folders say, [`rules`] what
//! `arrows.toml` allows. The checks are pure functions of the two, so that tests can hand them
//! workspaces that do not exist: [`arrows`] looks at who uses whom, [`layout`] at names and at
//! the sizes of files. Nothing here builds or runs anything.

pub mod arrows;
pub mod layout;
pub mod rules;
pub mod workspace;

use std::fmt;

use anyhow::Result;

/// Something about the workspace that should not be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Finding {
    /// It breaks a rule; the check fails.
    Error(String),
    /// It is still allowed, but not for long.
    Warning(String),
}

impl Finding {
    /// Whether it fails the check.
    #[must_use]
    pub fn is_error(&self) -> bool {
        matches!(self, Self::Error(_))
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(what) => write!(out, "error: {what}"),
            Self::Warning(what) => write!(out, "warning: {what}"),
        }
    }
}

/// Checks this workspace against its `arrows.toml`.
///
/// # Errors
/// When the workspace or the rules cannot be read; that a rule is broken is a finding instead.
pub fn check_this_workspace() -> Result<Vec<Finding>> {
    let workspace = workspace::Workspace::read()?;
    let rules = rules::Rules::read()?;
    Ok([
        arrows::check(&workspace.crates, &rules),
        layout::check_names(&workspace),
        layout::check_sizes(&workspace),
    ]
    .concat())
}
