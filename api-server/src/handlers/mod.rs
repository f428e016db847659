//! The handlers: one file for what all resources have in common, one for each that has more.

pub(crate) mod containers;
pub(crate) mod health;
pub(crate) mod index;
pub(crate) mod lifecycles;
pub(crate) mod processes;
mod reading;
pub(crate) mod registration_tokens;
pub(crate) mod resources;
pub(crate) mod watch;

use axum::extract::FromRequestParts;
use axum::extract::Path;
use axum::http::request::Parts;
use drover_domain::lifecycle::{self, Request};
use drover_domain::{ResourceId, ResourceType};

use crate::problem::Problem;

/// The id in the address of a resource. What is no id names nothing.
pub(crate) struct Id(ResourceId);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let id = path.ok().and_then(|Path(text)| text.parse().ok());
        id.map(Self).ok_or_else(|| Problem::not_found("resource"))
    }
}

/// The id and the action in the address of an action.
pub(crate) struct Action(ResourceId, Request);

impl Action {
    /// The action, if the type of resource offers it.
    fn of(self, resource_type: ResourceType) -> Result<(ResourceId, Request), Problem> {
        let Self(id, request) = self;
        let definition = lifecycle::of(resource_type).definition(request);
        match definition {
            Some(definition) if definition.is_action => Ok((id, request)),
            _ => Err(Problem::no_route()),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Action {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let path = Path::<(String, String)>::from_request_parts(parts, state).await;
        let Ok(Path((id, action))) = path else {
            return Err(Problem::no_route());
        };
        let id = id.parse().map_err(|_| Problem::not_found("resource"))?;
        let request = action.parse().map_err(|_| Problem::no_route())?;
        Ok(Self(id, request))
    }
}
