//! Registration, the first connection and what follows it at once.

use std::time::Duration;

use tokio::time::Instant;

use super::{RETURN, Trial};
use crate::Form;
use crate::connection::Connection;
use crate::facts::Verdict;
use crate::server::HEARTBEAT;

/// Whether the agent has arrived; nothing else can be tried if it has not.
pub(super) async fn arrives(trial: &mut Trial<'_>) -> bool {
    let registered = registers(trial).await;
    let has_registered = registered.is_ok();
    trial.note("it registers with the token that it was given", registered);
    if !has_registered {
        return false;
    }
    let connected = connects(trial).await;
    let has_connected = connected.is_ok();
    trial.note("it shows the credential that it was given", connected);
    if !has_connected {
        return false;
    }
    if let Some(form) = trial.options.form {
        let verdict = match trial.form() {
            Some(taken) if taken == form => Ok(()),
            other => Err(format!("it took {other:?}")),
        };
        trial.note("it takes the form that was asked for", verdict);
    }
    let told = tells_what_it_has(trial).await;
    trial.note("an inventory follows the welcome", told);
    let repeated = repeats_its_inventory(trial).await;
    trial.note("an inventory is repeated until it is settled", repeated);
    let alive = gives_signs_of_life(trial).await;
    trial.note("it gives a sign of life at each heartbeat", alive);
    true
}

async fn registers(trial: &Trial<'_>) -> Verdict {
    let until = Instant::now() + RETURN;
    loop {
        if let Some(registration) = trial.server.shown().registrations.first() {
            return if registration.token != trial.given.token {
                Err("it showed another token".to_owned())
            } else if !(16..=128).contains(&registration.agent_key.len()) {
                Err("its key has not 16 to 128 characters".to_owned())
            } else if registration.name.is_empty() {
                Err("it has no name for the host".to_owned())
            } else {
                Ok(())
            };
        }
        if Instant::now() >= until {
            return Err(format!("it did not register within {RETURN:?}"));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn connects(trial: &mut Trial<'_>) -> Verdict {
    let accepted = trial.server.accept(RETURN).await;
    let wrong = trial.server.shown().wrong_credentials;
    let accepted = accepted.ok_or(format!("{wrong} times it showed another one"))?;
    trial.connection = Some(Connection::new(accepted));
    match wrong {
        0 => Ok(()),
        _ => Err(format!("{wrong} times it showed another one before")),
    }
}

async fn tells_what_it_has(trial: &mut Trial<'_>) -> Verdict {
    let (connection, tally) = trial.talk()?;
    let (id, inventory) = connection.inventory(tally).await?;
    if id.is_empty() {
        return Err("the report has no id".to_owned());
    }
    if !inventory.containers.is_empty() {
        return Err("it has containers that it was never told to make".to_owned());
    }
    if inventory.facts.is_none_or(|facts| facts.cpus == 0) {
        return Err("it does not say what the host is".to_owned());
    }
    connection.answer(&id, false).await
}

async fn repeats_its_inventory(trial: &mut Trial<'_>) -> Verdict {
    let (connection, tally) = trial.talk()?;
    connection.settle_inventory(tally).await?;
    Ok(())
}

async fn gives_signs_of_life(trial: &mut Trial<'_>) -> Verdict {
    let (connection, tally) = trial.talk()?;
    let before = connection.signs;
    connection.listen(5 * HEARTBEAT, tally).await?;
    match connection.signs - before {
        0..3 => {
            let how = match connection.form() {
                Form::Plain => "posted anything",
                Form::Socket => "sent a ping",
            };
            Err(format!("in five heartbeats it has hardly {how}"))
        }
        _ => Ok(()),
    }
}
