//! Which host is picked, and how a refusal counts.

use std::collections::BTreeMap;

use super::*;
use crate::resource::{Capacity, ContainerPlacement, Port, Protocol};

fn id(number: u128) -> ResourceId {
    ResourceId::new(uuid::Uuid::from_u128(number))
}

fn host(number: u128) -> Candidate {
    Candidate {
        id: id(number),
        state: State::Active,
        labels: BTreeMap::new(),
        capacity: Capacity {
            cpu_millis: 4_000,
            memory_mib: 1_000,
        },
        reserved: Capacity::default(),
        containers: 0,
        maximum_containers: None,
        ports: Vec::new(),
    }
}

fn port(ip: Option<&str>, number: u16) -> Port {
    Port {
        host_ip: ip.map(|ip| ip.parse().unwrap()),
        host_port: Some(number),
        container_port: 80,
        protocol: Protocol::Tcp,
    }
}

fn pick(demand: &Demand, hosts: &[Candidate], tie: u64) -> Result<ResourceId, NoHost> {
    pick_among(demand, hosts, &Whereabouts::new(), tie)
}

fn pick_among(
    demand: &Demand,
    hosts: &[Candidate],
    whereabouts: &Whereabouts<'_>,
    tie: u64,
) -> Result<ResourceId, NoHost> {
    place(demand, hosts, whereabouts, tie).map(|index| hosts[index].id)
}

fn labelled(number: u128, labels: &[(&str, &str)]) -> Candidate {
    Candidate {
        labels: owned(labels),
        ..host(number)
    }
}

fn owned(labels: &[(&str, &str)]) -> BTreeMap<String, String> {
    let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    labels.iter().map(owned).collect()
}

fn on_hosts(selector: &str) -> Affinity {
    Affinity {
        hosts: Some(Selector::parse(selector).unwrap()),
        ..Affinity::default()
    }
}

fn on_containers(selector: &str) -> Affinity {
    Affinity {
        containers: Some(Selector::parse(selector).unwrap()),
        ..Affinity::default()
    }
}

fn wished(affinity: Affinity, weight: u8) -> Affinity {
    Affinity {
        weight: Some(weight),
        ..affinity
    }
}

fn near(affinities: impl IntoIterator<Item = Affinity>) -> Demand {
    Demand {
        placement: ContainerPlacement {
            near: affinities.into_iter().collect(),
            ..ContainerPlacement::default()
        },
        ..Demand::default()
    }
}

fn apart(affinities: impl IntoIterator<Item = Affinity>) -> Demand {
    Demand {
        placement: ContainerPlacement {
            apart: affinities.into_iter().collect(),
            ..ContainerPlacement::default()
        },
        ..Demand::default()
    }
}

/// That containers which some affinity is about are on these hosts.
fn found<'a>(affinity: &Affinity, hosts: &'a HashSet<ResourceId>) -> Whereabouts<'a> {
    [(affinity.neighbours().unwrap(), hosts)].into()
}

#[test]
fn load_is_spread() {
    let mut busy = host(1);
    busy.reserved.memory_mib = 500;
    let demand = Demand {
        amount: Capacity {
            cpu_millis: 100,
            memory_mib: 100,
        },
        ..Demand::default()
    };
    assert_eq!(pick(&demand, &[busy, host(2)], 0), Ok(id(2)));
}

#[test]
fn without_limits_the_host_with_fewer_containers_wins() {
    let mut busy = host(1);
    busy.containers = 3;
    assert_eq!(pick(&Demand::default(), &[busy, host(2)], 0), Ok(id(2)));
}

#[test]
fn ties_are_broken_both_ways() {
    let hosts = [host(1), host(2)];
    let picks: std::collections::BTreeSet<_> = (0..64)
        .map(|tie| pick(&Demand::default(), &hosts, tie).unwrap())
        .collect();
    assert_eq!(picks.len(), 2);
}

#[test]
fn a_host_takes_no_more_containers_than_it_may_and_the_fuller_one_comes_later() {
    let limited = |number, containers, most| Candidate {
        containers,
        maximum_containers: Some(most),
        ..host(number)
    };
    let hosts = [limited(1, 3, 3), limited(2, 1, 4), limited(3, 1, 2)];
    assert_eq!(pick(&Demand::default(), &hosts, 0).unwrap(), id(2));
    let refusal = pick(&Demand::default(), &hosts[..1], 0).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "no host takes the container: of 1, 1 have as many containers as they take"
    );
    let nothing_more = pick(&Demand::default(), &[limited(4, 0, 0)], 0);
    assert_eq!(
        nothing_more.unwrap_err().failed,
        [(Constraint::Containers, 1)].into()
    );
}

#[test]
fn a_refusal_counts_each_host_once() {
    let mut inactive = host(1);
    inactive.state = State::Inactive;
    let mut taken = host(2);
    taken.ports = vec![HeldPort {
        ip: None,
        port: 80,
        protocol: Protocol::Tcp,
    }];
    let mut full = host(3);
    full.reserved.memory_mib = 990;
    let demand = Demand {
        amount: Capacity {
            cpu_millis: 0,
            memory_mib: 64,
        },
        ports: vec![port(Some("127.0.0.1"), 80)],
        ..Demand::default()
    };
    let refusal = pick(&demand, &[inactive, taken, full], 0).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "no host takes the container: of 3, 1 are not active, 1 have a port taken that is asked \
         for, 1 have too little memory left"
    );
}

