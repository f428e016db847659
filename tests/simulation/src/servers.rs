//! The process servers of a simulation: the real ones, worked by hand.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use drover_process_server::by_hand::{ByHand, Worked};
use drover_process_server::{Options, Parts};
use drover_proto::v1::Envelope;
use drover_store::{Ready, Store};

use crate::bus::SimBus;
use crate::kernel::{Kernel, Owner};
use crate::locks::{LockTable, SimLocks};
use crate::surroundings::{Gates, SimChance, SimClock};

/// How often an offer is repeated while its lock is held; then the sweep repeats it.
const PUT_OFF_AT_MOST: u32 = 8;
/// A process that rests for longer is left to the sweep.
const LONGEST_REST: Duration = Duration::from_secs(2);
/// The pause between two sweeps of a server.
const SWEEPS: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(6));

/// All process servers. Clones are the same.
#[derive(Clone)]
pub struct Servers {
    kernel: Kernel,
    store: Store,
    bus: SimBus,
    table: LockTable,
    options: Options,
    lives: Arc<Mutex<Vec<Life>>>,
}

/// One server, in one of its lives.
#[derive(Clone)]
struct Life {
    number: u32,
    /// None while it is dead.
    server: Option<Arc<ByHand>>,
    /// It finishes what it does and takes nothing any more.
    is_stopping: bool,
    locks: SimLocks,
}

impl Servers {
    /// So many servers, all at work.
    pub fn new(kernel: Kernel, store: Store, bus: SimBus, table: LockTable, count: usize) -> Self {
        let lives = (0..count)
            .map(|server| Life {
                number: 0,
                server: None,
                is_stopping: false,
                locks: table.manager(label(server, 0)),
            })
            .collect();
        let servers = Self {
            kernel,
            store,
            bus,
            table,
            options: Options::default(),
            lives: Arc::new(Mutex::new(lives)),
        };
        (0..count).for_each(|server| servers.start(server));
        servers
    }

    fn lives(&self) -> MutexGuard<'_, Vec<Life>> {
        self.lives.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many there are, dead or alive.
    pub fn count(&self) -> usize {
        self.lives().len()
    }

    /// Those that take work.
    pub fn alive(&self) -> Vec<usize> {
        let lives = self.lives();
        let takes_work = |server: &usize| {
            let life = &lives[*server];
            life.server.is_some() && !life.is_stopping
        };
        (0..lives.len()).filter(takes_work).collect()
    }

    /// Starts a server that is dead.
    pub fn start(&self, server: usize) {
        let number = {
            let mut lives = self.lives();
            if lives[server].server.is_some() {
                return;
            }
            lives[server].number += 1;
            lives[server].number
        };
        let name = label(server, number);
        let locks = self.table.manager(name.clone());
        let parts = Parts {
            store: self.store.clone(),
            bus: Arc::new(self.bus.held_by(name.clone())),
            locks: Arc::new(locks.clone()),
            clock: Arc::new(SimClock(self.kernel.clone())),
            chance: Arc::new(SimChance(self.kernel.clone())),
            interference: Arc::new(Gates {
                kernel: self.kernel.clone(),
                server: name.clone(),
            }),
        };
        let by_hand = Arc::new(ByHand::new(&self.options, parts));
        self.kernel.name('s', by_hand.id().uuid());
        self.kernel.log(&name, "starts");
        self.lives()[server] = Life {
            number,
            server: Some(by_hand),
            is_stopping: false,
            locks,
        };
        let servers = self.clone();
        self.spawn(server, move |by_hand| async move {
            servers.sweep_for_ever(server, by_hand).await;
        });
    }

    /// A server loses its power. Its locks stay until its lease is over; it may come back.
    pub fn crash(&self, server: usize, comes_back_after: Duration) {
        let life = {
            let mut lives = self.lives();
            let life = lives[server].clone();
            lives[server].server = None;
            life
        };
        if life.server.is_none() {
            return;
        }
        self.kernel.log(&label(server, life.number), "crashes");
        life.locks.die();
        self.kernel.kill(Owner::Server(server, life.number));
        let lease = self.options.lease;
        let kernel = self.kernel.clone();
        self.kernel.spawn(Owner::World, async move {
            kernel.sleep(lease).await;
            life.locks.expire();
        });
        let servers = self.clone();
        self.kernel.spawn(Owner::World, async move {
            servers.kernel.sleep(comes_back_after).await;
            servers.start(server);
        });
    }

