//! Presence: telling, in the database, which agents are connected here.
//!
//! ```text
//!   connection begins ----> connected, which gives it its number     before anybody is told of it
//!   connection ends ------> gone, by that number                     as soon as the database takes it
//!   every second ---------> one heartbeat for all of them
//!   the server stops -----> one row says that all of them are let go
//! ```
//!
//! No heartbeat of an agent is written. What is written about an agent goes into groups with others, so
//! that thousands that come at once cost a few commits.
//!
//! A server that was taken for dead while it lived finds its agents lost: now and then it looks whether
//! any that it holds is, and says again that it is connected. One that reaches neither the database nor
//! the bus lets its agents go: they find another server, or know that they are alone.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use drover_domain::liveness::{Patience, SERVER_HEARTBEAT, SERVER_SILENCE};
use drover_domain::settings::Values;
use drover_domain::{ResourceId, Timestamp};
use drover_store::{News, StoreError};
use futures::future::join_all;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::Shared;
use crate::connect::Identity;

/// Heartbeats between two looks at the settings, and at whether an agent that is here is lost.
const LOOK_EVERY: u32 = 3;
/// News of agents that are gone, written at the same time.
const AT_ONCE: usize = 200;
/// How long the last word may take.
const FAREWELL: Duration = Duration::from_secs(2);

/// Which agents are connected here.
#[derive(Default)]
pub(crate) struct Presence {
    here: Mutex<Here>,
    changed: Notify,
}

#[derive(Default)]
struct Here {
    patience: Patience,
    /// Tells the connections of one agent apart, before they have their numbers.
    turns: u64,
    connected: HashMap<ResourceId, Connected>,
    /// What is yet to be written: the numbers of connections that have ended, and when.
    gone: HashMap<ResourceId, (i64, Timestamp)>,
}

#[derive(Clone, Copy)]
struct Connected {
    turn: u64,
    identity: Identity,
    number: i64,
}

/// A connection that is written down, as long as this lives.
pub(crate) struct Present<'a> {
    shared: &'a Shared,
    host: ResourceId,
    turn: u64,
    /// For how long the agent had been silent when the connection ended.
    pub(crate) silent: Duration,
}

impl Presence {
    /// How long agents are waited for.
    pub(crate) fn patience(&self) -> Patience {
        self.with(|here| here.patience)
    }

