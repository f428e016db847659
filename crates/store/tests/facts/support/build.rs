//! Resources, intents, and the writes that the engine makes of them.

use std::sync::LazyLock;
use std::time::Duration;

use drover_domain::engine::{self, Begin, Moment, Next, Outcome};
use drover_domain::lifecycle::{Policies, Request};
use drover_domain::process::Cause;
use drover_domain::resource::{
    Capacity, ContainerSpec, Details, HostSpec, HostStatus, Port, Protocol,
};
use drover_domain::write::{Asked, Intent, ProcessWrite};
use drover_domain::{Resource, State, Timestamp};
use drover_store::{Claimed, fresh};

/// The moment at which everything happens, unless a fact says otherwise.
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
/// How long a claim is left alone.
pub(crate) const LEASE: Duration = Duration::from_secs(30);

static POLICIES: LazyLock<Policies> = LazyLock::new(Policies::default);

/// So many seconds after [`NOW`], or before it.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(NOW.millis() + seconds * 1_000)
}

/// A container that is asked for and not to be started.
pub(crate) fn container(name: &str) -> Resource {
    let spec = ContainerSpec {
        image: "drover/hello".to_owned(),
        start: false,
        ..ContainerSpec::default()
    };
    resource(
        name,
        State::Requested,
        Details::Container {
            spec: Box::new(spec),
            status: Box::default(),
        },
    )
}

/// A host that is active.
pub(crate) fn host(name: &str) -> Resource {
    let spec = HostSpec::of(fresh::resource_id());
    resource(
        name,
        State::Active,
        Details::Host {
            spec,
            status: Box::<HostStatus>::default(),
        },
    )
}

/// A resource of whatever type.
pub(crate) fn resource(name: &str, state: State, details: Details) -> Resource {
    Resource::new(fresh::resource_id(), name, state, details, NOW)
}

/// A request with a new process, made now.
pub(crate) fn asked(request: Request) -> Asked {
    Asked {
        request,
        force: false,
        process: fresh::process_id(),
        cause: Cause {
            request_id: "a-request".to_owned(),
            account_id: Some("an-account".to_owned()),
        },
        now: NOW,
        policy: None,
    }
}

/// The intent that a new container be made.
pub(crate) fn to_create(resource: Resource) -> Intent {
    Intent::to_create(resource, asked(Request::Create)).unwrap()
}

/// The intent that a resource be changed, by force where that is needed.
pub(crate) fn to_change(resource: &Resource, request: Request) -> Intent {
    let asked = Asked {
        force: true,
        ..asked(request)
    };
    Intent::to_change(resource.clone(), asked).unwrap()
}

/// An amount of what a host has.
pub(crate) fn capacity(cpu_millis: i64, memory_mib: i64) -> Capacity {
    Capacity {
        cpu_millis,
        memory_mib,
    }
}

/// A TCP port of the host, on one address or on all.
pub(crate) fn port(ip: Option<&str>, number: u16) -> Port {
    Port {
        host_ip: ip.map(|ip| ip.parse().unwrap()),
        host_port: Some(number),
        container_port: 80,
        protocol: Protocol::Tcp,
    }
}

/// What the engine cannot find out by itself, without any chance in it.
fn moment() -> Moment<'static> {
    Moment {
        now: NOW,
        began: NOW,
        jitter: 0.0,
        successor: fresh::process_id(),
        lease: LEASE,
        policies: &POLICIES,
    }
}

/// The write that follows when the next step ends so; a process without steps left is concluded.
pub(crate) fn next_write(owned: &Claimed, outcome: Outcome) -> (ProcessWrite, Next) {
    let Claimed {
        process,
        resource,
        claims,
    } = owned;
    let (mut write, next) = match engine::begin(process, resource, moment()) {
        Begin::Run(step) => engine::advance(process, resource, step, outcome, moment()),
        Begin::Write(write, next) => (*write, next),
    };
    write.claims = *claims;
    (write, next)
}
