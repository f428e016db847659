//! Each step twice, each step failed once: rule 5 of the design, as a library.
//!
//! A [`World`](world::World) is a whole Drover in one operating-system process: SQLite, the bus and
//! the locks in memory, and between them the real process server, the real agent server and the real
//! agent over the simulated runtime. A [`Life`](life::Life) is a script of requests that takes every
//! lifecycle through every process that it has.
//!
//! A life is first lived in peace. That tells how many writes and how many actions of the runtime
//! there are. Then it is lived again once for each of them, with one misfortune each time:
//!
//! - the server dies just before the write, or just after it;
//! - the action fails once.
//!
//! Each time the outcome must be the same: the same states in the same order with the same versions,
//! the same processes with the same finished steps, and the same effects on the host.

pub mod life;
pub mod misfortune;
pub mod world;
