//! Fetching images from their registries.
//!
//! Docker tells of each layer by itself and many times a second; here that becomes one number. A layer counts
//! from the moment that its size is told, so the sum can grow; what is told of never becomes less.

use std::collections::HashMap;
use std::time::Duration;

use bollard::Docker;
use bollard::auth::DockerCredentials;
use bollard::models::CreateImageInfo;
use bollard::query_parameters::CreateImageOptionsBuilder;
use drover_domain::resource::{DOCKER_HUB, registry_of};
use drover_proto::v1::PullImage;
use futures::StreamExt;

use super::refusal::{explain, status_of, words_of};
use crate::runtime::{Progress, RuntimeError};

/// A pull that has not moved for this long is given up.
const SILENT_FOR: Duration = Duration::from_secs(120);

/// The engine's id of an image, if it is there.
pub(super) async fn find(docker: &Docker, image: &str) -> Result<Option<String>, RuntimeError> {
    match docker.inspect_image(image).await {
        Ok(found) => Ok(Some(found.id.unwrap_or_default())),
        Err(error) if status_of(&error) == Some(404) => Ok(None),
        Err(error) => Err(explain(&error)),
    }
}

/// Who logs in where, in the engine's terms. It takes this for one request, and keeps nothing of it.
fn credentials(wanted: &PullImage) -> Option<DockerCredentials> {
    let login = wanted.registry_login.as_ref()?;
    let server = match registry_of(&wanted.image) {
        DOCKER_HUB => "https://index.docker.io/v1/",
        registry => registry,
    };
    Some(DockerCredentials {
        username: Some(login.username.clone()),
        password: Some(login.password.clone()),
        serveraddress: Some(server.to_owned()),
        ..DockerCredentials::default()
    })
}

/// Fetches an image.
pub(super) async fn pull(
    docker: &Docker,
    wanted: &PullImage,
    progress: &Progress,
) -> Result<(), RuntimeError> {
    let image = wanted.image.as_str();
    let (name, tag) = name_and_tag(image);
    let mut options = CreateImageOptionsBuilder::new().from_image(name);
    if let Some(tag) = tag {
        options = options.tag(tag);
    }
    progress.say(format!("pulling {image}"), None);
    let mut layers = Layers::default();
    let mut told =
        std::pin::pin!(docker.create_image(Some(options.build()), None, credentials(wanted),));
    loop {
        match tokio::time::timeout(SILENT_FOR, told.next()).await {
            Ok(None) => return Ok(()),
            Ok(Some(Ok(info))) => {
                layers.hear(&info);
                let (words, percent) = layers.told();
                progress.say(format!("pulling {image}{words}"), percent);
            }
            Ok(Some(Err(error))) => {
                return Err(match explain(&error) {
                    // Not the registry is away then, but the engine.
                    away @ RuntimeError::Unavailable(_) => away,
                    refused if status_of(&error) == Some(400) => refused,
                    _ => RuntimeError::ImageMissing(words_of(&error)),
                });
            }
            Err(_) => {
                let message = format!("pulling {image} has not moved for {SILENT_FOR:?}");
                return Err(RuntimeError::Runtime(message));
            }
        }
    }
}

/// What is known of the layers of an image: of each, how much of how much is there.
#[derive(Default)]
struct Layers {
    known: HashMap<String, (u64, u64)>,
    percent: u32,
}

impl Layers {
    fn hear(&mut self, info: &CreateImageInfo) {
        let (Some(id), Some(status)) = (&info.id, &info.status) else {
            return;
        };
        let detail = info.progress_detail.as_ref();
        let number = |told: Option<i64>| told.and_then(|number| u64::try_from(number).ok());
        let current = number(detail.and_then(|detail| detail.current));
        let total = number(detail.and_then(|detail| detail.total));
        match (status.as_str(), current, total) {
            ("Downloading", Some(current), Some(total)) if total > 0 => {
                self.known.insert(id.clone(), (current.min(total), total));
            }
            ("Download complete" | "Pull complete" | "Extracting" | "Verifying Checksum", ..) => {
                if let Some((current, total)) = self.known.get_mut(id) {
                    *current = *total;
                }
            }
            _ => return,
        }
        let (current, total) = self.sums();
        // Extracting comes after: that all is there does not say that all is done.
        let percent = (current * 99).checked_div(total).unwrap_or_default();
        self.percent = self.percent.max(u32::try_from(percent).unwrap_or(99));
    }

    fn sums(&self) -> (u64, u64) {
        let sum =
            |(current, total): (u64, u64), (one, all): &(u64, u64)| (current + one, total + all);
        self.known.values().fold((0, 0), sum)
    }

    /// In words, and in percent.
    fn told(&self) -> (String, Option<u32>) {
        let (current, total) = self.sums();
        match total {
            0 => (String::new(), None),
            total => {
                let words = format!(": {} of {} MiB", mebibytes(current), mebibytes(total));
                (words, Some(self.percent))
            }
        }
    }
}

fn mebibytes(bytes: u64) -> u64 {
    bytes.div_ceil(1024 * 1024)
}

/// The parts of an image's name. Without a tag, Docker would pull every one that there is.
fn name_and_tag(image: &str) -> (&str, Option<&str>) {
    if image.contains('@') {
        return (image, None);
    }
    let last = image.rfind('/').map_or(0, |slash| slash + 1);
    match image[last..].find(':') {
        Some(colon) => (&image[..last + colon], Some(&image[last + colon + 1..])),
        None => (image, Some("latest")),
    }
}

#[cfg(test)]
mod tests {
    use bollard::models::ProgressDetail;

    use super::*;

    fn info(id: &str, status: &str, current: i64, total: i64) -> CreateImageInfo {
        CreateImageInfo {
            id: Some(id.to_owned()),
            status: Some(status.to_owned()),
            progress_detail: Some(ProgressDetail {
                current: Some(current),
                total: Some(total),
            }),
            ..CreateImageInfo::default()
        }
    }

    #[test]
    fn layers_are_summed_and_what_was_told_never_becomes_less() {
        const MIB: i64 = 1024 * 1024;
        let mut layers = Layers::default();
        assert_eq!(layers.told(), (String::new(), None));
        layers.hear(&info("a", "Downloading", 5 * MIB, 10 * MIB));
        assert_eq!(layers.told(), (": 5 of 10 MiB".to_owned(), Some(49)));
        layers.hear(&info("b", "Downloading", 0, 30 * MIB));
        assert_eq!(layers.told(), (": 5 of 40 MiB".to_owned(), Some(49)));
        layers.hear(&info("a", "Download complete", 0, 0));
        layers.hear(&info("b", "Pull complete", 0, 0));
        assert_eq!(layers.told(), (": 40 of 40 MiB".to_owned(), Some(99)));
    }

    #[test]
    fn an_image_without_a_tag_means_its_latest() {
        assert_eq!(
            name_and_tag("drover/hello"),
            ("drover/hello", Some("latest"))
        );
        assert_eq!(name_and_tag("a:5000/b"), ("a:5000/b", Some("latest")));
        assert_eq!(name_and_tag("a:5000/b:1"), ("a:5000/b", Some("1")));
        assert_eq!(name_and_tag("b@sha256:00"), ("b@sha256:00", None));
    }
}
