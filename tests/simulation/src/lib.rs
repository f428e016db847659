//! The process engine in a world where everything goes wrong, decided by a seed.
//!
//! The store, the domain, and the runner, steps, claims and settling of the process server are the
//! real ones. The simulation replaces what decides *when* something happens and *whether* it does:
//! the scheduler, the clock, chance, the bus, the locks, and the agents with their machines. All
//! choices follow from one seed, so a run that goes wrong can be had again, to the letter.
//!
//! ```text
//!   clients ----- intents ------> store (SQLite, real) <----- claims, writes ---- servers (real)
//!      |                                                                            |   ^
//!      +--- hints ---> SimBus: loses, delays, repeats, reorders <--- commands ------+   | locks
//!                         |                                                             |
//!                       agents: fences, replies, machines           LockTable: sessions that end
//! ```
//!
//! [`kernel`] says how it is scheduled, [`faults`] what goes wrong, [`invariants`] what must hold at
//! every moment, [`ending`] what must hold at the end, when nothing has gone wrong for a while.

pub mod agents;
pub mod bus;
pub mod clients;
pub mod ending;
pub mod faults;
pub mod invariants;
pub mod kernel;
pub mod locks;
pub mod machine;
mod order;
pub mod random;
mod reporting;
pub mod servers;
pub mod surroundings;
pub mod transcript;
pub mod world;
