//! Give up the host that was chosen, and what was reserved on it: undoes the choice.

use drover_domain::engine::{Changes, Outcome};
use drover_domain::write::ReservationChange;

pub(crate) fn run() -> Outcome {
    Outcome::Done(Box::new(Changes {
        host: Some(None),
        reservation: Some(ReservationChange::Release),
        ..Changes::default()
    }))
}
