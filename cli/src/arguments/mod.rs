//! What can be typed. The types here mirror the command line; the parsers of single values stand in
//! their own files and turn text into what was meant, or into a sentence that says what to type.

mod amount;
mod connection;
mod host;
mod images;
mod mount;
mod pair;
mod publish;
mod restart;
mod since;
mod storage;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::time::Duration;

use clap::parser::ValueSource;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use drover_domain::resource::{Mount, Port, PullPolicy, RestartPolicy};

pub use amount::{parse_cpus, parse_duration, parse_memory};
pub use connection::{ConnectionArguments, OutputForm};
pub use host::{HostArguments, HostCommand, HostRmArguments, HostSetArguments, Wanted};
pub use images::{
    ImageArguments, ImageCommand, ImagePullArguments, RegistryArguments, RegistryCommand,
    RegistryLoginArguments,
};
pub use mount::parse_mount;
pub use pair::{Pair, parse_pair};
pub use publish::parse_publish;
pub use restart::parse_restart;
pub use since::{Since, parse_since};
pub use storage::{
    NetworkArguments, NetworkCommand, NetworkCreateArguments, VolumeArguments, VolumeCommand,
    VolumeCreateArguments, VolumeRemoveArguments,
};

/// Run containers on a fleet of hosts, and see why each is where it is.
#[derive(Debug, Parser)]
#[command(
    name = "drover",
    version,
    propagate_version = true,
    arg_required_else_help = true,
    after_help = "Exit codes: 0 success, 1 the work failed, 2 wrong usage, \
                  3 the server cannot be reached or refuses the key."
)]
pub struct Arguments {
    /// Which server, which key, which form of output.
    #[command(flatten)]
    pub connection: ConnectionArguments,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

impl Arguments {
    /// Parses a command line, the name of the program included.
    ///
    /// # Errors
    /// What is wrong with it, or the help that was asked for, ready to be printed.
    pub fn from_command_line<I, T>(line: I) -> Result<Self, clap::Error>
    where
        I: IntoIterator<Item = T>,
        T: Into<OsString> + Clone,
    {
        let matches = Self::command().try_get_matches_from(line)?;
        let mut arguments = Self::from_arg_matches(&matches)?;
        if matches.value_source("api_key") == Some(ValueSource::CommandLine) {
            // Everyone on the machine can read the arguments of a running program.
            return Err(Self::command().error(
                clap::error::ErrorKind::ArgumentConflict,
                "an API key does not belong on the command line; put it into a file and name the \
                 file with --api-key-file, or set DROVER_API_KEY",
            ));
        }
        if matches.value_source("api_key_file") == Some(ValueSource::CommandLine) {
            // What was typed now counts for more than a variable that was set before.
            arguments.connection.api_key = None;
        }
        Ok(arguments)
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Create a container and start it
    Run(Box<RunArguments>),
    /// List containers
    Ps(PsArguments),
    /// Show all there is to know of a container or host
    Inspect(TargetArguments),
    /// Start containers
    Start(ActArguments),
    /// Stop containers
    Stop(ActArguments),
    /// Stop containers and start them again
    Restart(ActArguments),
    /// Remove containers
    Rm(RmArguments),
    /// Print what a container has written
    Logs(LogsArguments),
    /// Run a command inside a container
    Exec(ExecArguments),
    /// Show what containers use, again each second
    Stats(StatsArguments),
    /// List hosts
    Hosts(ListArguments),
    /// Show hosts, say what they take, and take them out of use
    Host(HostArguments),
    /// List processes: what was asked, and how far it came
    Processes(ProcessesArguments),
    /// Tell what happened to a resource, what it waits for and why it failed
    Explain(ExplainArguments),
    /// Volumes: data that outlives containers
    Volume(VolumeArguments),
    /// Networks, in which containers of one host find one another
    Network(NetworkArguments),
    /// Images that hosts have before a container needs them
    Image(ImageArguments),
    /// Credentials for registries, with which images are fetched
    Registry(RegistryArguments),
    /// Registration tokens, with which agents introduce themselves
    Token(TokenArguments),
    /// Remember --server and --api-key-file in the configuration, once they work
    Login,
    /// Print changes as they happen
    Watch(WatchArguments),
    /// Print a completion script for a shell
    Completion(CompletionArguments),
}

/// When the image is fetched from its registry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Pull {
    /// When the host does not have it
    #[default]
    Missing,
    /// In any case
    Always,
    /// Never
    Never,
}

impl From<Pull> for PullPolicy {
    fn from(pull: Pull) -> Self {
        match pull {
            Pull::Missing => Self::IfNotPresent,
            Pull::Always => Self::Always,
            Pull::Never => Self::Never,
        }
    }
}

/// `drover run`
#[derive(Debug, Args)]
pub struct RunArguments {
    /// The image, as NAME, NAME:TAG or NAME@DIGEST
    pub image: String,
    /// The command, after `--`; the image's own if left out
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<String>,
    /// A name to find it by
    #[arg(long)]
    pub name: Option<String>,
    /// An environment variable
    #[arg(long, short, value_name = "KEY=VALUE", value_parser = parse_pair)]
    pub env: Vec<Pair>,
    /// A label
    #[arg(long, short, value_name = "KEY=VALUE", value_parser = parse_pair)]
    pub label: Vec<Pair>,
    /// A port to publish
    #[arg(help = "A port to publish: [[IP:]HOST:]CONTAINER[/udp]", long, short, value_name = "PORT", value_parser = parse_publish)]
    pub publish: Vec<Port>,
    /// The most memory, as 64m, 64MiB or 1.5g
    #[arg(long, value_name = "SIZE", value_parser = parse_memory)]
    pub memory: Option<u32>,
    /// When it is started again: `no`, `on-failure`, `on-failure:TIMES` or `always`
    #[arg(long, value_name = "POLICY", value_parser = parse_restart)]
    pub restart: Option<RestartPolicy>,
    /// The most processor time, as 0.5 or 2
    #[arg(long, value_name = "NUMBER", value_parser = parse_cpus)]
    pub cpus: Option<u32>,
    /// Replace the image's entry point; repeat it for arguments
    #[arg(long, value_name = "PROGRAM", allow_hyphen_values = true)]
    pub entrypoint: Vec<String>,
    /// The directory to start in
    #[arg(long, short, value_name = "DIRECTORY")]
    pub workdir: Option<String>,
    /// The user, as NAME, UID or UID:GID
    #[arg(long, short)]
    pub user: Option<String>,
    /// When the image is fetched from its registry
    #[arg(long, value_name = "WHEN", default_value = "missing")]
    pub pull: Pull,
    /// A network to join: one of the project, or bridge, host or none
    #[arg(long)]
    pub network: Vec<String>,
    /// A name by which others in its networks find it, beside its own
    #[arg(long, value_name = "NAME", requires = "network")]
    pub network_alias: Vec<String>,
    /// A volume, or a path of the host, to mount
    #[arg(help = "A volume, or a path of the host, to mount: NAME:PATH[:ro] or /PATH:PATH[:ro]", long, short = 'v', value_name = "MOUNT", value_parser = parse_mount)]
    pub volume: Vec<Mount>,
    /// The one host that may take it
    #[arg(long, value_name = "ID|NAME")]
    pub host: Option<String>,
    /// Create it only
    #[arg(long)]
    pub no_start: bool,
    /// Do not wait until it runs
    #[arg(long, short)]
    pub detach: bool,
}

/// `drover ps`
#[derive(Debug, Args)]
pub struct PsArguments {
    /// Show removed containers too
    #[arg(long, short)]
    pub all: bool,
    /// Show whole ids
    #[arg(long)]
    pub wide: bool,
}

/// A list with no filter.
#[derive(Debug, Args)]
pub struct ListArguments {
    /// Show whole ids
    #[arg(long)]
    pub wide: bool,
}

/// One resource or several.
#[derive(Debug, Args)]
pub struct TargetArguments {
    /// Name, id, or the first or last characters of an id
    #[arg(required = true, value_name = "NAME|ID")]
    pub targets: Vec<String>,
}

/// `drover start`, `stop`, `restart`
#[derive(Debug, Args)]
pub struct ActArguments {
    /// Name, id, or the first or last characters of an id
    #[arg(required = true, value_name = "NAME|ID")]
    pub targets: Vec<String>,
    /// Do not wait until it is done
    #[arg(long, short)]
    pub detach: bool,
}

/// `drover rm`
#[derive(Debug, Args)]
pub struct RmArguments {
    /// Name, id, or the first or last characters of an id
    #[arg(required = true, value_name = "NAME|ID")]
    pub targets: Vec<String>,
    /// Whatever it is doing, and even when its host is gone
    #[arg(long, short)]
    pub force: bool,
    /// Forget it too, so that no trace of it can be read any more
    #[arg(long, conflicts_with = "detach")]
    pub purge: bool,
    /// Do not wait until it is gone
    #[arg(long, short)]
    pub detach: bool,
}

/// `drover logs`
#[derive(Debug, Args)]
pub struct LogsArguments {
    /// Name, id, or the first or last characters of an id
    #[arg(value_name = "NAME|ID")]
    pub container: String,
    /// Go on with what it will write, until it ends
    #[arg(long, short)]
    pub follow: bool,
    /// No more than so many of the last lines
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(..=1_000_000))]
    pub tail: Option<u32>,
    /// Only what was written since: a span of time, as 10m, or a moment, as 2026-11-21T12:00:00Z
    #[arg(long, value_name = "TIME", value_parser = parse_since)]
    pub since: Option<Since>,
    /// Begin each line with its moment
    #[arg(long)]
    pub timestamps: bool,
}

