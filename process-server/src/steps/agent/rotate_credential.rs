//! Give an agent another credential, and end the one that it has once the agent has written the new one
//! down.
//!
//! Each run makes a credential of its own: what an earlier one made is known to nobody but the agent, which
//! may have it or not. The command is named after the credential, so that no agent answers for one that
//! it was not given. The connection of the agent was opened with the old one: its agent server ends it,
//! and the agent comes back with the new one.

use drover_domain::engine::{Failure, Outcome};
use drover_domain::resource::Details;
use drover_proto::v1::RotateCredential;
use drover_proto::v1::command::Action;
use drover_proto::v1::failure::Code;

use crate::agents::Answer;
use crate::steps::{Context, StepError};

pub(crate) async fn run(context: Context<'_>) -> Result<Outcome, StepError> {
    let Details::Agent { spec, .. } = &context.resource.details else {
        return Ok(Outcome::done());
    };
    let (agent, host) = (context.resource.id, spec.host_id);
    let surroundings = context.surroundings;
    let issued = surroundings
        .store
        .begin_rotation(agent, context.now)
        .await?;
    let id = issued.id();
    let action = Action::RotateCredential(RotateCredential {
        credential: issued.into_text(),
    });
    let order = context.order(host, &format!("rotate-{id}"));
    match surroundings.agents.send(order, action).await? {
        Answer::CredentialKept => {}
        Answer::Failure(Code::Unsupported, _) => {
            let message = "the agent cannot take another credential while it works: revoke the one that it \
                           has, and it registers again";
            return Ok(Outcome::Fail(Failure::new(message)));
        }
        other => return context.otherwise(host, other),
    }
    if !surroundings.store.end_rotation(agent, id).await? {
        // It has registered anew meanwhile, or was revoked.
        let message = "the credentials of the agent were changed by others";
        return Ok(Outcome::Retry(Failure::new(message)));
    }
    surroundings.agents.tell_credentials_changed(host).await;
    Ok(Outcome::done())
}
