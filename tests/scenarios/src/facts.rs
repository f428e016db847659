//! Facts: what a scenario claims of an installation, each with a name.
//!
//! Facts that do not disturb one another are looked at together, against one installation, which
//! takes seconds to start. Each is told by its name when it does not hold, and none hides another.

use std::future::Future;
use std::pin::Pin;
use std::time::Instant;

use anyhow::Result;

type Look<'a> = Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>>;

/// Facts that are looked at together.
#[derive(Default)]
pub struct Facts<'a> {
    facts: Vec<(&'static str, Look<'a>)>,
}

impl<'a> Facts<'a> {
    /// Adds a fact: its name, and the look that fails if it does not hold.
    #[must_use]
    pub fn and(
        mut self,
        name: &'static str,
        look: impl Future<Output = Result<()>> + Send + 'a,
    ) -> Self {
        self.facts.push((name, Box::pin(look)));
        self
    }

    /// Looks at all of them at the same time.
    ///
    /// # Panics
    /// When one does not hold, with the names and reasons of all that do not.
    #[expect(
        clippy::print_stderr,
        reason = "how long each took is part of a test's output"
    )]
    pub async fn hold(self) {
        let began = Instant::now();
        let looks = self.facts.into_iter().map(|(name, look)| async move {
            let outcome = look.await;
            (name, outcome, began.elapsed())
        });
        let mut broken = Vec::new();
        for (name, outcome, took) in futures::future::join_all(looks).await {
            match outcome {
                Ok(()) => eprintln!("{:>7.1} s  {name}", took.as_secs_f64()),
                Err(error) => broken.push(format!("{name}: {error:#}")),
            }
        }
        assert!(broken.is_empty(), "not so:\n{}", broken.join("\n"));
    }
}

/// Facts named after the functions that look at them: `facts![drover: one, another]`.
#[macro_export]
macro_rules! facts {
    ($drover:expr; $($fact:path),+ $(,)?) => {
        $crate::facts::Facts::default()$(.and(stringify!($fact), $fact($drover)))+
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::bail;

    async fn holds(_: &str) -> Result<()> {
        Ok(())
    }

    async fn does_not(what: &str) -> Result<()> {
        bail!("{what} is not so")
    }

    #[tokio::test]
    async fn facts_that_hold_say_nothing() {
        facts!["it"; holds, holds].hold().await;
    }

    #[tokio::test]
    #[should_panic(expected = "does_not: it is not so")]
    async fn one_that_does_not_is_named() {
        facts!["it"; holds, does_not, holds].hold().await;
    }
}
