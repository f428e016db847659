//! The steps of volumes.

pub(crate) mod make_volume;
pub(crate) mod refuse_while_mounted;
pub(crate) mod remove_volume;

use drover_domain::Resource;
use drover_domain::engine::{Changes, Outcome};
use drover_domain::resource::Details;

/// The end of a step that leaves the volume under a name of the runtime, or gone.
fn seen(volume: &Resource, runtime_id: Option<String>) -> Outcome {
    let mut details = volume.details.clone();
    if let Details::Volume { status, .. } = &mut details {
        status.runtime_id = runtime_id;
    }
    Outcome::Done(Box::new(Changes {
        details: Some(details),
        ..Changes::default()
    }))
}