    /// Writes down that an agent is connected. None if its host is not there any more.
    pub(crate) async fn enter(
        shared: &Shared,
        identity: Identity,
    ) -> Result<Option<Present<'_>>, StoreError> {
        let Some(number) = tell_connected(shared, identity).await? else {
            return Ok(None);
        };
        let host = identity.host;
        let turn = shared.presence.with(|here| {
            here.turns += 1;
            let turn = here.turns;
            let connected = Connected {
                turn,
                identity,
                number,
            };
            // Of two connections of one agent the one with the higher number counts.
            if here
                .connected
                .get(&host)
                .is_none_or(|other| other.number < number)
            {
                here.connected.insert(host, connected);
            }
            turn
        });
        Ok(Some(Present {
            shared,
            host,
            turn,
            silent: Duration::ZERO,
        }))
    }

    fn with<R>(&self, act: impl FnOnce(&mut Here) -> R) -> R {
        act(&mut self.here.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Present<'_> {
    fn drop(&mut self) {
        let at = self.shared.clock.now().before(self.silent);
        let (host, turn) = (self.host, self.turn);
        self.shared.presence.with(|here| {
            let is_ours = here
                .connected
                .get(&host)
                .is_some_and(|own| own.turn == turn);
            if is_ours && let Some(own) = here.connected.remove(&host) {
                here.gone.insert(host, (own.number, at));
            }
        });
        self.shared.presence.changed.notify_one();
    }
}

async fn tell_connected(shared: &Shared, identity: Identity) -> Result<Option<i64>, StoreError> {
    let Identity { agent, host, .. } = identity;
    let news = News::Connected {
        agent,
        server: shared.id,
        at: shared.clock.now(),
    };
    shared.store.tell_presence(host, news).await
}

/// Tells until `shutdown`, and then that all agents are let go.
pub(crate) async fn run(shared: &Shared, shutdown: &CancellationToken) {
    let mut beats: u32 = 0;
    let mut reached = Instant::now();
    let mut next = Instant::now();
    loop {
        tokio::select! {
            () = tokio::time::sleep_until(next) => {}
            () = shared.presence.changed.notified() => {
                write_gone(shared).await;
                continue;
            }
            () = shutdown.cancelled() => break,
        }
        let jitter = 0.75 + rand::random::<f64>() / 4.0;
        next = Instant::now() + SERVER_HEARTBEAT.mul_f64(jitter);
        let address = Some(shared.address.as_str());
        let beat = shared.store.beat(shared.id, address, shared.clock.now());
        match timeout(SERVER_SILENCE / 2, beat).await {
            Ok(Ok(())) => {
                reached = Instant::now();
                write_gone(shared).await;
                if beats.is_multiple_of(LOOK_EVERY)
                    && let Err(error) = look(shared).await
                {
                    tracing::debug!(%error, "it could not be looked who is lost");
                }
                beats = beats.wrapping_add(1);
            }
            Ok(Err(error)) => tracing::debug!(%error, "no heartbeat could be written"),
            Err(_) => tracing::debug!("the database does not answer to a heartbeat"),
        }
        if reached.elapsed() >= SERVER_SILENCE && !shared.bus.is_connected() {
            tracing::warn!("neither the database nor the bus is within reach, agents are let go");
            shared.sessions.end_all();
            reached = Instant::now();
        }
    }
    let ended = shared
        .store
        .end_agent_server(shared.id, None, shared.clock.now());
    if !matches!(timeout(FAREWELL, ended).await, Ok(Ok(_))) {
        tracing::info!("nobody was told that this server ends, it will be noticed");
    }
}

/// Writes down who is gone. What cannot be written now is tried again with the next heartbeat.
async fn write_gone(shared: &Shared) {
    let gone: Vec<(ResourceId, i64, Timestamp)> = shared.presence.with(|here| {
        let gone = here.gone.iter().take(AT_ONCE);
        gone.map(|(host, (number, at))| (*host, *number, *at))
            .collect()
    });
    let more = gone.len() == AT_ONCE;
    let written = join_all(gone.into_iter().map(async |(host, number, at)| {
        let told = shared.store.tell_presence(host, News::Gone { number, at });
        told.await.map(|_| (host, number))
    }));
    let written = written.await;
    let is_sound = written.iter().all(Result::is_ok);
    shared.presence.with(|here| {
        for (host, number) in written.into_iter().flatten() {
            if here
                .gone
                .get(&host)
                .is_some_and(|(gone, _)| *gone == number)
            {
                here.gone.remove(&host);
            }
        }
    });
    if more && is_sound {
        shared.presence.changed.notify_one();
    }
}

/// Reads how long agents are waited for, and says again of those who are here and are held for lost that
/// they are here.
async fn look(shared: &Shared) -> Result<(), StoreError> {
    let stored = shared.store.settings().await?;
    let stored = stored.iter().map(|one| (one.name.as_str(), &one.value));
    let patience = Patience::of(&Values::of(stored));
    let lost = shared.store.lost().await?;
    let held: Vec<Connected> = shared.presence.with(|here| {
        here.patience = patience;
        let held = lost.keys().filter_map(|host| here.connected.get(host));
        held.copied().collect()
    });
    for one in held {
        let host = one.identity.host;
        let Some(number) = tell_connected(shared, one.identity).await? else {
            continue;
        };
        tracing::info!(%host, "an agent that was held for lost is connected here");
        let at = shared.clock.now();
        shared
            .presence
            .with(|here| match here.connected.get_mut(&host) {
                Some(own) if own.turn == one.turn => own.number = number,
                // It has ended meanwhile.
                Some(_) => {}
                None => {
                    here.gone.insert(host, (number, at));
                }
            });
    }
    Ok(())
}
