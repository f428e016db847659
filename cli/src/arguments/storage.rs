//! `drover volume` and `drover network`.

use clap::{Args, Subcommand};

use super::{ListArguments, Pair, TargetArguments, parse_pair};

/// `drover volume`
#[derive(Debug, Args)]
pub struct VolumeArguments {
    /// What to do with them.
    #[command(subcommand)]
    pub command: VolumeCommand,
}

/// What to do with volumes.
#[derive(Debug, Subcommand)]
pub enum VolumeCommand {
    /// Make one
    Create(VolumeCreateArguments),
    /// List them
    List(ListArguments),
    /// Show all there is to know of some
    Show(TargetArguments),
    /// Remove some, with their data
    Remove(VolumeRemoveArguments),
}

/// `drover volume create`
#[derive(Debug, Args)]
pub struct VolumeCreateArguments {
    /// What containers refer to it by
    pub name: String,
    /// The host that it shall live on
    #[arg(
        help = "The host that it shall live on [default: that of the first container that mounts it]",
        long,
        value_name = "ID|NAME"
    )]
    pub host: Option<String>,
    /// A label
    #[arg(long, short, value_name = "KEY=VALUE", value_parser = parse_pair)]
    pub label: Vec<Pair>,
}

/// `drover volume remove`
#[derive(Debug, Args)]
pub struct VolumeRemoveArguments {
    /// Name, id, or the first or last characters of an id
    #[arg(required = true, value_name = "NAME|ID")]
    pub targets: Vec<String>,
    /// Even when its host is gone
    #[arg(long, short)]
    pub force: bool,
}

/// `drover network`
#[derive(Debug, Args)]
pub struct NetworkArguments {
    /// What to do with them.
    #[command(subcommand)]
    pub command: NetworkCommand,
}

/// What to do with networks.
#[derive(Debug, Subcommand)]
pub enum NetworkCommand {
    /// Make one
    Create(NetworkCreateArguments),
    /// List them
    List(ListArguments),
    /// Show all there is to know of some
    Show(TargetArguments),
    /// Remove some
    Remove(TargetArguments),
}

/// `drover network create`
#[derive(Debug, Args)]
pub struct NetworkCreateArguments {
    /// What containers refer to it by
    pub name: String,
    /// Let it lead nowhere but to the containers in it
    #[arg(long)]
    pub internal: bool,
    /// A label
    #[arg(long, short, value_name = "KEY=VALUE", value_parser = parse_pair)]
    pub label: Vec<Pair>,
}
