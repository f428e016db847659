//! The Docker engine of this machine, as a test may use it.
//!
//! The engine is the one thing that tests share, so each marks its containers with a label of
//! its own ([`Engine::own_label`]) and looks at those only. A [`Sweeper`] removes them when the
//! test ends, however it ends. A test fails when no engine answers or the image `drover/hello`
//! is missing: a container orchestrator that was not tried on containers was not tested.

use std::collections::HashMap;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use bollard::Docker;
use bollard::models::ContainerSummary;
use bollard::query_parameters::{ListContainersOptionsBuilder, RemoveContainerOptionsBuilder};

use crate::ports::Port;

/// The image that tests run; `scripts/build-hello-image` makes it.
pub const HELLO: &str = "drover/hello";

const ANSWER_WITHIN: Duration = Duration::from_secs(20);
/// The work of a drop is given up after this time.
const APART_WITHIN: Duration = Duration::from_secs(90);

/// A connection to the engine at `DOCKER_HOST`, or at the default socket.
#[derive(Clone, Debug)]
pub struct Engine {
    /// The client itself, for what this module has no words for.
    pub client: Docker,
}

impl Engine {
    /// Connects, settles on an API version that the engine knows, and checks that it answers.
    ///
    /// # Errors
    /// When no engine answers.
    pub async fn connect() -> Result<Self> {
        let client = Docker::connect_with_defaults().context("reading DOCKER_HOST")?;
        let client = tokio::time::timeout(ANSWER_WITHIN, client.negotiate_version())
            .await
            .map_err(|_| anyhow!("the Docker engine does not answer within {ANSWER_WITHIN:?}"))?
            .context("no Docker engine answers; start one with scripts/docker-engine start")?;
        Ok(Self { client })
    }

    /// Connects and checks that the image [`HELLO`] is there.
    ///
    /// # Errors
    /// When no engine answers or the image is missing.
    pub async fn with_hello() -> Result<Self> {
        let engine = Self::connect().await?;
        let image = engine.client.inspect_image(HELLO).await;
        image.context("there is no image drover/hello; make it with scripts/build-hello-image")?;
        Ok(engine)
    }

    /// A label (`name`, `value`) that no other test has.
    ///
    /// # Errors
    /// When no unique value can be had.
    pub fn own_label() -> Result<(String, String)> {
        // A port that was reserved is unique on this machine for now, the process id is for later.
        let unique = format!("{}-{}", std::process::id(), Port::reserve()?.number());
        Ok((String::from("drover-test"), unique))
    }

    /// All containers, running or not, that bear `name=value` as a label.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub async fn containers(&self, name: &str, value: &str) -> Result<Vec<ContainerSummary>> {
        let filters = HashMap::from([("label", vec![format!("{name}={value}")])]);
        let options = ListContainersOptionsBuilder::new()
            .all(true)
            .filters(&filters)
            .build();
        self.client
            .list_containers(Some(options))
            .await
            .context("listing containers")
    }

    /// Removes all containers that bear `name=value` as a label, running or not, with their
    /// anonymous volumes. One that somebody else removes at the same time is no error.
    ///
    /// # Errors
    /// When the engine does not answer or refuses.
    pub async fn remove_containers(&self, name: &str, value: &str) -> Result<()> {
        for container in self.containers(name, value).await? {
            let id = container.id.context("a container without an id")?;
            let options = RemoveContainerOptionsBuilder::new()
                .force(true)
                .v(true)
                .build();
            match self.client.remove_container(&id, Some(options)).await {
                Ok(())
                | Err(bollard::errors::Error::DockerResponseServerError {
                    status_code: 404 | 409,
                    ..
                }) => {}
                Err(error) => return Err(error).with_context(|| format!("removing {id}")),
            }
        }
        Ok(())
    }

    /// A guard that removes the containers of a label when it is dropped.
    #[must_use]
    pub fn sweeper(&self, name: impl Into<String>, value: impl Into<String>) -> Sweeper {
        Sweeper {
            name: name.into(),
            value: value.into(),
        }
    }
}

/// Removes all containers of one label when it is dropped.
///
/// Drop it after whatever might still start containers: declare it first.
#[derive(Debug)]
pub struct Sweeper {
    name: String,
    value: String,
}

impl Sweeper {
    fn sweep(&self) -> Result<()> {
        let (name, value) = (self.name.clone(), self.value.clone());
        apart(move || async move {
            let engine = Engine::connect().await?;
            engine.remove_containers(&name, &value).await
        })
    }
}

/// Does the work of a drop, on a thread and a runtime of its own: the test's runtime cannot be waited for
/// in a drop, and its connections die with it.
pub(crate) fn apart<Work>(work: impl FnOnce() -> Work + Send + 'static) -> Result<()>
where
    Work: Future<Output = Result<()>>,
{
    let working = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async { tokio::time::timeout(APART_WITHIN, work()).await? })
    });
    working
        .join()
        .map_err(|_| anyhow!("the thread of a drop panicked"))?
}

impl Drop for Sweeper {
    #[expect(clippy::print_stderr, reason = "a drop has nobody else to tell")]
    fn drop(&mut self) {
        if let Err(error) = self.sweep() {
            eprintln!(
                "containers of {}={} may be left: {error:#}",
                self.name, self.value
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bollard::models::ContainerCreateBody;

    #[tokio::test]
    async fn containers_of_a_label_are_gone_when_the_guard_is() {
        let engine = Engine::with_hello().await.unwrap();
        let (name, value) = Engine::own_label().unwrap();
        let sweeper = engine.sweeper(&name, &value);
        let spec = ContainerCreateBody {
            image: Some(HELLO.into()),
            labels: Some(HashMap::from([(name.clone(), value.clone())])),
            ..Default::default()
        };
        let created = engine.client.create_container(None, spec).await.unwrap();
        engine
            .client
            .start_container(&created.id, None)
            .await
            .unwrap();
        let found = engine.containers(&name, &value).await.unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].id.as_deref(), Some(created.id.as_str()));
        drop(sweeper);
        assert_eq!(engine.containers(&name, &value).await.unwrap(), []);
    }
}
