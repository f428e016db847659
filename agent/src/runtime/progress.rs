//! How far an action is, for whoever asks: what was said last, and nothing is sent for it.

use std::sync::{Arc, Mutex, PoisonError};

use drover_proto::v1;

/// Where an action says how far it is. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<Mutex<Option<v1::Progress>>>);

impl Progress {
    /// Says how far it is: in words for a person, and in percent if that is known.
    pub fn say(&self, message: impl Into<String>, percent: Option<u32>) {
        let said = v1::Progress {
            message: message.into(),
            percent: percent.map(|percent| percent.min(100)),
        };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(said);
    }

    /// What was said last.
    pub fn last(&self) -> Option<v1::Progress> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.clone()
    }
}
