//! Waiting for a condition, with a deadline and a reason.
//!
//! A look answers `Ok` when the condition holds, and otherwise an error that tells what it saw
//! instead. The first look is taken at once, the next ones after a small and growing pause; the
//! last error is the message of the failure. A look that hangs is cut off at the deadline.

use std::future::Future;
use std::time::Duration;

use anyhow::{Result, anyhow};
use tokio::time::{Instant, sleep, timeout_at};

const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// Looks again and again until `look` succeeds, for at most `within`.
///
/// # Errors
/// When the deadline passes: `what`, the time that was given, and what the last look saw.
pub async fn until<T, Look, Looking>(what: &str, within: Duration, mut look: Look) -> Result<T>
where
    Look: FnMut() -> Looking,
    Looking: Future<Output = Result<T>>,
{
    let deadline = Instant::now() + within;
    let mut pause = FIRST_PAUSE;
    let mut last_seen = String::from("nothing, the first look did not come back");
    loop {
        match timeout_at(deadline, look()).await {
            Ok(Ok(found)) => return Ok(found),
            Ok(Err(not_yet)) => last_seen = format!("{not_yet:#}"),
            Err(_) => return Err(missed(what, within, &last_seen)),
        }
        if Instant::now() + pause >= deadline {
            return Err(missed(what, within, &last_seen));
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

fn missed(what: &str, within: Duration, last_seen: &str) -> anyhow::Error {
    anyhow!("{what}: not within {within:?}; last seen: {last_seen}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::ensure;

    #[tokio::test]
    async fn a_condition_that_comes_true_ends_the_wait() {
        let mut looks = 0;
        let found = until("the third look", Duration::from_secs(5), || {
            looks += 1;
            let seen = looks;
            async move {
                ensure!(seen == 3, "look {seen}");
                Ok(seen)
            }
        });
        assert_eq!(found.await.unwrap(), 3);
    }

    #[tokio::test]
    async fn a_missed_deadline_says_what_was_last_seen() {
        let failure = until::<(), _, _>("the gate", Duration::from_millis(20), || async {
            Err(anyhow!("it is closed"))
        })
        .await
        .unwrap_err();
        assert_eq!(
            failure.to_string(),
            "the gate: not within 20ms; last seen: it is closed"
        );
    }

    #[tokio::test]
    async fn a_look_that_hangs_does_not_outlast_the_deadline() {
        let started = Instant::now();
        let failure =
            until::<(), _, _>("an answer", Duration::from_millis(50), std::future::pending).await;
        assert!(failure.is_err());
        assert!(started.elapsed() < Duration::from_secs(5));
    }
}
