//! Prints what is wrong with the shape of this workspace; fails when a rule is broken.

use std::process::ExitCode;

use anyhow::Result;

#[expect(
    clippy::print_stdout,
    reason = "the findings are what this program is for"
)]
fn main() -> Result<ExitCode> {
    let findings = drover_architecture::check_this_workspace()?;
    for finding in &findings {
        println!("{finding}");
    }
    let errors = findings.iter().filter(|finding| finding.is_error()).count();
    println!(
        "architecture: {errors} errors, {} warnings",
        findings.len() - errors
    );
    Ok(if errors == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
