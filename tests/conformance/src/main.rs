//! `drover-agent-conformance -- COMMAND…`: whether a command is an agent of Drover.

#![expect(clippy::print_stdout, reason = "it tells what it finds")]

use std::process::ExitCode;

use clap::Parser;
use drover_conformance::launch::Program;
use drover_conformance::{Form, Options};

/// Tries whether a command is an agent of Drover, rule by rule (docs/agent-protocol.md).
///
/// The command finds its server, its token and its directory in `DROVER_AGENT_SERVER`,
/// `DROVER_REGISTRATION_TOKEN` and `DROVER_DATA_DIR`.
#[derive(Parser)]
#[command(name = "drover-agent-conformance", version)]
struct Arguments {
    /// The form that it is to take; the one that it asks for if absent
    #[arg(long)]
    form: Option<Form>,
    /// The image of the containers that it is told to make
    #[arg(long, default_value = "drover/hello")]
    image: String,
    /// The command that starts the agent
    #[arg(required = true, last = true)]
    command: Vec<String>,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let options = Options {
        form: arguments.form,
        image: arguments.image,
    };
    let program = Program(arguments.command);
    let facts = drover_conformance::run(&options, &program, |fact| println!("{fact}")).await?;
    let (tried, failed) = (facts.count(), facts.objections().count());
    println!("{} of {tried} rules hold", tried - failed);
    Ok(match facts.hold() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}