/// `drover exec`
#[derive(Debug, Args)]
pub struct ExecArguments {
    /// Name, id, or the first or last characters of an id
    #[arg(value_name = "NAME|ID")]
    pub container: String,
    /// The command, after `--`
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub command: Vec<String>,
    /// Hand standard input on to it
    #[arg(long, short)]
    pub interactive: bool,
    /// Give it a terminal, of the size of this one
    #[arg(long, short)]
    pub tty: bool,
    /// An environment variable
    #[arg(long, short, value_name = "KEY=VALUE", value_parser = parse_pair)]
    pub env: Vec<Pair>,
    /// The directory to run in
    #[arg(long, short, value_name = "DIRECTORY")]
    pub workdir: Option<String>,
    /// The user, as NAME, UID or UID:GID
    #[arg(long, short)]
    pub user: Option<String>,
}

/// `drover stats`
#[derive(Debug, Args)]
pub struct StatsArguments {
    /// Names or ids; all that run if none is given
    #[arg(value_name = "NAME|ID")]
    pub containers: Vec<String>,
    /// Show it once
    #[arg(long)]
    pub no_stream: bool,
}

/// `drover processes`
#[derive(Debug, Args)]
pub struct ProcessesArguments {
    /// Those of one container or host
    #[arg(long, value_name = "NAME|ID")]
    pub resource: Option<String>,
    /// Those in one phase: queued, running, waiting, done, failed or canceled
    #[arg(long)]
    pub phase: Option<drover_domain::Phase>,
    /// The most to show
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub limit: u32,
    /// Show whole ids
    #[arg(long)]
    pub wide: bool,
}

