//! Have hosts fetch an image, a few at a time, and write down who has it.
//!
//! Which hosts are asked and what follows from their answers is decided by [`drover_domain::prefetch`]. Each
//! run of the step asks those whose turn it is at once, writes what they said into the status of the image,
//! and comes again; it holds nothing in between. Whoever is still at it says so, and is asked again: the
//! command is another one then, of a higher fence, and stands behind the first in the line of the agent.
//!
//! As with containers, nobody logs in first; those that the registry turns away are asked again with the
//! credential of the project.

use std::collections::BTreeSet;
use std::time::Duration;

use drover_domain::engine::{Changes, Failure, Outcome};
use drover_domain::prefetch::{Heard, Patience};
use drover_domain::resource::{Details, ImageSpec, ImageStatus, PullPolicy};
use drover_domain::{Resource, ResourceId};
use drover_proto::pull_image;
use drover_proto::v1::PullImage;
use drover_proto::v1::command::Action;
use drover_proto::v1::failure::Code;
use futures::future::join_all;

use crate::agents::Answer;
use crate::steps::registry::{self, Registered};
use crate::steps::{Context, StepError};

/// How soon those are asked again that are at it.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

pub(crate) async fn run(context: Context<'_>) -> Result<Outcome, StepError> {
    let Details::Image { spec, status } = &context.resource.details else {
        return Ok(Outcome::done());
    };
    let mut now_known = status.clone();
    now_known.admit(&targets(context, spec).await?);
    if now_known.hosts == 0 {
        let reason = "there is no host that takes containers and is one of those asked for";
        return Ok(Outcome::Fail(Failure::new(reason)));
    }
    let due = now_known.due(context.now);
    let mut at_it = Vec::new();
    let mut words = None;
    for (host, answer) in ask(context, spec, due).await? {
        let (heard, said) = hear(context, host, answer)?;
        if let Heard::AtIt(percent) = &heard {
            at_it.extend(*percent);
        }
        words = words.or(said);
        let patience = Patience {
            policy: context.policy(),
            now: context.now,
            jitter: context.surroundings.chance.fraction(),
        };
        now_known.hear(host, heard, patience);
    }
    if !now_known.is_over() {
        return Ok(go_on(context, status, now_known, &at_it, words));
    }
    if now_known.failed == 0 {
        return Ok(Outcome::Done(changed(context.resource, now_known)));
    }
    // What is known of each host is written first: an end in error says only why.
    if now_known != *status {
        let reason = format!("{} of {} hosts failed", now_known.failed, now_known.hosts);
        return Ok(Outcome::Partly {
            changes: changed(context.resource, now_known),
            reason,
            delay: Duration::ZERO,
            progress: None,
        });
    }
    Ok(Outcome::Fail(reason(context, &now_known).await?))
}

/// The hosts that shall have the image, by their ids.
async fn targets(context: Context<'_>, spec: &ImageSpec) -> Result<Vec<ResourceId>, StepError> {
    let hosts = &context.surroundings.hosts;
    let named: BTreeSet<ResourceId> = spec.host_ids.iter().copied().collect();
    if named.is_empty() {
        return Ok(hosts.that_take_containers(&spec.host_labels).await?);
    }
    if spec.host_labels.is_empty() {
        return Ok(named.into_iter().collect());
    }
    let bearing = hosts.that_take_containers(&spec.host_labels).await?;
    Ok(bearing
        .into_iter()
        .filter(|host| named.contains(host))
        .collect())
}

/// Asks hosts at once, without anybody logging in and then, those that need it, with who does.
async fn ask(
    context: Context<'_>,
    spec: &ImageSpec,
    due: Vec<(ResourceId, u32)>,
) -> Result<Vec<(ResourceId, Answer)>, StepError> {
    let mut command = pull_image(context.resource, spec);
    let answers = send_all(context, &due, &command).await?;
    let mut answered: Vec<(ResourceId, Answer)> =
        due.iter().map(|(host, _)| *host).zip(answers).collect();
    let is_turned_away = |index: &usize| {
        let (_, answer) = &answered[*index];
        matches!(answer, Answer::Failure(Code::ImageMissing, _))
    };
    let turned_away: Vec<usize> = (0..due.len()).filter(is_turned_away).collect();
    if turned_away.is_empty() || spec.pull_policy == PullPolicy::Never {
        return Ok(answered);
    }
    match registry::login(context, &spec.image).await? {
        Registered::Nobody => {}
        Registered::Unreadable(reason) => {
            for index in turned_away {
                answered[index].1 = Answer::Failure(Code::ImageMissing, reason.clone());
            }
        }
        Registered::As(login) => {
            command.registry_login = Some(login.to_wire());
            let again: Vec<_> = turned_away.iter().map(|index| due[*index]).collect();
            let answers = send_all(context, &again, &command).await?;
            for (index, answer) in turned_away.into_iter().zip(answers) {
                answered[index].1 = login.told(answer);
            }
        }
    }
    Ok(answered)
}

