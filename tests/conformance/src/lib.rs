//! Whether a program is an agent of Drover: the rules of `docs/agent-protocol.md`, each tried.
//!
//! ```text
//!   checks ---- commands, answers, accidents ----> server ==== either form ====> agent
//!     |    <--- what it said, and when ---------           <--- registration ---   ^
//!   facts                                                                          |
//!     ok / not ok                                        launch: started, killed, started again
//! ```
//!
//! The server is played: it has no database and no bus, and does what the checks say, also what no
//! server should. Whoever is checked is a command, or something else that can be launched. It is
//! seen from outside only, so that it can be written in any language.

mod checks;
mod connection;
mod facts;
pub mod launch;
mod server;

pub use facts::{Fact, Facts};

use launch::Launch;

/// The project of the containers that an agent is told to make.
pub const PROJECT: uuid::Uuid = uuid::Uuid::from_u128(3);

/// Which form an agent is to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    /// Lines of JSON, and POSTs.
    Plain,
    /// A WebSocket with protobuf.
    Socket,
}

/// What is tried, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// The form that it is to take; the one that it asks for if absent.
    pub form: Option<Form>,
    /// The image of the containers.
    pub image: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            form: None,
            image: "drover/hello".to_owned(),
        }
    }
}

/// Tries an agent, and tells of each rule as soon as it is known whether it holds.
///
/// # Errors
/// When nothing can be tried: there is no port, or the agent cannot be started.
pub async fn run(
    options: &Options,
    launch: &dyn Launch,
    tell: impl FnMut(&Fact) + Send,
) -> anyhow::Result<Facts> {
    checks::run(options, launch, tell).await
}
