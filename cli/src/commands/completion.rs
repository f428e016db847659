//! `drover completion`: a script that completes the command line, for the shell that reads it.

use clap::CommandFactory as _;

use crate::arguments::{Arguments, CompletionArguments};
use crate::failure::Failure;
use crate::terminal::Terminal;

/// Carries out the command.
///
/// # Errors
/// [`Failure::OutputClosed`] when nobody reads the script.
pub fn print(arguments: &CompletionArguments, terminal: &Terminal) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(
        arguments.shell,
        &mut Arguments::command(),
        "drover",
        &mut script,
    );
    terminal.print(&String::from_utf8_lossy(&script))
}