/// `drover explain`
#[derive(Debug, Args)]
pub struct ExplainArguments {
    /// Name or id of a container or host, or the id of a process
    #[arg(value_name = "NAME|ID")]
    pub resource: String,
}

/// `drover token`
#[derive(Debug, Args)]
pub struct TokenArguments {
    /// What to do with them.
    #[command(subcommand)]
    pub command: TokenCommand,
}

/// What to do with registration tokens.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Create one; it is shown this once
    Create(TokenCreateArguments),
}

/// `drover token create`
#[derive(Debug, Args)]
pub struct TokenCreateArguments {
    /// A name to know it by
    #[arg(long)]
    pub name: Option<String>,
    /// How many agents may use it
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    pub maximum_uses: Option<u32>,
    /// How long it may be used, as 90s, 30m or 24h
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub expires_in: Option<Duration>,
    /// The agents' server to print
    #[arg(
        help = "The agents' server to print [default: port 8090 of the API's address]",
        long,
        value_name = "URL"
    )]
    pub agent_server: Option<String>,
}

/// `drover watch`
#[derive(Debug, Args)]
pub struct WatchArguments {
    /// Only the changes of this container or host
    #[arg(value_name = "NAME|ID")]
    pub resource: Option<String>,
    /// Begin behind this position; 0 is the oldest that is kept
    #[arg(
        help = "Begin behind this position; 0 is the oldest that is kept [default: now]",
        long,
        value_name = "POSITION"
    )]
    pub after: Option<String>,
}

/// `drover completion`
#[derive(Debug, Args)]
pub struct CompletionArguments {
    /// The shell
    pub shell: clap_complete::Shell,
}

/// Pairs as a map; of two with one key the last counts.
pub fn map_of(pairs: Vec<Pair>) -> BTreeMap<String, String> {
    pairs
        .into_iter()
        .map(|Pair { key, value }| (key, value))
        .collect()
}

#[cfg(test)]
mod tests;
