//! Commands, their repeats, and those from whoever has no right any more.

use std::time::Duration;

use drover_proto::v1::command::Action;
use drover_proto::v1::failure::Code;
use drover_proto::v1::seen_container::State;
use drover_proto::v1::{
    Command, InspectContainer, Ping, SeenContainer, StopContainer, TakeInventory, TakeStats, reply,
};
use uuid::Uuid;

use super::{FENCE, Trial, remove, start};
use crate::connection::command;
use crate::facts::Verdict;

pub(super) async fn run(trial: &mut Trial<'_>) {
    let verdict = pings(trial).await;
    trial.note("a ping is answered", verdict);
    let verdict = lives_and_dies(trial).await;
    trial.note("create, start, inspect, stop and remove work", verdict);
    let verdict = may_start_what_it_makes(trial).await;
    trial.note("what is to be started once it is made can be", verdict);
    let verdict = may_be_repeated(trial).await;
    trial.note("each may be repeated under another id", verdict);
    let verdict = gone_is_gone(trial).await;
    trial.note("removing and stopping what is gone succeeds", verdict);
    let verdict = missing_cannot_start(trial).await;
    trial.note("starting what is gone fails as not found", verdict);
    let verdict = is_remembered(trial).await;
    trial.note("a repeat is answered from memory", verdict);
    let verdict = joins(trial).await;
    trial.note("a repeat during the command gets its reply", verdict);
    let verdict = refuses_older(trial).await;
    trial.note("an older fence is refused", verdict);
    let verdict = refuses_older_repeats(trial).await;
    trial.note("an older fence is refused even of a repeat", verdict);
    let verdict = does_not_know(trial).await;
    trial.note("an unknown command is answered as unsupported", verdict);
    let verdict = tells_stats(trial).await;
    trial.note(
        "how busy the host is is told, or said to be unsupported",
        verdict,
    );
    let verdict = takes_inventory(trial).await;
    trial.note(
        "an inventory that is asked for names what there is",
        verdict,
    );
}

fn inspect(container: Uuid, fence: i64) -> Command {
    let action = Action::InspectContainer(InspectContainer {});
    command(container, fence, Some(action))
}

fn stop(container: Uuid) -> Command {
    let action = Action::StopContainer(StopContainer {
        grace_millis: 1_000,
    });
    command(container, FENCE, Some(action))
}

fn is(seen: &SeenContainer, state: State, after: &str) -> Verdict {
    match seen.state() == state {
        true => Ok(()),
        false => Err(format!(
            "after {after} it is {}, not {}",
            seen.state().as_str_name(),
            state.as_str_name()
        )),
    }
}

async fn pings(trial: &mut Trial<'_>) -> Verdict {
    let (connection, tally) = trial.talk()?;
    let ping = command(Uuid::now_v7(), 0, Some(Action::Ping(Ping {})));
    match connection.ask(&ping, tally).await? {
        reply::Result::Pong(_) => Ok(()),
        other => Err(format!("the reply was {other:?}")),
    }
}

async fn lives_and_dies(trial: &mut Trial<'_>) -> Verdict {
    let id = Uuid::now_v7();
    let steps = [
        ("create", trial.create(id, FENCE), State::Created),
        ("start", start(id), State::Running),
        ("inspect", inspect(id, FENCE), State::Running),
        ("stop", stop(id), State::Exited),
        ("another start", start(id), State::Running),
        ("remove", remove(id), State::Missing),
        (
            "an inspect of what is gone",
            inspect(id, FENCE),
            State::Missing,
        ),
    ];
    let (connection, tally) = trial.talk()?;
    for (name, command, state) in steps {
        let seen = connection.seen(&command, tally).await;
        is(
            &seen.map_err(|error| format!("{name}: {error}"))?,
            state,
            name,
        )?;
    }
    Ok(())
}

/// An agent may leave the start to a command of its own. Either way the container runs after that, and one that
/// ended is not started by another create.
async fn may_start_what_it_makes(trial: &mut Trial<'_>) -> Verdict {
    let id = Uuid::now_v7();
    let (first, again) = (trial.create_started(id), trial.create_started(id));
    let (connection, tally) = trial.talk()?;
    let made = connection.seen(&first, tally).await?;
    if made.state() != State::Created {
        is(&made, State::Running, "a create that starts")?;
    }
    let seen = connection.seen(&start(id), tally).await?;
    is(&seen, State::Running, "a start after it")?;
    connection.seen(&stop(id), tally).await?;
    let found = connection.seen(&again, tally).await?;
    is(&found, State::Exited, "a second create that starts")?;
    connection.seen(&remove(id), tally).await?;
    Ok(())
}

async fn may_be_repeated(trial: &mut Trial<'_>) -> Verdict {
    let id = Uuid::now_v7();
    let (first, again) = (trial.create(id, FENCE), trial.create(id, FENCE));
    let (connection, tally) = trial.talk()?;
    let made = connection.seen(&first, tally).await?;
    let found = connection.seen(&again, tally).await?;
    if made.runtime_id != found.runtime_id {
        return Err("a second create made another container".to_owned());
    }
    is(&found, State::Created, "a second create")?;
    for _ in 0..2 {
        let seen = connection.seen(&start(id), tally).await?;
        is(&seen, State::Running, "a repeated start")?;
    }
    for _ in 0..2 {
        let seen = connection.seen(&stop(id), tally).await?;
        is(&seen, State::Exited, "a repeated stop")?;
    }
    for _ in 0..2 {
        let seen = connection.seen(&remove(id), tally).await?;
        is(&seen, State::Missing, "a repeated remove")?;
    }
    Ok(())
}

