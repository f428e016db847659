//! Names that say nothing, and files that hold too much.

use std::collections::BTreeSet;
use std::path::Component;

use crate::Finding;
use crate::workspace::Workspace;

/// Names under which everything ends up, as anything fits them.
const EMPTY_NAMES: [&str; 10] = [
    "common", "core", "helper", "helpers", "manager", "misc", "shared", "types", "util", "utils",
];

/// From so many lines on, a file is worth a look.
pub const LONG_FILE: usize = 350;

/// So many lines are the most that a file may have.
pub const LONGEST_FILE: usize = 500;

/// Crates and modules whose name tells nobody what is in them.
#[must_use]
pub fn check_names(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    for known in &workspace.crates {
        for part in known
            .name
            .split('-')
            .filter(|part| EMPTY_NAMES.contains(part))
        {
            findings.push(Finding::Error(format!(
                "the crate {} is called {part}, which says nothing about what is in it",
                known.name
            )));
        }
    }
    for source in &workspace.sources {
        let declared = source.modules.iter().map(String::as_str);
        let stem = source.path.file_stem().and_then(|stem| stem.to_str());
        let folders = source
            .path
            .components()
            .filter_map(|component| match component {
                Component::Normal(folder) => folder.to_str(),
                _ => None,
            });
        let names: BTreeSet<&str> = declared.chain(stem).chain(folders).collect();
        for name in names.into_iter().filter(|name| EMPTY_NAMES.contains(name)) {
            findings.push(Finding::Error(format!(
                "{}: a module called {name} says nothing about what is in it",
                source.path.display()
            )));
        }
    }
    findings
}

/// Files that have grown beyond what one sitting can read.
#[must_use]
pub fn check_sizes(workspace: &Workspace) -> Vec<Finding> {
    let grown = workspace
        .sources
        .iter()
        .filter(|source| source.lines > LONG_FILE);
    grown
        .map(|source| {
            let (path, lines) = (source.path.display(), source.lines);
            if lines > LONGEST_FILE {
                Finding::Error(format!(
                    "{path} has {lines} lines; {LONGEST_FILE} is the most"
                ))
            } else {
                Finding::Warning(format!("{path} has {lines} lines; {LONG_FILE} is enough"))
            }
        })
        .collect()
}
