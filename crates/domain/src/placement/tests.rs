//! Which host is picked, and how a refusal counts.

use super::*;

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
    assert_eq!(place(&demand, &[busy, host(2)], 0), Ok(id(2)));
}

#[test]
fn without_limits_the_host_with_fewer_containers_wins() {
    let mut busy = host(1);
    busy.containers = 3;
    assert_eq!(place(&Demand::default(), &[busy, host(2)], 0), Ok(id(2)));
}

#[test]
fn ties_are_broken_both_ways() {
    let hosts = [host(1), host(2)];
    let picks: std::collections::BTreeSet<_> = (0..64)
        .map(|tie| place(&Demand::default(), &hosts, tie).unwrap())
        .collect();
    assert_eq!(picks.len(), 2);
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
    let refusal = place(&demand, &[inactive, taken, full], 0).unwrap_err();
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
    assert!(place(&demand(port(Some("127.0.0.2"), 80)), &[other.clone()], 0).is_ok());
    assert!(place(&demand(port(None, 80)), &[other.clone()], 0).is_err());
    assert!(place(&demand(port(Some("0.0.0.0"), 80)), &[other], 0).is_err());
}

#[test]
fn no_hosts_is_a_reason_of_its_own() {
    let refusal = place(&Demand::default(), &[], 0).unwrap_err();
    assert!(refusal.to_string().contains("there is none yet"));
}
