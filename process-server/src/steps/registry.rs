//! Who logs in at the registry of an image.
//!
//! A password is read when a host has said that it is not given the image without one, and travels in the
//! command to that host alone. It stands in no journal, no log and no message: what is told of it is the
//! registry and the name.

use drover_domain::resource::registry_of;
use drover_proto::v1;
use drover_proto::v1::failure::Code;
use drover_store::{RegistryCredentialError, RegistryLogin};

use super::{Context, StepError};
use crate::agents::Answer;

/// Who a project is for a registry.
#[derive(Clone, Debug)]
pub(super) enum Registered {
    /// It has no credential there.
    Nobody,
    /// It has one, which this server cannot read, and why.
    Unreadable(String),
    /// This one.
    As(Login),
}

/// Who logs in at a registry.
#[derive(Clone, Debug)]
pub(super) struct Login {
    registry: String,
    login: RegistryLogin,
}

/// Who the project of the resource is for the registry of an image. One query.
pub(super) async fn login(context: Context<'_>, image: &str) -> Result<Registered, StepError> {
    let Some(project) = context.resource.project else {
        return Ok(Registered::Nobody);
    };
    let registry = registry_of(image).to_ascii_lowercase();
    let store = &context.surroundings.store;
    match store.registry_login(project, &registry).await {
        Ok(None) => Ok(Registered::Nobody),
        Ok(Some(login)) => Ok(Registered::As(Login { registry, login })),
        Err(RegistryCredentialError::Store(error)) => Err(error.into()),
        Err(error) => {
            let reason = format!("the password for {registry} cannot be read: {error}");
            tracing::warn!(%registry, %project, %error, "the password of a registry cannot be read");
            Ok(Registered::Unreadable(reason))
        }
    }
}

impl Login {
    /// As it is told to the host that needs it.
    pub(super) fn to_wire(&self) -> v1::RegistryLogin {
        let RegistryLogin { username, password } = self.login.clone();
        v1::RegistryLogin { username, password }
    }

    /// An answer, with who has asked the registry if that has not given the image.
    pub(super) fn told(&self, answer: Answer) -> Answer {
        match answer {
            Answer::Failure(code @ Code::ImageMissing, words) => {
                let Self { registry, login } = self;
                let username = &login.username;
                let words = format!("{registry} does not give the image to {username}: {words}");
                Answer::Failure(code, words)
            }
            other => other,
        }
    }
}