async fn gone_is_gone(trial: &mut Trial<'_>) -> Verdict {
    let (connection, tally) = trial.talk()?;
    for (name, command) in [
        ("remove", remove(Uuid::now_v7())),
        ("stop", stop(Uuid::now_v7())),
    ] {
        let seen = connection.seen(&command, tally).await?;
        is(&seen, State::Missing, name)?;
    }
    Ok(())
}

async fn missing_cannot_start(trial: &mut Trial<'_>) -> Verdict {
    let (connection, tally) = trial.talk()?;
    let start = start(Uuid::now_v7());
    connection.fails(&start, Code::NotFound, tally).await?;
    Ok(())
}

async fn is_remembered(trial: &mut Trial<'_>) -> Verdict {
    let id = Uuid::now_v7();
    let create = trial.create(id, FENCE);
    let (connection, tally) = trial.talk()?;
    let first = connection.seen(&create, tally).await?;
    connection.seen(&remove(id), tally).await?;
    let repeated = connection.seen(&create, tally).await?;
    if repeated != first {
        return Err("the repeat had another reply".to_owned());
    }
    let now = connection.seen(&inspect(id, FENCE), tally).await?;
    match now.state() {
        State::Missing => Ok(()),
        _ => Err("the container was made again".to_owned()),
    }
}

async fn joins(trial: &mut Trial<'_>) -> Verdict {
    let id = Uuid::now_v7();
    trial.run_one(id).await?;
    let (connection, tally) = trial.talk()?;
    // It takes a moment, so that its repeat may find it under way.
    let stop = stop(id);
    let replies = connection.ask_twice(&stop, tally).await?;
    if replies.0 != replies.1 {
        return Err("the replies differ".to_owned());
    }
    trial.clear(id).await
}

async fn refuses_older(trial: &mut Trial<'_>) -> Verdict {
    let id = Uuid::now_v7();
    trial.run_one(id).await?;
    let (connection, tally) = trial.talk()?;
    let mut older = stop(id);
    older.fence = FENCE - 1;
    connection.fails(&older, Code::StaleFence, tally).await?;
    let now = connection.seen(&inspect(id, FENCE), tally).await?;
    is(&now, State::Running, "a stop under an older fence")?;
    trial.clear(id).await
}

async fn refuses_older_repeats(trial: &mut Trial<'_>) -> Verdict {
    let id = Uuid::now_v7();
    let create = trial.create(id, FENCE - 9);
    let (connection, tally) = trial.talk()?;
    connection.seen(&create, tally).await?;
    connection.seen(&inspect(id, FENCE), tally).await?;
    connection.fails(&create, Code::StaleFence, tally).await?;
    trial.clear(id).await
}

async fn does_not_know(trial: &mut Trial<'_>) -> Verdict {
    let (connection, tally) = trial.talk()?;
    let unknown = command(Uuid::now_v7(), FENCE, None);
    connection.fails(&unknown, Code::Unsupported, tally).await?;
    Ok(())
}

async fn tells_stats(trial: &mut Trial<'_>) -> Verdict {
    // Its fence means nothing: it is the host that is asked about.
    let mut take = command(Uuid::now_v7(), 0, Some(Action::TakeStats(TakeStats {})));
    if let Some(resource) = &mut take.resource {
        resource.r#type = "host".to_owned();
    }
    let (connection, tally) = trial.talk()?;
    match connection.ask(&take, tally).await? {
        reply::Result::HostStats(_) => Ok(()),
        reply::Result::Failure(failure) if failure.code() == Code::Unsupported => Ok(()),
        other => Err(format!("the reply was {other:?}")),
    }
}

async fn takes_inventory(trial: &mut Trial<'_>) -> Verdict {
    let id = Uuid::now_v7();
    trial.run_one(id).await?;
    let (connection, tally) = trial.talk()?;
    let take = command(
        Uuid::now_v7(),
        FENCE,
        Some(Action::TakeInventory(TakeInventory {})),
    );
    let reply::Result::Inventory(inventory) = connection.ask(&take, tally).await? else {
        return Err("the reply is no inventory".to_owned());
    };
    let ours = inventory
        .containers
        .iter()
        .find(|seen| seen.container_id == id.to_string());
    let ours = ours.ok_or("it does not name a container that runs")?;
    is(ours, State::Running, "its start, the inventory says")?;
    if inventory.containers.len() > 1 {
        return Err("it names what was removed".to_owned());
    }
    trial.clear(id).await?;
    // What was ended by commands is not reported.
    let (connection, tally) = trial.talk()?;
    let report = connection
        .container_report(Duration::from_millis(2_500), tally)
        .await?;
    match report {
        None => Ok(()),
        Some((_, seen)) => Err(format!("it reports what a command has done: {seen:?}")),
    }
}
