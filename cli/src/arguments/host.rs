//! `drover host`: what can be asked of hosts and their agents.

use clap::{Args, Subcommand};

use super::amount::{parse_cpus, parse_memory};
use super::pair::{Pair, parse_pair};
use super::{ActArguments, TargetArguments};

/// `drover host`
#[derive(Debug, Args)]
pub struct HostArguments {
    /// What to do with them.
    #[command(subcommand)]
    pub command: HostCommand,
}

/// What to do with hosts.
#[derive(Debug, Subcommand)]
pub enum HostCommand {
    /// Show what a host is, has and takes
    Show(TargetArguments),
    /// Show how busy hosts are at this moment
    Stats(TargetArguments),
    /// Say how much of a host containers may take, and how many there may be; change its labels
    Set(HostSetArguments),
    /// Take hosts into use
    Activate(ActArguments),
    /// Keep new containers away from hosts
    Deactivate(ActArguments),
    /// Bring up elsewhere what hosts run, and keep new containers away
    Evacuate(ActArguments),
    /// Remove hosts that have no containers
    Rm(HostRmArguments),
    /// Give the agents of hosts other credentials, while they work
    Rotate(ActArguments),
    /// Revoke the credentials of the agents of hosts, at once
    Revoke(TargetArguments),
}

/// `drover host rm`
#[derive(Debug, Args)]
pub struct HostRmArguments {
    /// Name, id, or the first or last characters of an id
    #[arg(required = true, value_name = "NAME|ID")]
    pub targets: Vec<String>,
    /// Whatever state they are in, with what they run
    #[arg(long, short)]
    pub force: bool,
    /// Do not wait until they are gone
    #[arg(long, short)]
    pub detach: bool,
}

/// `drover host set`
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("change").required(true).multiple(true))]
pub struct HostSetArguments {
    /// Name, id, or the first or last characters of an id
    #[arg(value_name = "NAME|ID")]
    pub target: String,
    /// How many processors containers may reserve, as 1.5; `found` for what its agent finds
    #[arg(long, value_name = "NUMBER|found", group = "change", value_parser = parse_found_cpus)]
    pub cpus: Option<Wanted>,
    /// How much memory containers may reserve, as 4g; `found` for what its agent finds
    #[arg(long, value_name = "SIZE|found", group = "change", value_parser = parse_found_memory)]
    pub memory: Option<Wanted>,
    /// How many containers it may have; `any` for any number
    #[arg(long, value_name = "NUMBER|any", group = "change", value_parser = parse_maximum)]
    pub max_containers: Option<Wanted>,
    /// A label to add or to change
    #[arg(long, short, value_name = "KEY=VALUE", group = "change", value_parser = parse_pair)]
    pub label: Vec<Pair>,
    /// A label to take away
    #[arg(long, value_name = "KEY", group = "change")]
    pub unlabel: Vec<String>,
}

/// What is wanted of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// That there is none.
    Nothing,
    /// So much.
    Amount(u32),
}

fn parse_found_cpus(text: &str) -> Result<Wanted, String> {
    match text {
        "found" => Ok(Wanted::Nothing),
        amount => parse_cpus(amount).map(Wanted::Amount),
    }
}

fn parse_found_memory(text: &str) -> Result<Wanted, String> {
    match text {
        "found" => Ok(Wanted::Nothing),
        amount => parse_memory(amount).map(Wanted::Amount),
    }
}

fn parse_maximum(text: &str) -> Result<Wanted, String> {
    match text {
        "any" => Ok(Wanted::Nothing),
        number => number
            .parse()
            .map(Wanted::Amount)
            .map_err(|_| format!("`{text}` is no number of containers; write one, or `any`")),
    }
}
