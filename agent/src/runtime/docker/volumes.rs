//! Volumes by the Docker engine, and what containers mount.
//!
//! A volume is called `drover-<id>` and bears a label with its own id, which makes it ours. Docker would
//! make a volume that a container names and that is not there; so each is looked at first, and data that
//! somebody took away is not silently replaced by none.

use bollard::Docker;
use bollard::errors::Error;
use bollard::models::{Mount, MountType, VolumeCreateRequest};
use bollard::query_parameters::RemoveVolumeOptionsBuilder;
use drover_domain::ResourceId;
use drover_proto::v1::{self, CreateContainer, MakeVolume, SeenVolume, mount::Source};

use super::labels::{self, Labels};
use super::refusal::{explain, status_of};
use crate::runtime::host_paths::HostPaths;
use crate::runtime::{RuntimeError, volume_gone};

/// Makes a volume. One that is ours is left as it is.
pub(super) async fn make(
    docker: &Docker,
    id: ResourceId,
    wanted: &MakeVolume,
    labels: &Labels,
) -> Result<SeenVolume, RuntimeError> {
    if !is_there(docker, id).await? {
        let request = VolumeCreateRequest {
            name: Some(labels::name(id)),
            labels: Some(labels.of_volume(id, wanted)),
            ..VolumeCreateRequest::default()
        };
        docker
            .create_volume(request)
            .await
            .map_err(|error| explain(&error))?;
        if !is_there(docker, id).await? {
            return Err(taken(id));
        }
    }
    Ok(SeenVolume {
        volume_id: id.to_string(),
        runtime_id: labels::name(id),
    })
}

/// Takes a volume away, with its data.
pub(super) async fn remove(docker: &Docker, id: ResourceId) -> Result<SeenVolume, RuntimeError> {
    if is_there(docker, id).await? {
        let options = RemoveVolumeOptionsBuilder::new().force(false).build();
        match docker.remove_volume(&labels::name(id), Some(options)).await {
            Ok(()) => {}
            Err(error) if status_of(&error) == Some(404) => {}
            Err(error) => return Err(explain(&error)),
        }
    }
    Ok(volume_gone(id))
}

/// Whether a volume is there and ours.
///
/// # Errors
/// [`RuntimeError::Refused`] if somebody else's has its name.
async fn is_there(docker: &Docker, id: ResourceId) -> Result<bool, RuntimeError> {
    match docker.inspect_volume(&labels::name(id)).await {
        Ok(found) if found.labels.get(labels::VOLUME) == Some(&id.to_string()) => Ok(true),
        Ok(_) => Err(taken(id)),
        Err(Error::DockerResponseServerError {
            status_code: 404, ..
        }) => Ok(false),
        Err(error) => Err(explain(&error)),
    }
}

fn taken(id: ResourceId) -> RuntimeError {
    let name = labels::name(id);
    RuntimeError::Refused(format!("the name {name} is taken by a volume of others"))
}

/// What a container mounts, in Docker's terms.
pub(super) async fn mounts(
    docker: &Docker,
    wanted: &CreateContainer,
    paths: Option<&HostPaths>,
) -> Result<Vec<Mount>, RuntimeError> {
    let mut mounts = Vec::with_capacity(wanted.mounts.len());
    for mount in &wanted.mounts {
        mounts.push(one(docker, mount, paths).await?);
    }
    Ok(mounts)
}

async fn one(
    docker: &Docker,
    wanted: &v1::Mount,
    paths: Option<&HostPaths>,
) -> Result<Mount, RuntimeError> {
    let (typ, source) = match &wanted.source {
        Some(Source::VolumeId(text)) => {
            let id = text.parse();
            let id = id.map_err(|_| RuntimeError::Refused("a volume has no id".to_owned()))?;
            if !is_there(docker, id).await? {
                let name = labels::name(id);
                let message = format!("the volume {name} is not on this host any more");
                return Err(RuntimeError::Refused(message));
            }
            (MountType::VOLUME, labels::name(id))
        }
        Some(Source::HostPath(path)) => {
            let paths = paths.ok_or_else(|| {
                let message = "the Docker engine is not on the machine of its agent, which cannot \
                               look at the paths there";
                RuntimeError::Refused(message.to_owned())
            })?;
            let found = paths.resolve(path).map_err(RuntimeError::Refused)?;
            let found = found.into_os_string().into_string();
            let found = found.map_err(|_| {
                RuntimeError::Refused(format!("{path} leads to a path that is no text"))
            })?;
            (MountType::BIND, found)
        }
        None => {
            let message = "this agent does not know what is to be mounted";
            return Err(RuntimeError::Refused(message.to_owned()));
        }
    };
    Ok(Mount {
        target: Some(wanted.target.clone()),
        source: Some(source),
        typ: Some(typ),
        read_only: Some(wanted.read_only),
        ..Mount::default()
    })
}
