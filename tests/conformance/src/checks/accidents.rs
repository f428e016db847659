//! Connections that break, servers that fall silent, credentials that are void, and a loss of power.

use drover_proto::v1::command::Action;
use drover_proto::v1::failure::Code;
use drover_proto::v1::{Inventory, RotateCredential, reply};
use uuid::Uuid;

use super::{FENCE, RETURN, Trial};
use crate::Form;
use crate::connection::{Connection, command};
use crate::facts::Verdict;
use crate::server::{AGENT, Order};

pub(super) async fn run(trial: &mut Trial<'_>) {
    let id = Uuid::now_v7();
    let verdict = comes_back(trial, id).await;
    trial.note("it connects again with the same identity", verdict);
    let verdict = leaves_the_silent(trial).await;
    trial.note("it leaves a server that falls silent", verdict);
    if trial.form() == Some(Form::Plain) {
        let verdict = leaves_a_lost_session(trial).await;
        trial.note("it connects again when its session is refused", verdict);
    }
    let verdict = takes_another_credential(trial).await;
    trial.note(
        "it takes another credential, or says that it cannot",
        verdict,
    );
    let verdict = registers_again(trial).await;
    trial.note(
        "it registers again as the same agent when its credential is void",
        verdict,
    );
    if let Err(error) = trial.clear(id).await {
        trial.note("it obeys after all this", Err(error));
    }
    let verdict = survives_a_restart(trial).await;
    trial.note("it is the same agent after a restart", verdict);
}

fn names(inventory: &Inventory, container: Uuid) -> bool {
    let id = container.to_string();
    inventory
        .containers
        .iter()
        .any(|seen| seen.container_id == id)
}

fn registrations(trial: &Trial<'_>) -> usize {
    trial.server.shown().registrations.len()
}

async fn comes_back(trial: &mut Trial<'_>, id: Uuid) -> Verdict {
    trial.run_one(id).await?;
    let before = registrations(trial);
    let inventory = trial.reconnect().await?;
    if registrations(trial) != before {
        return Err("it has registered again, though its credential is valid".to_owned());
    }
    match names(&inventory, id) {
        true => Ok(()),
        false => Err("its inventory does not name what runs".to_owned()),
    }
}

/// Waits for a connection while the one that there is stays open.
async fn comes_anew(trial: &mut Trial<'_>, order: Order) -> Verdict {
    let (connection, _) = trial.talk()?;
    connection.order(order).await?;
    let accepted = trial.server.accept(RETURN).await;
    let accepted = accepted.ok_or("it stayed")?;
    let mut connection = Connection::new(accepted);
    connection.settle_inventory(&mut trial.tally).await?;
    trial.connection = Some(connection);
    Ok(())
}

async fn leaves_the_silent(trial: &mut Trial<'_>) -> Verdict {
    comes_anew(trial, Order::FallSilent).await
}

async fn leaves_a_lost_session(trial: &mut Trial<'_>) -> Verdict {
    comes_anew(trial, Order::RefusePosts).await
}

async fn takes_another_credential(trial: &mut Trial<'_>) -> Verdict {
    let before = registrations(trial);
    let credential = format!("dra_{}_exchanged", Uuid::now_v7().simple());
    let action = Action::RotateCredential(RotateCredential {
        credential: credential.clone(),
    });
    let mut rotate = command(AGENT, FENCE, Some(action));
    if let Some(resource) = &mut rotate.resource {
        resource.r#type = "agent".to_owned();
    }
    let (connection, tally) = trial.talk()?;
    match connection.ask(&rotate, tally).await? {
        reply::Result::CredentialKept(_) => {}
        reply::Result::Failure(failure) if failure.code() == Code::Unsupported => return Ok(()),
        other => return Err(format!("the reply was {other:?}")),
    }
    trial.server.accept_only(&credential);
    trial.reconnect().await?;
    match registrations(trial) == before {
        true => Ok(()),
        false => Err("it has registered again instead of showing it".to_owned()),
    }
}

async fn registers_again(trial: &mut Trial<'_>) -> Verdict {
    let before = registrations(trial);
    trial.server.forget_credential();
    trial.reconnect().await?;
    let shown = trial.server.shown();
    if shown.registrations.len() == before {
        return Err("it has not registered".to_owned());
    }
    let keys: Vec<_> = shown
        .registrations
        .iter()
        .map(|registration| &registration.agent_key)
        .collect();
    match keys.windows(2).all(|two| two[0] == two[1]) {
        true => Ok(()),
        false => Err("it has made up another key".to_owned()),
    }
}

async fn survives_a_restart(trial: &mut Trial<'_>) -> Verdict {
    let before = registrations(trial);
    trial.kill().await;
    trial.connection = None;
    trial.launch().await?;
    trial.reconnect().await?;
    let shown = trial.server.shown();
    match shown.registrations.len() == before {
        true => Ok(()),
        false => Err("it has registered again, though its credential is valid".to_owned()),
    }
}
