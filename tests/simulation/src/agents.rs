//! The agents of a simulation: they carry out commands on their machines and report what they see.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use drover_bus::{EventBus, Subject};
use drover_domain::{ResourceId, ResourceRef};
use drover_proto::v1::command::Action;
use drover_proto::v1::failure::Code;
use drover_proto::v1::seen_container::State;
use drover_proto::v1::{Command, CredentialKept, Envelope, Pong, Reply, envelope, reply};
use drover_proto::{decode_payload, name};
use prost::Message;

use crate::bus::SimBus;
use crate::faults::Planted;
use crate::kernel::{Kernel, Owner, Slot};
use crate::locks::short;
use crate::machine::{Books, Entry, Host, Made};
use crate::order::{Order, done, failed, stale, understand};
use crate::reporting::inventory;

/// Nobody waits so long for a turn: whoever is in line is passed on to or dies.
const FOR_EVER: Duration = Duration::from_secs(1_000_000);

/// The agents of all hosts. Clones are the same.
#[derive(Clone)]
pub struct Agents {
    kernel: Kernel,
    bus: SimBus,
    planted: Planted,
    ids: Arc<[ResourceId]>,
    hosts: Arc<Mutex<Vec<Host>>>,
}

impl Agents {
    /// Agents of hosts with these ids, not connected yet.
    pub fn new(kernel: Kernel, bus: SimBus, planted: Planted, ids: Arc<[ResourceId]>) -> Self {
        let hosts = ids.iter().map(|_| Host::default()).collect();
        Self {
            kernel,
            bus,
            planted,
            ids,
            hosts: Arc::new(Mutex::new(hosts)),
        }
    }

    /// The hosts as they are. Not to be held over an await.
    pub fn hosts(&self) -> MutexGuard<'_, Vec<Host>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The ids of the hosts.
    pub fn ids(&self) -> &[ResourceId] {
        &self.ids
    }

    /// The number of the host that a subject is about.
    pub fn of_subject(&self, subject: &Subject) -> Option<usize> {
        let is_meant = |id: &ResourceId| Subject::host_command(*id) == *subject;
        self.ids.iter().position(is_meant)
    }

    pub(crate) fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    pub(crate) fn bus(&self) -> &SimBus {
        &self.bus
    }

    pub(crate) fn planted(&self) -> Planted {
        self.planted
    }

    fn owner(&self, host: usize) -> Owner {
        Owner::Agent(host, self.hosts()[host].life)
    }

    fn log(&self, host: usize, event: impl AsRef<str>) {
        let label = self.kernel.name('h', self.ids[host].uuid());
        self.kernel.log(&label, event);
    }

    /// Starts the agent of a host, which then connects and reports.
    pub fn start(&self, host: usize) {
        let agents = self.clone();
        self.kernel.spawn(self.owner(host), async move {
            agents.report_for_ever(host).await;
        });
        self.connect(host);
    }

    /// An agent connects: it is to tell everything anew, and others are told that it is there.
    pub fn connect(&self, host: usize) {
        {
            let mut hosts = self.hosts();
            hosts[host].is_connected = true;
            hosts[host].books.ask_for_inventory();
        }
        self.log(host, "connects");
        let bus = self.bus.clone();
        let id = self.ids[host];
        let resource = ResourceRef {
            resource_type: drover_domain::ResourceType::Host,
            id,
        };
        self.kernel.spawn(Owner::World, async move {
            let envelope = Envelope {
                name: name::HOST_CONNECTED.to_owned(),
                resource: Some(resource.into()),
                ..Envelope::default()
            };
            for subject in [Subject::host_connected(id), Subject::host_report(id)] {
                drop(bus.publish(&subject, envelope.clone()).await);
            }
        });
    }

    /// The connection of an agent breaks.
    pub fn disconnect(&self, host: usize) {
        self.log(host, "is cut off");
        self.hosts()[host].is_connected = false;
    }

    /// An agent dies and is started anew. Its containers go on; all that it remembers is lost, and
    /// what was on its way to it.
    pub fn restart(&self, host: usize) {
        self.log(host, "is started anew");
        self.kernel.kill(self.owner(host));
        {
            let mut hosts = self.hosts();
            let host = &mut hosts[host];
            host.life += 1;
            host.started = Some(self.kernel.now());
            host.books = Books::default();
            host.obeyed.clear();
        }
        self.start(host);
    }

