//! What the manifests and the source folders say.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use cargo_metadata::{DependencyKind, MetadataCommand};
use serde::Deserialize;

/// For what a dependency is used.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Ord, PartialOrd)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// To run or to build.
    #[default]
    Normal,
    /// In tests only.
    Dev,
}

/// One line of a manifest.
#[derive(Clone, Debug, Eq, PartialEq, Ord, PartialOrd)]
pub struct Dependency {
    /// The crate that is used.
    pub name: String,
    /// For what.
    pub kind: Kind,
}

/// A crate of the workspace.
#[derive(Clone, Debug)]
pub struct Crate {
    /// Its name.
    pub name: String,
    /// All that it uses, ours and others'.
    pub uses: BTreeSet<Dependency>,
}

/// A file with Rust source.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its path from the root of the workspace.
    pub path: PathBuf,
    /// Its lines.
    pub lines: usize,
    /// The modules that it declares, with or without a file of their own.
    pub modules: Vec<String>,
}

/// The crates and the source files of the workspace.
#[derive(Clone, Debug)]
pub struct Workspace {
    /// All crates, by name.
    pub crates: Vec<Crate>,
    /// All files below the crates' `src` folders.
    pub sources: Vec<Source>,
}

impl Workspace {
    /// Reads the workspace that this crate belongs to.
    ///
    /// # Errors
    /// When cargo does not answer or a source file cannot be read.
    pub fn read() -> Result<Self> {
        let metadata = MetadataCommand::new()
            .manifest_path(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))
            .no_deps()
            .exec()
            .context("asking cargo for the workspace")?;
        let root = metadata.workspace_root.as_std_path();
        let mut crates = Vec::new();
        let mut sources = Vec::new();
        for package in metadata.workspace_packages() {
            let uses = package.dependencies.iter().map(|dependency| Dependency {
                name: dependency.name.clone(),
                kind: match dependency.kind {
                    DependencyKind::Development => Kind::Dev,
                    _ => Kind::Normal,
                },
            });
            crates.push(Crate {
                name: package.name.to_string(),
                uses: uses.collect(),
            });
            if let Some(folder) = package.manifest_path.as_std_path().parent() {
                read_sources(&folder.join("src"), root, &mut sources)?;
            }
        }
        crates.sort_by(|one, other| one.name.cmp(&other.name));
        sources.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(Self { crates, sources })
    }
}

fn read_sources(folder: &Path, root: &Path, sources: &mut Vec<Source>) -> Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            read_sources(&path, root, sources)?;
        } else if path.extension() == Some(OsStr::new("rs")) {
            let text =
                fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
            sources.push(Source {
                path: path.strip_prefix(root).unwrap_or(&path).to_owned(),
                lines: text.lines().count(),
                modules: text
                    .lines()
                    .filter_map(declared_module)
                    .map(str::to_owned)
                    .collect(),
            });
        }
    }
    Ok(())
}

/// The name in a line like `pub(crate) mod name;` or `mod name {`.
fn declared_module(line: &str) -> Option<&str> {
    let declaration = line.trim_end().strip_suffix(['{', ';'])?.trim();
    let (before, name) = declaration.rsplit_once(' ')?;
    let is_name = name
        .chars()
        .all(|letter| letter.is_alphanumeric() || letter == '_');
    let visibility = before.trim_end().strip_suffix("mod")?.trim();
    let is_visibility = visibility.is_empty() || visibility.starts_with("pub");
    (is_name && is_visibility).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_found_with_and_without_a_file_of_their_own() {
        assert_eq!(declared_module("mod tests {"), Some("tests"));
        assert_eq!(declared_module("pub mod placement;"), Some("placement"));
        assert_eq!(declared_module("    pub(crate) mod inner {"), Some("inner"));
        assert_eq!(declared_module("/// as in a mod name;"), None);
        assert_eq!(declared_module("use mod_name;"), None);
        assert_eq!(declared_module("let remainder = a mod b;"), None);
    }

    #[test]
    fn this_workspace_has_its_crates_and_their_sources() {
        let workspace = Workspace::read().unwrap();
        let store = workspace
            .crates
            .iter()
            .find(|found| found.name == "drover-store")
            .unwrap();
        let domain = Dependency {
            name: "drover-domain".into(),
            kind: Kind::Normal,
        };
        assert!(store.uses.contains(&domain));
        let here = Path::new("tests/architecture/src/workspace.rs");
        let source = workspace
            .sources
            .iter()
            .find(|source| source.path == here)
            .unwrap();
        assert!(source.lines > 100);
        assert_eq!(source.modules, ["tests"]);
    }
}
