//! What happens without a command.

use std::time::Duration;

use drover_proto::v1::seen_container::State;
use uuid::Uuid;

use super::{FENCE, Trial, start};
use crate::connection::PATIENCE;
use crate::facts::Verdict;

/// A report that is not settled comes again within this time.
const AGAIN: Duration = Duration::from_secs(5);
/// One that is settled does not come within this time.
const QUIET: Duration = Duration::from_secs(3);

pub(super) async fn run(trial: &mut Trial<'_>) {
    let id = Uuid::now_v7();
    let reported = is_reported(trial, id).await;
    let report = reported.as_ref().ok().cloned().unwrap_or_default();
    let verdict = reported.map(|_| ());
    trial.note("a container that ends by itself is reported", verdict);
    let verdict = comes_again(trial, &report).await;
    trial.note("a report comes again until it is settled", verdict);
    let verdict = survives(trial, &report).await;
    trial.note("a report survives its connection", verdict);
    let verdict = is_over(trial, &report).await;
    trial.note("a settled report does not come again", verdict);
    if let Err(error) = trial.clear(id).await {
        trial.note("what has ended can be removed", Err(error));
    }
}

async fn is_reported(trial: &mut Trial<'_>, id: Uuid) -> Verdict<String> {
    let create = trial.create_short(id, FENCE);
    let (connection, tally) = trial.talk()?;
    connection.seen(&create, tally).await?;
    connection.seen(&start(id), tally).await?;
    let report = connection.container_report(PATIENCE, tally).await?;
    let (report, seen) = report.ok_or("it was not reported")?;
    if seen.container_id != id.to_string() {
        return Err(format!("the report is about `{}`", seen.container_id));
    }
    if (seen.state(), seen.exit_code) != (State::Exited, Some(3)) {
        return Err(format!("it ended with code 3, and the report is {seen:?}"));
    }
    Ok(report)
}

async fn comes_again(trial: &mut Trial<'_>, report: &str) -> Verdict {
    let (connection, tally) = trial.talk()?;
    // Unanswered, and answered with "not yet".
    for _ in 0..2 {
        let again = connection.container_report(AGAIN, tally).await?;
        let (again, _) = again.ok_or("it did not come again")?;
        if again != report {
            return Err("it came again under another id".to_owned());
        }
        connection.answer(report, false).await?;
    }
    Ok(())
}

async fn survives(trial: &mut Trial<'_>, report: &str) -> Verdict {
    trial.reconnect().await?;
    let (connection, tally) = trial.talk()?;
    let again = connection.container_report(AGAIN, tally).await?;
    let (again, _) = again.ok_or("it did not come again on the next connection")?;
    match again == report {
        true => Ok(()),
        false => Err("it came again under another id".to_owned()),
    }
}

async fn is_over(trial: &mut Trial<'_>, report: &str) -> Verdict {
    let (connection, tally) = trial.talk()?;
    connection.answer(report, true).await?;
    // One may have been on its way.
    let crossing = connection.container_report(QUIET / 2, tally).await?;
    if crossing.is_some() {
        connection.answer(report, true).await?;
    }
    match connection.container_report(QUIET, tally).await? {
        None => Ok(()),
        Some(_) => Err("it came again".to_owned()),
    }
}
