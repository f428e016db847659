//! Give back what the container had reserved.

use drover_domain::engine::{Changes, Outcome};
use drover_domain::write::ReservationChange;

pub(crate) fn run() -> Outcome {
    Outcome::Done(Box::new(Changes {
        reservation: Some(ReservationChange::Release),
        ..Changes::default()
    }))
}
