//! `drover watch`: prints changes as they happen, and goes on where it was when the stream breaks.
//!
//! It runs until it is interrupted. A server that stays away, or says that the position is past its
//! retention, ends it: changes would be missed, and silence about that would be a lie.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Session, id_of};
use crate::arguments::WatchArguments;
use crate::client::views::Change;
use crate::client::{Kind, jittered};
use crate::failure::Failure;
use crate::render::escape::escape;
use crate::render::span;

/// How long a server may be away.
const LONGEST_OUTAGE: Duration = Duration::from_secs(60);
/// The longest line that is believed to be a change.
const LONGEST_LINE: usize = 1 << 20;

/// Carries out the command.
///
/// # Errors
/// When the server stays away or refuses the position.
pub async fn watch(session: &Session<'_>, arguments: &WatchArguments) -> Result<(), Failure> {
    let resource_id = match &arguments.resource {
        None => None,
        Some(reference) => {
            let kinds = [Kind::Container, Kind::Host];
            let resource = session.client.find_any(&kinds, reference).await?;
            Some(id_of(&session.client, &resource)?.to_owned())
        }
    };
    let mut watch = Watch {
        session,
        resource_id,
        after: arguments.after.clone(),
        heard: Instant::now(),
    };
    tokio::select! {
        result = watch.run() => result,
        // To be interrupted is how a watch ends.
        _ = tokio::signal::ctrl_c() => Ok(()),
    }
}

struct Watch<'session> {
    session: &'session Session<'session>,
    resource_id: Option<String>,
    after: Option<String>,
    heard: Instant,
}

impl Watch<'_> {
    async fn run(&mut self) -> Result<(), Failure> {
        let mut has_opened = false;
        loop {
            match self.stream(&mut has_opened).await {
                Ok(()) => {}
                Err(failure @ Failure::Unreachable { .. })
                    if has_opened && self.heard.elapsed() < LONGEST_OUTAGE =>
                {
                    self.session.terminal.failure(&failure);
                }
                Err(failure) => return Err(failure),
            }
            self.session
                .terminal
                .note("the stream ended; opening it again");
            sleep(jittered(Duration::from_secs(1))).await;
        }
    }

    /// Reads one stream to its end.
    async fn stream(&mut self, has_opened: &mut bool) -> Result<(), Failure> {
        let query: Vec<(&str, &str)> = [
            ("resourceId", self.resource_id.as_deref()),
            ("after", self.after.as_deref()),
        ]
        .into_iter()
        .filter_map(|(key, value)| Some((key, value?)))
        .collect();
        let mut response = self.session.client.watch(&query).await?;
        *has_opened = true;
        self.heard = Instant::now();
        let mut rest = Vec::new();
        // A stream that breaks is opened again, whatever broke it.
        while let Ok(Some(bytes)) = response.chunk().await {
            self.heard = Instant::now();
            rest.extend_from_slice(&bytes);
            while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = rest.drain(..=end).collect();
                self.show(String::from_utf8_lossy(&line).trim())?;
            }
            if rest.len() > LONGEST_LINE {
                return Err(self.session.client.not_the_api("a change has no end"));
            }
        }
        Ok(())
    }

    fn show(&mut self, line: &str) -> Result<(), Failure> {
        // Empty lines keep the connection alive.
        if line.is_empty() {
            return Ok(());
        }
        let client = &self.session.client;
        let change: Change = serde_json::from_str(line)
            .map_err(|_| client.not_the_api("a change is not of the expected form"))?;
        if let Some(position) = change.position_text() {
            self.after = Some(position);
        }
        if self.session.terminal.wants_json() {
            return self.session.terminal.print(line);
        }
        // What carries no resource only tells how far the log has been read.
        if change.id.is_empty() {
            return Ok(());
        }
        let version = change
            .version
            .map(|version| format!(" (version {version})"));
        self.session.terminal.print(&escape(&format!(
            "{}  {} {}  {}{}",
            span::time_of_day(change.time),
            change.resource_type,
            change.id,
            change.state,
            version.unwrap_or_default(),
        )))
    }
}
