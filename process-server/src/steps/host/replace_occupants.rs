//! Bring up elsewhere what a host runs that is lost or evacuated, where the policy of the container allows.
//!
//! Each container is replaced by a process of its own, a child of the host's: one after the other for a host
//! that is evacuated, many at a time for one that is lost, and as many more whenever it is looked again: whoever
//! waits for room holds up nobody. What is not replaced stays, and an evacuated host says so. Only what runs is replaced: what is stopped stays until somebody starts it, or takes it away.
//!
//! Cost: the containers of the host are read once for each portion.

use drover_domain::engine::{Changes, Outcome};
use drover_domain::lifecycle::Request;
use drover_domain::placement::Demand;
use drover_domain::resource::{ContainerSpec, Details, OnHostLoss};
use drover_domain::write::{Asked, Intent};
use drover_domain::{Resource, ResourceType, State};
use drover_store::{ProcessFilter, ResourceFilter};

use crate::steps::{Context, StepError};

/// Containers that are replaced at the same time.
const OF_A_LOST_HOST: usize = 50;
const OF_AN_EVACUATED_HOST: usize = 1;
/// Containers that are read at a time.
const PAGE: u64 = 500;
/// Containers that are named of those that stay.
const NAMED: usize = 10;

pub(crate) async fn run(context: Context<'_>) -> Result<Outcome, StepError> {
    let is_evacuated = context.process.request == Request::Evacuate;
    let portion = match is_evacuated {
        true => OF_AN_EVACUATED_HOST,
        false => OF_A_LOST_HOST,
    };
    let store = &context.surroundings.store;
    if is_evacuated {
        let unfinished = store.unfinished_children(context.process.id).await?;
        if unfinished > 0 {
            return Ok(waits_for(unfinished as usize, Vec::new()));
        }
    }
    let (mut children, mut stay) = (Vec::new(), Vec::new());
    for container in occupants(context).await? {
        if children.len() == portion {
            break;
        }
        match reason_to_stay(context, &container, is_evacuated).await? {
            Some(reason) => stay.push((container.name, reason)),
            None => children.extend(replace(context, container)),
        }
    }
    if !children.is_empty() {
        return Ok(waits_for(children.len(), children));
    }
    let mut details = context.resource.details.clone();
    if let Details::Host { status, .. } = &mut details {
        status.left_behind = (is_evacuated && !stay.is_empty()).then(|| told(&stay));
    }
    Ok(Outcome::Done(Box::new(Changes {
        details: Some(details),
        ..Changes::default()
    })))
}

/// What the host has.
async fn occupants(context: Context<'_>) -> Result<Vec<Resource>, StepError> {
    let mut filter = ResourceFilter::all(ResourceType::Container, PAGE);
    filter.host = Some(context.resource.id);
    let mut found = Vec::new();
    loop {
        let page = context.surroundings.store.resources(&filter).await?;
        let is_last = (page.len() as u64) < PAGE;
        filter.after = page.last().map(|last| last.id);
        found.extend(page);
        if is_last {
            return Ok(found);
        }
    }
}

async fn reason_to_stay(
    context: Context<'_>,
    container: &Resource,
    is_evacuated: bool,
) -> Result<Option<String>, StepError> {
    let Details::Container { spec, status } = &container.details else {
        return Ok(Some("it is no container".to_owned()));
    };
    let is_at_work = matches!(
        container.state,
        State::Starting | State::Running | State::Restarting
    );
    if !is_at_work {
        return Ok(Some(format!("it is {}", container.state)));
    }
    if let Some(reason) = policy(spec) {
        return Ok(Some(reason.to_owned()));
    }
    if !is_evacuated {
        return Ok(None);
    }
    if let Some(reason) = &status.stays_because
        && was_tried(context, container).await?
    {
        return Ok(Some(format!("it could not be made elsewhere: {reason}")));
    }
    // Nothing that runs is touched before there is room for it elsewhere.
    let demand = Demand::of(spec, &container.name, &container.labels);
    let placing = context.surroundings.hosts.place(container.project, &demand);
    let refused = placing.await?.err();
    Ok(refused.map(|refusal| refusal.to_string()))
}

/// Whether this evacuation has tried already to bring a container up elsewhere.
async fn was_tried(context: Context<'_>, container: &Resource) -> Result<bool, StepError> {
    let filter = ProcessFilter {
        resource: Some(container.id),
        project: None,
        parent: Some(context.process.id),
        phases: Vec::new(),
        after: None,
        limit: 1,
    };
    let children = context.surroundings.store.processes(&filter).await?;
    Ok(!children.is_empty())
}

fn policy(spec: &ContainerSpec) -> Option<&'static str> {
    if spec.placement.on_host_loss == OnHostLoss::Wait {
        return Some("its policy is to wait for its host");
    }
    if spec.volume_names().next().is_some() {
        return Some("its volumes are on this host");
    }
    let is_bound = spec.placement.host_id.is_some();
    is_bound.then_some("it may run on this host only")
}

fn replace(context: Context<'_>, container: Resource) -> Option<Intent> {
    let asked = Asked {
        request: Request::Replace,
        force: false,
        process: context.surroundings.chance.process_id(),
        cause: context.process.cause.clone(),
        now: context.now,
        policy: None,
    };
    // One that is not to be replaced any more has moved on since it was read.
    Intent::to_change(container, asked).ok()
}

fn waits_for(count: usize, children: Vec<Intent>) -> Outcome {
    Outcome::Delegate {
        reason: format!("{count} containers are brought up elsewhere"),
        children,
    }
}

/// Those that stay, in words for a person.
fn told(stay: &[(String, String)]) -> String {
    let named = stay.iter().take(NAMED);
    let named: Vec<String> = named
        .map(|(name, reason)| format!("{name}: {reason}"))
        .collect();
    let more = stay.len() - named.len();
    let rest = match more {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    format!("{} stay: {}{rest}", stay.len(), named.join("; "))
}
