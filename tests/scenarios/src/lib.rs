//! Real servers for black-box scenarios.
//!
//! A scenario runs Drover's executables against PostgreSQL, NATS, etcd and Docker as they are
//! installed on a host, and looks at them from outside only. This library owns what such a test
//! has to own: ports, folders and child processes. Its rules:
//!
//! - **Nothing is shared.** Each server has a port and a folder of its own, so that scenarios run
//!   side by side, in one process or in many.
//! - **Nothing is left behind.** A guard ends its process and removes its folder when it is
//!   dropped; a test runner that is killed takes its children along, by the kernel's word.
//! - **Nothing is waited for blindly.** [`until::until`] looks until a condition holds or a
//!   deadline passes, and then says what it saw last.
//!
//! ```text
//!   ports ---> process ---> postgres | nats | etcd | (Drover's own executables)
//!                  until <-------'
//!   registry: one image, for Docker to fetch
//!   docker: the engine of this machine, cleared of a test's containers by their label
//!   engine: one of a test's own, to be killed     swarm: the engine as another orchestrator
//!   network, detour: ways that are cut, or slow
//!
//!   installation: Drover itself, embedded or as a cluster, made of all these
//!   scenarios ---> facts: what is claimed of an installation, the same for both wirings
//!   counters: what work has cost the parts of a cluster     scrape: what its programs tell of themselves
//! ```
//!
//! A test fails with a panic (`unwrap`, `assert`), not with an `Err` that it returns: only a
//! panic lets the guards print the end of their logs.

pub mod counters;
pub mod detour;
pub mod docker;
pub mod engine;
pub mod etcd;
pub mod facts;
pub mod http;
pub mod installation;
pub mod nats;
pub mod network;
pub mod ports;
pub mod postgres;
pub mod process;
mod program;
pub mod registry;
pub mod scenarios;
pub mod scrape;
pub mod stream;
pub mod swarm;
pub mod until;
