//! The `drover` executable: parses, runs, and ends with the exit code of the result.

use std::process::ExitCode;

use drover_cli::arguments::Arguments;
use drover_cli::failure::Failure;
use drover_cli::terminal::Terminal;

#[tokio::main]
async fn main() -> ExitCode {
    // A second installation is refused and changes nothing, so that the result does not matter.
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
    let arguments = match Arguments::from_command_line(std::env::args_os()) {
        Ok(arguments) => arguments,
        Err(error) => error.exit(),
    };
    let terminal = Terminal::new(arguments.connection.output);
    match drover_cli::run(arguments, &terminal).await {
        // The reader of a pipe has seen enough: that is no failure.
        Ok(()) | Err(Failure::OutputClosed) => ExitCode::SUCCESS,
        // It has said for itself what there is to say.
        Err(failure @ Failure::CommandEnded { .. }) => ExitCode::from(failure.exit_code()),
        Err(failure) => {
            terminal.failure(&failure);
            ExitCode::from(failure.exit_code())
        }
    }
}
