//! The volumes of a simulated engine, who mounts them, and its images.

use std::collections::{HashMap, HashSet};

use drover_domain::ResourceId;
use drover_proto::v1::SeenVolume;

use super::script::{Action, Script};
use crate::runtime::{RuntimeError, volume_gone};

#[derive(Default)]
pub(super) struct Storage {
    volumes: HashSet<ResourceId>,
    /// The volumes of each container that mounts any.
    mounted: HashMap<ResourceId, Vec<ResourceId>>,
    /// Images that were fetched.
    images: HashSet<String>,
    /// How often it has failed to fetch images, as scripts have it.
    failed: HashMap<String, u32>,
}

impl Storage {
    pub(super) fn make(&mut self, volume: ResourceId) -> SeenVolume {
        self.volumes.insert(volume);
        SeenVolume {
            volume_id: volume.to_string(),
            runtime_id: format!("sim-{}", volume.uuid().simple()),
        }
    }

    pub(super) fn has(&self, volume: ResourceId) -> bool {
        self.volumes.contains(&volume)
    }

    /// Takes a volume away that no container mounts, running or not.
    pub(super) fn remove(&mut self, volume: ResourceId) -> Result<SeenVolume, RuntimeError> {
        if self.mounted.values().any(|all| all.contains(&volume)) {
            let message = "the volume is in use".to_owned();
            return Err(RuntimeError::Refused(message));
        }
        self.volumes.remove(&volume);
        Ok(volume_gone(volume))
    }

    pub(super) fn has_image(&self, image: &str) -> bool {
        self.images.contains(image)
    }

    /// Fails to fetch an image, if a script says so.
    pub(super) fn fail_as_told(
        &mut self,
        image: &str,
        script: &Script,
    ) -> Result<(), RuntimeError> {
        let Some((Action::Pull, times)) = script.fail else {
            return Ok(());
        };
        let failed = self.failed.entry(image.to_owned()).or_default();
        if times.is_some_and(|times| *failed >= times) {
            return Ok(());
        }
        *failed = failed.saturating_add(1);
        let message = "the label sim.fail makes every pull fail".to_owned();
        Err(RuntimeError::Runtime(message))
    }

    pub(super) fn have_image(&mut self, image: &str) {
        self.images.insert(image.to_owned());
    }

    pub(super) fn mount(&mut self, container: ResourceId, volumes: Vec<ResourceId>) {
        if !volumes.is_empty() {
            self.mounted.insert(container, volumes);
        }
    }

    pub(super) fn unmount(&mut self, container: ResourceId) {
        self.mounted.remove(&container);
    }
}
