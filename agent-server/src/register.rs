//! `POST /agent/v1/register`: an agent introduces itself.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use drover_bus::Announcer;
use drover_domain::lifecycle::Request;
use drover_domain::process::Cause;
use drover_domain::resource::{
    AgentSpec, AgentStatus, Details, HostSpec, HostStatus, validate_labels, validate_name,
};
use drover_domain::write::{Asked, Intent};
use drover_domain::{Resource, State as ResourceState, Timestamp};
use drover_proto::registration::{Registered, Registration};
use drover_store::{CredentialKind, Presented, Registering, fresh};

use crate::Shared;
use crate::border;
use crate::problem::Problem;

/// The least characters of an agent's key, so that nobody can guess it, and the most.
const KEY_LENGTH: std::ops::RangeInclusive<usize> = 16..=128;

pub(crate) async fn register(
    State(shared): State<Arc<Shared>>,
    body: Result<Json<Registration>, JsonRejection>,
) -> Result<Json<Registered>, Problem> {
    let Json(registration) = body.map_err(|rejection| Problem::Invalid(rejection.body_text()))?;
    validate(&registration)?;
    let token = Presented::parse(CredentialKind::RegistrationToken, &registration.token).ok_or(
        Problem::Unauthorized("the registration token is not of the form drt_…"),
    )?;
    let now = shared.clock.now();
    let (agent, host) = intents(&registration, now)?;
    let processes = [&agent, &host].map(|intent| {
        let process = &intent.process;
        (process.id, process.resource, process.priority)
    });
    let asked = Registering {
        token,
        agent_key: registration.agent_key,
        agent,
        host,
        room: registration.facts.capacity().into(),
        now,
    };
    let registered = shared.store.register(asked).await?;
    tracing::info!(
        agent = %registered.agent,
        host = %registered.host,
        is_new = registered.is_new,
        "agent registered"
    );
    if registered.is_new {
        let announcer = Announcer::new(shared.bus.clone());
        for (process, resource, priority) in processes {
            announcer.ready(process, resource, priority).await;
        }
    }
    Ok(Json(Registered {
        agent_id: registered.agent,
        host_id: registered.host,
        credential: registered.credential.into_text(),
    }))
}

fn validate(registration: &Registration) -> Result<(), Problem> {
    if !KEY_LENGTH.contains(&registration.agent_key.len()) {
        return Err(Problem::Invalid(
            "agentKey: has 16 to 128 characters".to_owned(),
        ));
    }
    if registration.name.is_empty() {
        return Err(Problem::Invalid("name: is empty".to_owned()));
    }
    border::check_facts(&registration.facts).map_err(|field| {
        Problem::Invalid(format!(
            "facts.{field}: is longer than 256 bytes, or has a control character"
        ))
    })?;
    validate_name(&registration.name)
        .and_then(|()| validate_labels(&registration.labels))
        .map_err(|invalid| Problem::Invalid(invalid.to_string()))
}

/// The agent and its host as they should stand if they are new.
fn intents(registration: &Registration, now: Timestamp) -> Result<(Intent, Intent), Problem> {
    let (agent_id, host_id) = (fresh::resource_id(), fresh::resource_id());
    let agent = Details::Agent {
        spec: AgentSpec { host_id },
        status: AgentStatus {
            agent_version: registration.facts.agent_version.clone(),
            error: None,
        },
    };
    let host = Details::Host {
        spec: HostSpec::of(agent_id),
        status: Box::new(HostStatus {
            facts: registration.facts.clone(),
            ..HostStatus::default()
        }),
    };
    let name = || registration.name.clone();
    let agent = Resource::new(agent_id, name(), ResourceState::Registering, agent, now);
    let host = Resource {
        labels: registration.labels.clone(),
        ..Resource::new(host_id, name(), ResourceState::Registering, host, now)
    };
    let intent = |resource: Resource| {
        let asked = Asked {
            request: Request::Register,
            force: false,
            process: fresh::process_id(),
            cause: Cause {
                request_id: format!("registration of {agent_id}"),
                account_id: None,
            },
            now,
            policy: None,
        };
        Intent::to_create(resource, asked).map_err(|refusal| {
            tracing::error!(%refusal, "the lifecycle refuses a registration");
            Problem::Internal
        })
    };
    Ok((intent(agent)?, intent(host)?))
}