    /// A server begins no step any more, hands back what it has, and is replaced.
    pub fn replace(&self, server: usize) {
        let life = self.lives()[server].clone();
        let Some(by_hand) = life.server else { return };
        self.kernel
            .log(&label(server, life.number), "is asked to stop");
        by_hand.stop();
        self.lives()[server].is_stopping = true;
        let servers = self.clone();
        self.kernel.spawn(Owner::World, async move {
            servers.kernel.sleep(servers.options.grace).await;
            if servers.lives()[server].number == life.number {
                servers.crash(server, Duration::ZERO);
            }
        });
    }

    /// The lock service ends the session of a server, which is told only later.
    pub fn lose_session(&self, server: usize, told_after: Duration) {
        let life = self.lives()[server].clone();
        if life.server.is_none() {
            return;
        }
        self.kernel
            .log(&label(server, life.number), "loses its session");
        life.locks.expire();
        let kernel = self.kernel.clone();
        self.kernel.spawn(Owner::World, async move {
            kernel.sleep(told_after).await;
            life.locks.tell();
            kernel.rouse(Owner::Server(server, life.number));
        });
    }

    /// Everybody is alive and knows what became of its session.
    pub fn recover(&self) {
        for server in 0..self.count() {
            self.start(server);
            let life = self.lives()[server].clone();
            life.locks.tell();
            self.kernel.rouse(Owner::Server(server, life.number));
        }
    }

    /// Offers a process to one of the servers that are alive, by chance.
    pub fn offer_to_any(&self, ready: Ready) {
        let alive = self.alive();
        if let Some(server) = self.kernel.chance(|random| random.pick(&alive).copied()) {
            self.offer(server, ready);
        }
    }

    /// Has one of the servers that are alive, by chance, settle a report.
    pub fn hear(&self, report: Envelope) {
        let alive = self.alive();
        let Some(server) = self.kernel.chance(|random| random.pick(&alive).copied()) else {
            return;
        };
        let servers = self.clone();
        self.spawn(server, move |by_hand| async move {
            for woken in by_hand.hear(report).await {
                servers.offer(server, woken);
            }
        });
    }

    /// Hands news of a connection to every server.
    pub fn hear_of_connection(&self, news: &Envelope) {
        for server in self.alive() {
            let news = news.clone();
            self.spawn(server, move |by_hand| async move {
                by_hand.hear_of_connection(news).await;
            });
        }
    }

    fn offer(&self, server: usize, ready: Ready) {
        let kernel = self.kernel.clone();
        self.spawn(server, move |by_hand| work(kernel, by_hand, ready));
    }

    /// Starts an actor of a server, if it is alive.
    fn spawn<Work>(&self, server: usize, work: impl FnOnce(Arc<ByHand>) -> Work)
    where
        Work: Future<Output = ()> + Send + 'static,
    {
        let life = self.lives()[server].clone();
        if let Some(by_hand) = life.server.filter(|_| !life.is_stopping) {
            self.kernel
                .spawn(Owner::Server(server, life.number), work(by_hand));
        }
    }

    async fn sweep_for_ever(&self, server: usize, by_hand: Arc<ByHand>) {
        loop {
            let pause = self
                .kernel
                .chance(|random| random.between(SWEEPS.0, SWEEPS.1));
            self.kernel.sleep(pause).await;
            if self.lives()[server].is_stopping {
                return;
            }
            match by_hand.due().await {
                Ok(due) => due.into_iter().for_each(|ready| self.offer(server, ready)),
                Err(error) => self.kernel.violate(format!("a sweep failed: {error}")),
            }
        }
    }
}

/// Works on a process as the dispatcher does: again a moment later while its lock is held, and when
/// it has rested for a short while.
async fn work(kernel: Kernel, by_hand: Arc<ByHand>, mut ready: Ready) {
    let mut put_off = 0;
    loop {
        match by_hand.work(ready).await {
            Worked::Held if put_off < PUT_OFF_AT_MOST => {
                put_off += 1;
                let pause = Duration::from_millis(100);
                let pause = kernel.chance(|random| random.between(pause / 2, pause * 3 / 2));
                kernel.sleep(pause).await;
            }
            Worked::Rests(rested, delay) if delay <= LONGEST_REST => {
                put_off = 0;
                ready = rested;
                kernel.sleep(delay).await;
            }
            _ => return,
        }
    }
}

fn label(server: usize, life: u32) -> String {
    format!("s{}.{life}", server + 1)
}
