//! `drover image` and `drover registry`.

use clap::{Args, Subcommand};

use super::{ListArguments, Pair, Pull, TargetArguments, parse_pair};

/// `drover image`
#[derive(Debug, Args)]
pub struct ImageArguments {
    /// What to do with them.
    #[command(subcommand)]
    pub command: ImageCommand,
}

/// What to do with images.
#[derive(Debug, Subcommand)]
pub enum ImageCommand {
    /// Have hosts fetch one, before a container needs it
    Pull(ImagePullArguments),
    /// List those that were asked for
    #[command(visible_alias = "ls")]
    List(ListArguments),
    /// Show all there is to know of some
    Show(TargetArguments),
    /// Forget that some were asked for; hosts keep what they have
    #[command(visible_alias = "rm")]
    Remove(TargetArguments),
}

/// `drover image pull`
#[derive(Debug, Args)]
pub struct ImagePullArguments {
    /// What containers ask for
    pub image: String,
    /// A host that shall have it
    #[arg(
        help = "A host that shall have it [default: all that take containers]",
        long,
        value_name = "ID|NAME"
    )]
    pub host: Vec<String>,
    /// A label of the hosts that shall have it
    #[arg(long, short, value_name = "KEY=VALUE", value_parser = parse_pair)]
    pub label: Vec<Pair>,
    /// Whether it is fetched where it is already
    #[arg(long, value_enum, default_value_t)]
    pub pull: Pull,
    /// Print its id and do not wait until it is there
    #[arg(long, short)]
    pub detach: bool,
}

/// `drover registry`
#[derive(Debug, Args)]
pub struct RegistryArguments {
    /// What to do with credentials for registries.
    #[command(subcommand)]
    pub command: RegistryCommand,
}

/// What to do with credentials for registries.
#[derive(Debug, Subcommand)]
pub enum RegistryCommand {
    /// Give the project a name and a password for a registry
    Login(RegistryLoginArguments),
    /// List the registries that the project has a password for
    #[command(visible_alias = "ls")]
    List(ListArguments),
    /// Forget some
    #[command(visible_alias = "rm")]
    Remove(TargetArguments),
}

/// `drover registry login`
#[derive(Debug, Args)]
pub struct RegistryLoginArguments {
    /// The registry, as images name it; docker.io for Docker's own
    pub registry: String,
    /// Who logs in
    #[arg(long, short)]
    pub username: String,
    /// Read the password from the standard input, as is done wherever that is no terminal
    #[arg(long)]
    pub password_stdin: bool,
}
