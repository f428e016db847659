//! Drover installed and running, in either of its wirings, out of real operating-system processes.
//!
//! ```text
//!   Embedded: droverd standalone                     Cluster: PostgreSQL, NATS, etcd
//!                |                                     api x 2   process x 2   agent x 2
//!                |                                            agents x 3
//!                +-------------> Drover <-----------------------+
//!                     (what a client sees of it: the same for both)
//! ```
//!
//! Scenarios that hold in both wirings take a [`Drover`] and cannot tell which one it is. Those that
//! kill, stop or pause parts take an [`Embedded`] or a [`Cluster`], whose parts are public.
//!
//! The executables are those that stand beside the test's own (`target/debug`), as built by the
//! whole workspace: a scenario sees nothing of Drover's code.

mod api;
mod cluster;
mod drover;
mod embedded;
mod executables;
mod fleet;
mod in_docker;
mod shape;

pub use api::{Api, Reply, send};
pub use cluster::Cluster;
pub use drover::{Drover, id_of};
pub use embedded::Embedded;
pub use executables::executable;
pub use fleet::Fleet;
pub use shape::Shape;

/// What runs the containers of an installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runtime {
    /// The Docker engine of this machine.
    Docker,
    /// Drover's own pretence of one.
    Simulated,
}

impl Runtime {
    fn as_str(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Simulated => "simulated",
        }
    }
}
