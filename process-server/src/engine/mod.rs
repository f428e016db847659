//! The engine: from "there may be work" to rows that say that it is done.

pub(crate) mod caps;
pub(crate) mod company;
pub(crate) mod dispatcher;
pub(crate) mod hints;
mod line;
pub(crate) mod offers;
pub(crate) mod runner;
pub(crate) mod sweep;
pub(crate) mod taking;
mod telling;
