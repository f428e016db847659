//! The flags that every command has: which server, which key, which form of output. Each has a
//! variable, so that a shell can be set up once; which of them counts is settled by
//! [`crate::configuration`].

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::parse_duration;

/// Which server, which key, which form of output.
#[derive(Args)]
#[command(next_help_heading = "Server and output")]
pub struct ConnectionArguments {
    /// Address of the API
    #[arg(
        help = "Address of the API [default: the configuration, then http://127.0.0.1:8080]",
        long,
        global = true,
        env = "DROVER_SERVER",
        value_name = "URL"
    )]
    pub server: Option<String>,
    /// File that holds the API key
    #[arg(long, global = true, env = "DROVER_API_KEY_FILE", value_name = "FILE")]
    pub api_key_file: Option<PathBuf>,
    /// The API key itself, from the environment only
    #[arg(
        long,
        global = true,
        env = "DROVER_API_KEY",
        hide = true,
        hide_env_values = true
    )]
    pub api_key: Option<String>,
    /// Certificates in PEM to trust instead of the platform's
    #[arg(long, global = true, env = "DROVER_CA_FILE", value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// Configuration file
    #[arg(
        help = "Configuration file [default: ~/.config/drover/config.toml]",
        long,
        global = true,
        env = "DROVER_CONFIG",
        value_name = "FILE"
    )]
    pub config: Option<PathBuf>,
    /// Tables for people, or the API's own objects
    #[arg(
        long,
        short = 'o',
        global = true,
        value_enum,
        default_value = "table",
        value_name = "FORM"
    )]
    pub output: OutputForm,
    /// How long to stay with work before leaving it to itself, as 90s, 30m or 2h
    #[arg(long, global = true, default_value = "30m", value_parser = parse_duration, value_name = "TIME")]
    pub timeout: Duration,
}

impl std::fmt::Debug for ConnectionArguments {
    /// Leaves the key out.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ConnectionArguments")
            .field("server", &self.server)
            .field("api_key_file", &self.api_key_file)
            .field("ca_file", &self.ca_file)
            .field("config", &self.config)
            .field("output", &self.output)
            .finish_non_exhaustive()
    }
}

/// The form of what is printed to standard output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum OutputForm {
    /// Tables and sentences.
    #[default]
    Table,
    /// The API's objects as JSON.
    Json,
}
