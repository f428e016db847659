//! What exists in Drover and what may happen to it: identifiers, resources, states, lifecycles,
//! the decisions of the process engine, and placement.
//!
//! The crate is pure. It knows no runtime, no SQL, no wire format and no clock: the present moment
//! and every random number are arguments. What is decided here is carried out elsewhere, so each
//! decision can be tested over all its inputs.
//!
//! | module | what it decides |
//! | --- | --- |
//! | [`resource`] | what a container, host, agent … is, and whether what was asked is sound |
//! | [`quota`] | whether a project may have one container more |
//! | [`settings`] | what operators can set while servers run |
//! | [`role`] | what the holder of a key may see and do |
//! | [`lifecycle`] | which request is allowed in which state, and where it leads |
//! | [`process`] | the row of a durable process: phase, step, journal, fence, cause |
//! | [`engine`] | what follows the outcome of a step: next step, wait, retry, end |
//! | [`mod@write`] | what an intent or a process wants the database to make true, and under which guards |
//! | [`recovery`] | what happens to a container that ended by itself or does not do its work |
//! | [`selector`] | what must hold of labels |
//! | [`listing`] | what lists can be asked: filters, labels, order, page |
//! | [`placement`] | which host takes a container, or why none does |
//! | [`prefetch`] | which hosts fetch an image next that is to be there before it is needed |
//! | [`stream`] | what can be asked of a running container, and how the answer travels |

pub mod engine;
pub mod fence;
pub mod id;
pub mod lifecycle;
pub mod listing;
pub mod liveness;
pub mod placement;
pub mod prefetch;
pub mod process;
pub mod quota;
pub mod recovery;
pub mod resource;
pub mod role;
pub mod selector;
pub mod settings;
pub mod state;
pub mod stream;
pub mod timestamp;
pub mod write;

pub use fence::Fence;
pub use id::{ProcessId, ResourceId, ServerId};
pub use process::{Phase, Process};
pub use resource::{Resource, ResourceRef, ResourceType};
pub use role::Role;
pub use selector::Selector;
pub use state::State;
pub use timestamp::Timestamp;