    /// A container ends by itself or is taken away by hand, if one runs; or one is started by hand, if
    /// one does not.
    pub fn let_one_change(&self, host: usize) {
        let there = self.hosts()[host].machine.clone();
        let dice = self.kernel.chance(|random| random.below(100));
        let is_meant = |made: &Made| (made.state == State::Running) == (dice < 80);
        let meant = there.iter().filter(|(_, made)| is_meant(made));
        let meant: Vec<ResourceId> = meant.map(|(id, _)| *id).collect();
        let Some(id) = self.kernel.chance(|random| random.pick(&meant).copied()) else {
            return;
        };
        let event = {
            let mut hosts = self.hosts();
            let host = &mut hosts[host];
            match dice {
                0..80 => {
                    *host.ended.entry(id).or_default() += 1;
                    match dice {
                        0..50 => host.stop(id, 3),
                        50..65 => host.stop(id, 0),
                        _ => host.machine.remove(&id).is_some(),
                    };
                    "end"
                }
                _ => {
                    host.start(id, there[&id].fence);
                    "start"
                }
            }
        };
        self.log(host, format!("sees {id} {event} by itself"));
        let place = self.line_up(host, id);
        let agents = self.clone();
        self.kernel.spawn(self.owner(host), async move {
            agents.turn(place).await;
            {
                let mut hosts = agents.hosts();
                let seen = hosts[host].seen(id);
                hosts[host].books.observed(id, seen);
            }
            agents.pass_on(host, id);
        });
    }

    /// Whether no agent has anything in hand or left to tell.
    pub fn are_idle(&self) -> bool {
        self.hosts().iter().all(|host| {
            let books = &host.books;
            books.lines.is_empty() && books.pending.is_empty() && books.inventory.is_none()
        })
    }

    /// A command has come.
    pub fn arrive(&self, host: usize, request: Envelope) {
        let is_there = {
            let hosts = self.hosts();
            let host = &hosts[host];
            let sent = request.trace_parent.parse::<i64>().unwrap_or_default();
            let is_lost = host.started.is_some_and(|started| sent <= started.millis());
            host.is_connected && !is_lost
        };
        if request.name != name::AGENT_COMMAND || !is_there {
            return;
        }
        let Ok(command) = decode_payload::<Command>(&request.payload) else {
            return;
        };
        let Some(order) = understand(command, self.kernel.now()) else {
            return;
        };
        let admitted = self.admit(host, &order);
        match admitted {
            Some(reply) => self.answer(host, vec![request], reply),
            None if self.is_begun(host, &order.id, &request) => {}
            None => {
                let place = self.line_up(host, order.resource.id);
                let agents = self.clone();
                self.kernel.spawn(self.owner(host), async move {
                    agents.carry_out(host, order, place).await;
                });
            }
        }
    }

    /// Looks at the fence and at what is remembered; the answer, if there is one already.
    fn admit(&self, host: usize, order: &Order) -> Option<Reply> {
        let mut hosts = self.hosts();
        let books = &mut hosts[host].books;
        let highest = books.fences.entry(order.resource).or_insert(order.fence);
        if order.fence < *highest && !self.planted.agents_ignore_fences {
            let highest = *highest;
            drop(hosts);
            self.log(host, format!("refuses {}", order.describe()));
            return Some(stale(order, highest));
        }
        *highest = (*highest).max(order.fence);
        match books.entries.get(&order.id) {
            Some(Entry::Finished(reply)) => Some(reply.as_ref().clone()),
            _ => None,
        }
    }

    /// Whether a command is in hand already; who asks waits for it too. If not, it is from now on.
    fn is_begun(&self, host: usize, id: &str, request: &Envelope) -> bool {
        let mut hosts = self.hosts();
        let entries = &mut hosts[host].books.entries;
        match entries.get_mut(id) {
            Some(Entry::InFlight(waiting)) => {
                waiting.push(request.clone());
                true
            }
            _ => {
                entries.insert(id.to_owned(), Entry::InFlight(vec![request.clone()]));
                false
            }
        }
    }

    /// A place in the line of a container; none if it is our turn.
    fn line_up(&self, host: usize, id: ResourceId) -> Option<Slot> {
        let slot = self.kernel.slot();
        let mut hosts = self.hosts();
        match hosts[host].books.lines.get_mut(&id) {
            Some(line) => {
                line.push_back(slot.number());
                drop(hosts);
                Some(slot)
            }
            None => {
                hosts[host].books.lines.insert(id, VecDeque::new());
                drop(hosts);
                None
            }
        }
    }

    async fn turn(&self, place: Option<Slot>) {
        if let Some(slot) = place {
            slot.take(FOR_EVER).await;
        }
    }

    fn pass_on(&self, host: usize, id: ResourceId) {
        let next = {
            let mut hosts = self.hosts();
            let lines = &mut hosts[host].books.lines;
            let next = lines.get_mut(&id).and_then(VecDeque::pop_front);
            if next.is_none() {
                lines.remove(&id);
            }
            next
        };
        if let Some(slot) = next {
            self.kernel.put(slot, Envelope::default());
        }
    }

