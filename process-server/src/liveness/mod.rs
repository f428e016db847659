//! Watching over hosts: which agents are lost, which are back, and who is told.
//!
//! What follows is decided in the [domain](drover_domain::liveness). Each process server looks about
//! once a second, and at once when it hears that an agent has connected:
//!
//! ```text
//!   agent servers  --> one that counts no heartbeats is dead: its row ends, if it has not counted since
//!   lost agents    --+
//!   hosts that are --+--> verdict --> the state moves, many in one transaction, by version
//!   out of reach                  --> a process is asked for: to give the host up, to take it back
//! ```
//!
//! All process servers see the same, and who is first wins: the others find the count or the version
//! moved. What it costs is a few small queries a second, and the rows of hosts that are out of reach.

mod reach;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use drover_domain::lifecycle::Request;
use drover_domain::liveness::{Patience, Verdict, Vigil, Watch, look};
use drover_domain::process::{Cause, WaitsFor};
use drover_domain::settings::Values;
use drover_domain::write::{Asked, Intent};
use drover_domain::{Resource, ResourceId, State};
use drover_store::{Accepted, OutOfReach, StoreError};
use futures::future::join_all;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::engine::runner::Runner;
use crate::{Parts, waking};

pub(crate) use reach::Reach;

/// How often it is looked.
const INTERVAL: Duration = Duration::from_secs(1);
/// How soon it may be looked again because an agent has connected.
const SOON: Duration = Duration::from_millis(100);
/// Hosts of one transaction, and processes that are asked for at once.
const PORTION: usize = 200;

/// Watches until `shutdown`; at once when there is news.
pub(crate) async fn run(
    parts: Parts,
    runner: Arc<Runner>,
    news: Arc<Notify>,
    shutdown: CancellationToken,
) {
    let mut watchman = Watchman {
        parts,
        runner,
        vigil: Vigil::default(),
    };
    let mut was_reached = true;
    loop {
        match watchman.look().await {
            Ok(()) => was_reached = true,
            Err(error) if was_reached => {
                was_reached = false;
                tracing::warn!(%error, "it cannot be looked who is connected");
            }
            Err(_) => {}
        }
        let pause = INTERVAL.mul_f64(0.75 + rand::random::<f64>() / 2.0);
        let told = async {
            tokio::time::sleep(SOON).await;
            news.notified().await;
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = told => {}
            () = shutdown.cancelled() => return,
        }
    }
}

struct Watchman {
    parts: Parts,
    runner: Arc<Runner>,
    vigil: Vigil,
}

impl Watchman {
    async fn look(&mut self) -> Result<(), StoreError> {
        let store = &self.parts.store;
        let stored = store.settings().await?;
        let stored = stored.iter().map(|one| (one.name.as_str(), &one.value));
        let patience = Patience::of(&Values::of(stored));
        let servers = store.agent_servers().await?;
        let (dead, watch) = self.vigil.look(servers, self.parts.clock.now());
        for (server, beats) in dead {
            if store
                .end_agent_server(server, Some(beats), watch.now)
                .await?
            {
                tracing::warn!(%server, "the agent server gives no sign of life, it has ended");
            }
        }
        let hosts = store.out_of_reach().await?;
        self.runner.surroundings.reach.set(&hosts);
        let verdicts = self.judge(hosts, watch, &patience).await?;
        let mut moves = HashMap::new();
        let mut asks = HashMap::new();
        for (host, state, verdict) in verdicts {
            match verdict {
                Verdict::Stay => {}
                Verdict::Move(to) => drop(moves.insert(host, (state, to))),
                Verdict::Ask(request) => drop(asks.insert(host, (state, request))),
            }
        }
        self.move_all(moves).await?;
        self.ask_all(asks).await
    }

    async fn judge(
        &self,
        hosts: Vec<OutOfReach>,
        watch: Watch,
        patience: &Patience,
    ) -> Result<Vec<(ResourceId, State, Verdict)>, StoreError> {
        let back = hosts.iter().filter(|host| host.lost.is_none());
        let unfinished = self.parts.store.unfinished(back.map(|host| host.host));
        let unfinished = unfinished.await?;
        let at_work: HashSet<ResourceId> = unfinished
            .iter()
            .map(|process| process.resource.id)
            .collect();
        let verdicts = hosts.into_iter().map(|one| {
            let is_at_work = at_work.contains(&one.host);
            let verdict = look(one.state, one.lost, is_at_work, watch, patience);
            (one.host, one.state, verdict)
        });
        Ok(verdicts.collect())
    }

    /// Moves hosts that are still in the state in which they were seen.
    async fn move_all(&self, moves: HashMap<ResourceId, (State, State)>) -> Result<(), StoreError> {
        let store = &self.parts.store;
        let ids: Vec<ResourceId> = moves.keys().copied().collect();
        let mut is_any_active = false;
        for portion in ids.chunks(PORTION) {
            let rows = store.resources_of(portion.iter().copied()).await?;
            let now = self.parts.clock.now();
            let changed = rows.into_values().filter_map(|mut host| {
                let (from, to) = moves.get(&host.id)?;
                if host.state != *from || host.removed.is_some() {
                    return None;
                }
                let expected = host.version;
                host.state = host.details.settled(*to);
                host.version += 1;
                host.updated = now;
                Some((host, expected))
            });
            let written = store.rewrite_all(changed.collect()).await?;
            for Resource { id, state, .. } in &written {
                tracing::info!(host = %id, %state, "the host is seen in another state");
                is_any_active |= *state == State::Active;
            }
            if !written.is_empty() {
                self.runner.surroundings.hosts.forget();
                self.runner.announcer.changed().await;
            }
        }
        if is_any_active {
            let woken = waking::wake(store, &*self.parts.clock, WaitsFor::Room).await?;
            tracing::debug!(woken = woken.len(), "those who wait for a host look again");
        }
        Ok(())
    }

    /// Asks for processes of hosts that are still in the state in which they were seen.
    async fn ask_all(&self, asks: HashMap<ResourceId, (State, Request)>) -> Result<(), StoreError> {
        let store = &self.parts.store;
        let ids: Vec<ResourceId> = asks.keys().copied().collect();
        for portion in ids.chunks(PORTION) {
            let rows = store.resources_of(portion.iter().copied()).await?;
            let intents = rows.into_values().filter_map(|host| {
                let (state, request) = asks.get(&host.id)?;
                (host.state == *state).then(|| self.intent(host, *request))?
            });
            let accepted = join_all(intents.map(async |intent| {
                let (id, host) = (intent.process.id, intent.process.resource);
                let (request, priority) = (intent.process.request, intent.process.priority);
                if let Accepted::Committed { .. } = store.accept(intent).await? {
                    tracing::info!(%host, %request, "a process is to see to the host");
                    self.runner.surroundings.hosts.forget();
                    self.runner.announcer.ready(id, host, priority).await;
                    self.runner.announcer.changed().await;
                }
                Ok::<_, StoreError>(())
            }));
            accepted.await.into_iter().collect::<Result<(), _>>()?;
        }
        Ok(())
    }

    fn intent(&self, host: Resource, request: Request) -> Option<Intent> {
        let policy = self.runner.policies.of(host.resource_type(), request);
        let asked = Asked {
            request,
            force: false,
            process: self.parts.chance.process_id(),
            cause: Cause {
                request_id: format!("liveness of {}", host.id),
                account_id: None,
            },
            now: self.parts.clock.now(),
            policy,
        };
        Intent::to_change(host, asked).ok()
    }
}
