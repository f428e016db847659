//! Staying with a process until it ends.
//!
//! ```text
//!  accepted resource --links.process--> create --successorId--> start --> the end
//! ```
//!
//! The server holds back each answer for a second, so that steps are told as they happen at the cost
//! of a request a second. The work does not need the client: when the server is away for a while the
//! client waits for it to come back, and when the person loses patience the work goes on.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use crate::client::views::Process;
use crate::client::{Client, jittered};
use crate::failure::Failure;
use crate::render::progress::Progress;
use crate::render::span::failures;

/// How long the server is asked to hold back an answer.
const WAIT: Duration = Duration::from_secs(1);
/// The least time between two questions, whatever the server does with the wait.
const LEAST_PAUSE: Duration = Duration::from_millis(100);
/// How long a server may be away before the client gives up.
const LONGEST_OUTAGE: Duration = Duration::from_secs(60);

/// Follows a process, and those that follow from it, until the last has ended.
///
/// # Errors
/// [`Failure::ProcessEnded`] when one failed or was canceled, [`Failure::OutOfPatience`] after
/// `patience`, [`Failure::Interrupted`] at Ctrl-C, or that of the call.
pub async fn follow(
    client: &Client,
    process_id: &str,
    subject: &str,
    patience: Duration,
    progress: &mut Progress,
) -> Result<(), Failure> {
    let end = Instant::now() + patience;
    let interrupted = tokio::signal::ctrl_c();
    let result = tokio::select! {
        result = timeout_at(end, follow_chain(client, process_id, subject, progress)) => {
            result.unwrap_or_else(|_| Err(Failure::OutOfPatience {
                subject: subject.to_owned(),
                patience,
            }))
        }
        _ = interrupted => Err(Failure::Interrupted { subject: subject.to_owned() }),
    };
    progress.clear();
    result
}

async fn follow_chain(
    client: &Client,
    process_id: &str,
    subject: &str,
    progress: &mut Progress,
) -> Result<(), Failure> {
    let mut next = Some(process_id.to_owned());
    while let Some(id) = next {
        let process = follow_one(client, &id, progress).await?;
        if process.phase != "done" {
            return Err(Failure::ProcessEnded {
                subject: subject.to_owned(),
                reason: process
                    .message
                    .unwrap_or_else(|| "it left no reason".to_owned()),
                process: process.name,
                phase: process.phase,
            });
        }
        next = process.successor_id;
    }
    Ok(())
}

async fn follow_one(
    client: &Client,
    id: &str,
    progress: &mut Progress,
) -> Result<Process, Failure> {
    let path = format!("/v1/processes/{id}");
    let wait = WAIT.as_secs().to_string();
    let mut away_since: Option<Instant> = None;
    // The first answer comes at once, so that a person sees the step without delay.
    let mut query: Vec<(&str, &str)> = Vec::new();
    loop {
        let asked = Instant::now();
        match client.get_waiting(&path, &query, WAIT).await {
            Ok(answer) => {
                away_since = None;
                let process: Process = client.view(&answer)?;
                if process.is_finished() {
                    return Ok(process);
                }
                progress.show(&sentence(&process));
                query = vec![("wait", &wait)];
            }
            Err(failure) if is_outage(&failure) => {
                let since = *away_since.get_or_insert(asked);
                if since.elapsed() > LONGEST_OUTAGE {
                    return Err(failure);
                }
                progress.show("the server is away; waiting for it to come back");
                sleep(jittered(Duration::from_secs(1))).await;
            }
            Err(failure) => return Err(failure),
        }
        let spent = asked.elapsed();
        if spent < LEAST_PAUSE {
            sleep(jittered(LEAST_PAUSE)).await;
        }
    }
}

/// Whether a later attempt may well succeed.
fn is_outage(failure: &Failure) -> bool {
    match failure {
        Failure::Unreachable { .. } => true,
        Failure::Refused(problem) => matches!(problem.status, 429 | 502 | 503 | 504),
        _ => false,
    }
}

/// What a process is about, in one line.
fn sentence(process: &Process) -> String {
    let mut text = process.name.clone();
    match &process.step {
        Some(step) => text.push_str(&format!(": {step}")),
        None => text.push_str(&format!(": {}", process.phase)),
    }
    if process.attempt > 0 {
        text.push_str(&format!(" ({})", failures(process.attempt)));
    }
    if let Some(message) = &process.message {
        text.push_str(&format!(" - {message}"));
    }
    if let Some(waiting_on) = &process.waiting_on {
        text.push_str(&format!(" [waits for {waiting_on}]"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentence_says_what_is_waited_for_and_how_often_it_failed() {
        let process = Process {
            name: "start".to_owned(),
            step: Some("start-on-host".to_owned()),
            message: Some("the agent is away".to_owned()),
            waiting_on: Some("host/h1".to_owned()),
            attempt: 2,
            ..Process::default()
        };
        assert_eq!(
            sentence(&process),
            "start: start-on-host (failed 2 times) - the agent is away [waits for host/h1]"
        );
    }
}