    async fn carry_out(&self, host: usize, order: Order, place: Option<Slot>) {
        self.turn(place).await;
        let reply = match self.unwanted(host, &order) {
            Some(reply) => reply,
            None => self.act(host, &order).await,
        };
        let waiting = {
            let mut hosts = self.hosts();
            let books = &mut hosts[host].books;
            if let Some(reply::Result::Container(seen)) = &reply.result
                && order.is_change()
            {
                books.replied(order.resource.id, seen, order.is_to_end());
            }
            let finished = match &reply.result {
                Some(reply::Result::Inventory(_)) => books.entries.remove(&order.id),
                _ => {
                    let finished = Entry::Finished(Box::new(reply.clone()));
                    books.entries.insert(order.id.clone(), finished)
                }
            };
            match finished {
                Some(Entry::InFlight(waiting)) => waiting,
                _ => Vec::new(),
            }
        };
        self.answer(host, waiting, reply);
        self.pass_on(host, order.resource.id);
    }

    /// Why a command is not carried out now that its turn has come.
    fn unwanted(&self, host: usize, order: &Order) -> Option<Reply> {
        let hosts = self.hosts();
        let highest = hosts[host].books.fences.get(&order.resource).copied()?;
        drop(hosts);
        if order.fence < highest && !self.planted.agents_ignore_fences {
            self.log(host, format!("refuses in its turn {}", order.describe()));
            return Some(stale(order, highest));
        }
        if order.came.until(self.kernel.now()) >= order.patience {
            self.log(host, format!("is too late for {}", order.describe()));
            return Some(failed(order, Code::Unavailable, "its time was over"));
        }
        None
    }

    /// Acts, which takes a while: the effect comes somewhere in the middle.
    async fn act(&self, host: usize, order: &Order) -> Reply {
        let plan = self.kernel.plan();
        let (before, after, fails, leaves_start) = self.kernel.chance(|random| {
            let longest = match plan.is_calm || !random.happens(0.1) {
                true => Duration::from_millis(200),
                false => plan.longest_delay,
            };
            let before = random.between(Duration::ZERO, longest);
            let after = random.between(Duration::ZERO, longest / 4);
            let fails = random.happens(plan.failure);
            (before, after, fails, random.happens(0.5))
        });
        self.kernel.sleep(before).await;
        if fails && order.is_change() {
            self.log(host, format!("fails {}", order.describe()));
            return failed(order, Code::Runtime, "the runtime of the host failed");
        }
        let result = self.effect(host, order, leaves_start);
        self.log(host, format!("does {}", order.describe()));
        self.kernel.sleep(after).await;
        match result {
            Some(reply::Result::Container(_)) => {
                let seen = self.hosts()[host].seen(order.resource.id);
                done(order, reply::Result::Container(seen))
            }
            Some(result) => done(order, result),
            None => failed(order, Code::NotFound, "there is no such container"),
        }
    }

    /// What changes on the machine; none if the container is not there and would have to be. An agent may
    /// leave the start of what it makes to another command.
    fn effect(&self, host: usize, order: &Order, leaves_start: bool) -> Option<reply::Result> {
        let (id, fence) = (order.resource.id, order.fence);
        let mut hosts = self.hosts();
        let changed = &mut hosts[host];
        if order.is_change() {
            let obeyed = changed.obeyed.entry(id).or_default();
            if fence < *obeyed {
                let obeyed = short(*obeyed);
                drop(hosts);
                self.kernel.violate(format!(
                    "an agent has carried out {} after one under {obeyed}",
                    order.describe()
                ));
                return None;
            }
            *obeyed = fence;
        }
        match &order.action {
            Action::CreateContainer(wanted) => {
                let is_new = changed.create(id, fence);
                if is_new && wanted.start && !leaves_start {
                    changed.start(id, fence);
                }
            }
            Action::StartContainer(_) => {
                if !changed.start(id, fence) {
                    return None;
                }
            }
            Action::StopContainer(_) => {
                if !changed.machine.contains_key(&id) {
                    return None;
                }
                changed.stop(id, 143);
            }
            Action::RemoveContainer(_) => {
                changed.machine.remove(&id);
            }
            Action::TakeInventory(_) => return Some(reply::Result::Inventory(inventory(changed))),
            Action::Ping(_) => return Some(reply::Result::Pong(Pong {})),
            Action::RotateCredential(_) => {
                return Some(reply::Result::CredentialKept(CredentialKept {}));
            }
            // Nobody asks for these here.
            Action::TakeStats(_) => return None,
            Action::InspectContainer(_) | Action::OpenStream(_) => {}
            // No client of the simulation asks for volumes.
            Action::MakeVolume(_) | Action::RemoveVolume(_) | Action::PullImage(_) => return None,
        }
        Some(reply::Result::Container(changed.seen(id)))
    }

    fn answer(&self, host: usize, requests: Vec<Envelope>, reply: Reply) {
        if !self.hosts()[host].is_connected {
            return;
        }
        for request in requests {
            let bus = self.bus.clone();
            let answer = Envelope {
                kind: envelope::Kind::Reply.into(),
                name: name::AGENT_COMMAND.to_owned(),
                payload: reply.encode_to_vec(),
                ..Envelope::default()
            };
            self.kernel.spawn(Owner::World, async move {
                drop(bus.answer(&request, answer).await);
            });
        }
    }
}