#[test]
fn one_port_on_two_addresses_is_no_clash() {
    let mut other = host(1);
    let ip = Some("127.0.0.1".parse().unwrap());
    other.ports = vec![HeldPort {
        ip,
        port: 80,
        protocol: Protocol::Tcp,
    }];
    let demand = |wanted| Demand {
        ports: vec![wanted],
        ..Demand::default()
    };
    assert!(pick(&demand(port(Some("127.0.0.2"), 80)), &[other.clone()], 0).is_ok());
    assert!(pick(&demand(port(None, 80)), &[other.clone()], 0).is_err());
    assert!(pick(&demand(port(Some("0.0.0.0"), 80)), &[other], 0).is_err());
}

#[test]
fn no_hosts_is_a_reason_of_its_own() {
    let refusal = pick(&Demand::default(), &[], 0).unwrap_err();
    assert!(refusal.to_string().contains("there is none yet"));
}

#[test]
fn what_is_packed_goes_where_the_least_is_left() {
    let mut busy = host(1);
    busy.reserved.memory_mib = 500;
    let mut full = host(3);
    full.reserved.memory_mib = 950;
    let mut demand = Demand {
        amount: Capacity {
            cpu_millis: 100,
            memory_mib: 100,
        },
        ..Demand::default()
    };
    demand.placement.strategy = Strategy::Binpack;
    assert_eq!(pick(&demand, &[host(2), busy, full], 0), Ok(id(1)));
}

#[test]
fn labels_of_hosts_are_required_or_avoided() {
    let hosts = [
        labelled(1, &[("zone", "a"), ("old", "")]),
        labelled(2, &[("zone", "b")]),
        labelled(3, &[("zone", "c")]),
    ];
    assert_eq!(
        pick(&near([on_hosts("zone in (b,d)")]), &hosts, 0),
        Ok(id(2))
    );
    let demand = apart([on_hosts("zone=b"), on_hosts("old")]);
    assert_eq!(pick(&demand, &hosts, 0), Ok(id(3)));
    let demand = apart([on_hosts("zone")]);
    let refusal = pick(&demand, &hosts, 0).unwrap_err();
    assert_eq!(refusal.failed, [(Constraint::Avoided, 3)].into());
}

#[test]
fn the_most_of_the_wishes_wins_before_the_load_is_looked_at() {
    let mut both = labelled(1, &[("disk", "ssd"), ("zone", "a")]);
    both.containers = 90;
    let hosts = [both, labelled(2, &[("disk", "ssd")]), host(3)];
    let demand = near([
        wished(on_hosts("disk=ssd"), 10),
        wished(on_hosts("zone=a"), 1),
    ]);
    assert_eq!(pick(&demand, &hosts, 0), Ok(id(1)));
    // One that nobody meets costs nobody anything.
    let demand = near([wished(on_hosts("disk=tape"), 100)]);
    assert!(pick(&demand, &hosts, 0).is_ok_and(|picked| picked != id(1)));
    let demand = apart([wished(on_hosts("disk=ssd"), 1)]);
    assert_eq!(pick(&demand, &hosts, 0), Ok(id(3)));
}

#[test]
fn containers_are_near_to_some_and_apart_from_others() {
    let hosts = [host(1), host(2), host(3)];
    let db = on_containers("app=db");
    let on = [id(2), id(3)].into();
    let whereabouts = found(&db, &on);
    let demand = near([db.clone()]);
    assert!(pick_among(&demand, &hosts, &whereabouts, 0).is_ok_and(|picked| picked != id(1)));
    let demand = apart([db.clone()]);
    assert_eq!(pick_among(&demand, &hosts, &whereabouts, 0), Ok(id(1)));
    let refusal = pick_among(&demand, &hosts[1..], &whereabouts, 0).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "no host takes the container: of 2, 2 have a container that it is to be apart from"
    );
    let refusal = pick(&near([db]), &hosts, 0).unwrap_err();
    assert_eq!(refusal.failed, [(Constraint::Near, 3)].into());
}

#[test]
fn the_first_of_those_who_stand_together_stands_anywhere() {
    let hosts = [host(1), host(2)];
    let own = on_containers("app=web");
    let mut demand = near([own.clone()]);
    assert!(pick(&demand, &hosts, 0).is_err(), "it is none of them");
    demand.labels = owned(&[("app", "web")]);
    assert!(pick(&demand, &hosts, 0).is_ok());
    let on = [id(2)].into();
    assert_eq!(pick_among(&demand, &hosts, &found(&own, &on), 0), Ok(id(2)));
}

#[test]
fn those_who_stand_apart_from_each_other_are_spread_until_no_host_is_left() {
    let mut hosts = [host(1), host(2)];
    let own = on_containers("app=web");
    let mut demand = apart([own.clone()]);
    demand.labels = owned(&[("app", "web")]);
    let mut on = HashSet::new();
    for _ in 0..2 {
        let index = place(&demand, &hosts, &found(&own, &on), 0).unwrap();
        hosts[index].take(&demand);
        assert!(on.insert(hosts[index].id), "nobody was there before");
    }
    assert!(place(&demand, &hosts, &found(&own, &on), 0).is_err());
}
