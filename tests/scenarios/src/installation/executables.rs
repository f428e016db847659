//! Drover's executables, where the build put them.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use crate::process::Program;

/// One of Drover's executables, from the folder of this build. Settings of whoever runs the tests
/// are kept from it.
pub(super) fn program(executable: &str, name: impl Into<String>) -> Result<Program> {
    let path = self::executable(executable)?;
    let inherited = std::env::vars_os()
        .filter_map(|(variable, _)| variable.into_string().ok())
        .filter(|variable| variable.starts_with("DROVER_"));
    Ok(inherited.fold(Program::new(name, path), Program::without_environment))
}

/// Where one of them is. Tests stand in `target/debug/deps`, executables in `target/debug`.
///
/// # Errors
/// When it was not built.
pub fn executable(executable: &str) -> Result<PathBuf> {
    let test = std::env::current_exe().context("where this test is")?;
    let folders = test.ancestors().skip(1).take(2);
    let found = folders
        .map(|folder| folder.join(executable))
        .find(|path| path.is_file());
    ensure!(
        found.is_some(),
        "there is no executable {executable} beside {}: run `cargo build --workspace` first",
        test.display()
    );
    found.context("it was there a moment ago")
}