/// Sends a command to hosts at once, and gives their answers in this order.
async fn send_all(
    context: Context<'_>,
    hosts: &[(ResourceId, u32)],
    command: &PullImage,
) -> Result<Vec<Answer>, StepError> {
    let mut asking = Vec::with_capacity(hosts.len());
    for host in hosts {
        asking.push(send(context, *host, command));
    }
    join_all(asking).await.into_iter().collect()
}

async fn send(
    context: Context<'_>,
    (host, tries): (ResourceId, u32),
    command: &PullImage,
) -> Result<Answer, StepError> {
    let part = match command.registry_login.is_some() {
        true => "pull-with-login",
        false => "pull",
    };
    let order = context.order(host, &format!("{part}/{host}/{tries}"));
    let action = Action::PullImage(Box::new(command.clone()));
    Ok(context.surroundings.agents.send(order, action).await?)
}

/// What a host has said, and in which words if it is at it.
fn hear(
    context: Context<'_>,
    host: ResourceId,
    answer: Answer,
) -> Result<(Heard, Option<String>), StepError> {
    let explain = |reason| context.surroundings.reach.explain(host, reason);
    let heard = match answer {
        Answer::Image => Heard::Fetched,
        Answer::Busy(progress) => {
            let percent = progress.percent.map(|percent| percent.min(100));
            let percent = percent.and_then(|percent| u8::try_from(percent).ok());
            return Ok((Heard::AtIt(percent), Some(progress.message)));
        }
        Answer::Failure(Code::StaleFence, _) => return Err(StepError::Fenced),
        Answer::Failure(
            Code::Refused | Code::ImageMissing | Code::Unsupported | Code::NotFound,
            reason,
        ) => Heard::Refused(reason),
        Answer::Failure(_, reason) => Heard::Failed(reason),
        Answer::Absent(reason) | Answer::Silence(reason) => Heard::Failed(explain(reason)),
        Answer::AtRest(rest) => Heard::Failed(explain(rest.reason)),
        Answer::Container(_)
        | Answer::Volume(_)
        | Answer::Inventory(_)
        | Answer::Pong
        | Answer::CredentialKept => {
            Heard::Failed("the agent answered something else than what was asked".to_owned())
        }
    };
    Ok((heard, None))
}

/// The outcome while some hosts have not had their turn. Nothing of the image is written where nothing has
/// changed but how far they are.
fn go_on(
    context: Context<'_>,
    before: &ImageStatus,
    status: ImageStatus,
    at_it: &[u8],
    words: Option<String>,
) -> Outcome {
    let delay = status.rest(context.now, LOOK_AGAIN);
    let progress = status.percent(at_it.iter().copied());
    let mut reason = format!("{} of {} hosts have it", status.fetched, status.hosts);
    if status.failed > 0 {
        reason.push_str(&format!(", {} failed", status.failed));
    }
    if let Some(words) = words {
        reason.push_str(&format!("; {words}"));
    }
    if status == *before {
        return Outcome::Wait {
            reason,
            delay,
            waits_for: None,
            progress,
        };
    }
    Outcome::Partly {
        changes: changed(context.resource, status),
        reason,
        delay,
        progress,
    }
}

fn changed(image: &Resource, now_known: ImageStatus) -> Box<Changes> {
    let mut details = image.details.clone();
    if let Details::Image { status, .. } = &mut details {
        *status = now_known;
    }
    Box::new(Changes {
        details: Some(details),
        ..Changes::default()
    })
}

/// Why not every host has it, with the names of the first of those that do not.
async fn reason(context: Context<'_>, status: &ImageStatus) -> Result<Failure, StepError> {
    let failed = status.failures.iter().map(|failure| failure.host_id);
    let failed: Vec<ResourceId> = failed.collect();
    let hosts = context.surroundings.store.resources_of(failed).await?;
    let name = |id: &ResourceId| match hosts.get(id) {
        Some(host) if !host.name.is_empty() => host.name.clone(),
        _ => id.to_string(),
    };
    let told: Vec<String> = status
        .failures
        .iter()
        .map(|failure| format!("{}: {}", name(&failure.host_id), failure.reason))
        .collect();
    let more = usize::try_from(status.failed).unwrap_or(usize::MAX) - told.len();
    let more = match more {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    let ImageStatus { failed, hosts, .. } = status;
    let told = told.join("; ");
    Ok(Failure::new(format!(
        "{failed} of {hosts} hosts: {told}{more}"
    )))
}
