//! Choosing hosts: how long one choice takes among many of them, with many containers there.
//!
//! This one asks the pure function that the process server asks, in this process and on one thread; a
//! container that is placed is counted in, so that the next one finds the hosts as they are then.

use std::collections::{BTreeMap, HashSet};
use std::time::Instant;

use anyhow::{Result, anyhow};
use drover_domain::placement::{Candidate, Demand, HeldPort, Whereabouts, place};
use drover_domain::resource::{
    Affinity, Capacity, ContainerPlacement, Neighbours, Port, Protocol, Strategy,
};
use drover_domain::{ResourceId, Selector, State};
use serde_json::json;

use crate::outcome::{Outcome, Times};

/// How much is there.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Size {
    /// How many hosts
    #[arg(long, default_value_t = 5_000)]
    pub(crate) hosts: u32,
    /// How many containers are on them
    #[arg(long, default_value_t = 100_000)]
    pub(crate) containers: u32,
    /// How many are placed of each kind
    #[arg(long, default_value_t = 2_000)]
    pub(crate) placed: u32,
}

pub(crate) fn run(size: Size) -> Result<Outcome> {
    let parameters = json!({
        "hosts": size.hosts,
        "containers": size.containers,
        "placed": size.placed,
    });
    let mut outcome = Outcome::of("placement", parameters);
    let web = Selector::parse("app=web")?;
    let kinds = [
        ("anything", ContainerPlacement::default(), Vec::new()),
        (
            "with a port",
            ContainerPlacement::default(),
            vec![port(9_000)],
        ),
        (
            "with labels and wishes",
            ContainerPlacement {
                host_labels: labels(&[("disk", "ssd")]),
                near: vec![
                    on_hosts("zone in (a,b)", None)?,
                    on_hosts("rack notin (r1,r2)", Some(20))?,
                ],
                strategy: Strategy::Binpack,
                ..ContainerPlacement::default()
            },
            Vec::new(),
        ),
        (
            "apart from its kind",
            ContainerPlacement {
                apart: vec![Affinity {
                    containers: Some(web.clone()),
                    ..Affinity::default()
                }],
                ..ContainerPlacement::default()
            },
            Vec::new(),
        ),
    ];
    for (name, placement, ports) in kinds {
        let demand = Demand {
            amount: Capacity {
                cpu_millis: 10,
                memory_mib: 16,
            },
            ports,
            placement,
            name: "one".to_owned(),
            labels: labels(&[("app", "web")]),
        };
        let mut hosts = hosts(size);
        let mut web_on = HashSet::new();
        let mut took = Vec::new();
        for turn in 0..u64::from(size.placed) {
            let began = Instant::now();
            let kind = Neighbours::Labelled(web.clone());
            let whereabouts: Whereabouts<'_> = [(kind, &web_on)].into();
            let picked = place(&demand, &hosts, &whereabouts, turn);
            took.push(began.elapsed());
            let index = picked.map_err(|refusal| anyhow!("{name}: {refusal}"))?;
            hosts[index].take(&demand);
            web_on.insert(hosts[index].id);
        }
        let times = Times::of(took);
        let p50 = times.percentile(50);
        outcome.add_with_goal(format!("{name} p50"), p50, "ms", "< 1");
        outcome.add(format!("{name} p99"), times.percentile(99), "ms");
    }
    Ok(outcome)
}

/// Hosts of a few kinds, with the containers spread over them.
fn hosts(size: Size) -> Vec<Candidate> {
    let each = size.containers / size.hosts.max(1);
    let hosts = (0..size.hosts).map(|number| {
        let (zone, rack) = (
            ["a", "b", "c"][number as usize % 3],
            format!("r{}", number % 40),
        );
        let disk = if number % 2 == 0 { "ssd" } else { "disk" };
        Candidate {
            id: ResourceId::new(uuid::Uuid::from_u128(u128::from(number) + 1)),
            state: State::Active,
            labels: labels(&[("zone", zone), ("rack", &rack), ("disk", disk)]),
            capacity: Capacity {
                cpu_millis: 64_000,
                memory_mib: 256_000,
            },
            reserved: Capacity {
                cpu_millis: i64::from(each * 100 + number % 7),
                memory_mib: i64::from(each * 256 + number % 11),
            },
            containers: each,
            maximum_containers: None,
            ports: (0..each / 4)
                .map(|held| HeldPort {
                    ip: None,
                    port: 8_000 + u16::try_from(held).unwrap_or(0),
                    protocol: Protocol::Tcp,
                })
                .collect(),
        }
    });
    hosts.collect()
}

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    pairs.iter().map(owned).collect()
}

fn port(number: u16) -> Port {
    Port {
        host_ip: None,
        host_port: Some(number),
        container_port: 80,
        protocol: Protocol::Tcp,
    }
}

fn on_hosts(selector: &str, weight: Option<u8>) -> Result<Affinity> {
    Ok(Affinity {
        hosts: Some(Selector::parse(selector)?),
        weight,
        ..Affinity::default()
    })
}
