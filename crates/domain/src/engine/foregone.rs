//! Steps whose outcome is known before they run: nothing is done or looked at for them.
//!
//! They are not run. What they change is written with the step before them, so that a container which is
//! gone from its host is removed, and its room given back, in one write.

use super::Changes;
use crate::Resource;
use crate::lifecycle::Step;
use crate::resource::Details;
use crate::write::ReservationChange;

/// What a step changes, if that is known before it runs.
pub fn foregone(step: Step, resource: &Resource) -> Option<Changes> {
    match step {
        Step::Release => Some(Changes {
            reservation: Some(ReservationChange::Release),
            ..Changes::default()
        }),
        // The choice of a host is taken back, and what was reserved there.
        Step::Unplace => Some(Changes {
            host: Some(None),
            reservation: Some(ReservationChange::Release),
            ..Changes::default()
        }),
        Step::LeaveVolumes => leaves_none(resource).then(Changes::default),
        _ => None,
    }
}

fn leaves_none(resource: &Resource) -> bool {
    match &resource.details {
        Details::Container { spec, .. } => spec.volume_names().next().is_none(),
        _ => true,
    }
}
