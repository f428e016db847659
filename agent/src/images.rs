//! Images: fetched from their registries when they are needed, as the policy of whoever needs them says.
//!
//! Who logs in at a registry comes with the command, and goes with it: nothing here writes it down, and a
//! command that is repeated is answered by its reply.

use drover_domain::{ResourceId, ResourceRef, ResourceType};
use drover_proto::v1::create_container::PullPolicy;
use drover_proto::v1::seen_container::State;
use drover_proto::v1::{CreateContainer, PullImage, SeenContainer, SeenImage};

use crate::runtime::{Runtime, RuntimeError};
use crate::telling::Telling;

/// The images of a runtime, and who is told how far they are.
pub(crate) struct Images<'a> {
    pub(crate) runtime: &'a dyn Runtime,
    pub(crate) telling: &'a Telling,
}

impl Images<'_> {
    /// Makes a container, and fetches its image as its policy says.
    pub(crate) async fn create(
        &self,
        id: ResourceId,
        wanted: &CreateContainer,
    ) -> Result<SeenContainer, RuntimeError> {
        let resource = ResourceRef {
            resource_type: ResourceType::Container,
            id,
        };
        match wanted.pull_policy() {
            PullPolicy::Never => self.runtime.create(id, wanted).await,
            PullPolicy::Always => {
                let seen = self.runtime.inspect(id).await?;
                if seen.state() != State::Missing {
                    return Ok(seen);
                }
                self.pull(resource, &wanted.into()).await?;
                self.runtime.create(id, wanted).await
            }
            PullPolicy::IfNotPresent => match self.runtime.create(id, wanted).await {
                Err(RuntimeError::ImageMissing(_)) => {
                    self.pull(resource, &wanted.into()).await?;
                    self.runtime.create(id, wanted).await
                }
                other => other,
            },
        }
    }

    /// Fetches an image as its policy says, or looks whether it is there.
    pub(crate) async fn fetch(
        &self,
        resource: ResourceRef,
        wanted: &PullImage,
    ) -> Result<SeenImage, RuntimeError> {
        let runtime = self.runtime;
        let known = match wanted.pull_policy() {
            PullPolicy::Always => None,
            PullPolicy::IfNotPresent | PullPolicy::Never => runtime.find_image(wanted).await?,
        };
        let runtime_id = match (known, wanted.pull_policy()) {
            (Some(known), _) => known,
            (None, PullPolicy::Never) => {
                let message = format!("No such image: {}", wanted.image);
                return Err(RuntimeError::ImageMissing(message));
            }
            (None, _) => {
                self.pull(resource, wanted).await?;
                runtime.find_image(wanted).await?.ok_or_else(|| {
                    let message = format!("{} was fetched, and is gone again", wanted.image);
                    RuntimeError::Runtime(message)
                })?
            }
        };
        Ok(SeenImage {
            image_id: resource.id.to_string(),
            runtime_id,
        })
    }

    /// Fetches an image, and tells how far it is.
    async fn pull(&self, resource: ResourceRef, wanted: &PullImage) -> Result<(), RuntimeError> {
        let telling = self.telling.begin(resource);
        self.runtime.pull(wanted, telling.progress()).await
    }
}
