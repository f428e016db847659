//! Hosts with a network of their own, which can be cut off, made deaf or dumb, and slowed down.
//!
//! ```text
//!   network namespace drover-7                    this machine
//!   an agent, 10.213.0.30  ====== veth ======  10.213.0.29, where servers listen on every address
//!        iptables: what is dropped, in or out         tc: how slow, in both directions
//! ```
//!
//! Each has a number that no other test of this machine has (a lock as of [`ports`](crate::ports)), and its
//! names and addresses follow from that. It goes when this is dropped; one that a killed test has left
//! behind goes when its number is taken again. It takes root, and `ip`, `iptables` and `tc`.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::Ipv4Addr;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::process::find;

/// Networks that there can be at the same time, each of four addresses of 10.213.0.0/16.
const COUNT: u16 = 4_096;
/// Says that these tests are not to run here, where nobody is root.
const WITHOUT: &str = "DROVER_TEST_WITHOUT_NETWORKS";
/// No more than this passes a slow link, in either direction.
const SLOW: &str = "64kbit";

/// A network of one host; gone when this is dropped.
#[derive(Debug)]
pub struct Network {
    number: u16,
    _reservation: UnixListener,
}

/// What does not come through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// What is sent to the host.
    Inwards,
    /// What the host sends.
    Outwards,
    /// All of it.
    Both,
}

impl Network {
    /// Makes a network. None, said loudly, where a person has said that there can be none.
    ///
    /// # Errors
    /// When it cannot be made: whoever runs it is not root, or the tools are not installed.
    #[expect(
        clippy::print_stderr,
        reason = "what was not tried is part of a test's output"
    )]
    pub fn make() -> Result<Option<Self>> {
        if std::env::var_os(WITHOUT).is_some() {
            eprintln!("NOT TRIED: {WITHOUT} is set, so nothing is known of hosts that are cut off");
            return Ok(None);
        }
        let start = RandomState::new().hash_one(std::process::id()) % u64::from(COUNT);
        let start = u16::try_from(start)?;
        for step in 0..COUNT {
            let number = (start + step) % COUNT;
            let name = SocketAddr::from_abstract_name(format!("drover-test-network-{number}"))?;
            if let Ok(reservation) = UnixListener::bind_addr(&name) {
                let network = Self {
                    number,
                    _reservation: reservation,
                };
                network.build().with_context(|| {
                    format!("a network of its own takes root, or {WITHOUT}=1 to do without")
                })?;
                return Ok(Some(network));
            }
        }
        bail!("all networks are taken")
    }

    fn build(&self) -> Result<()> {
        // What a killed test has left behind.
        self.tear_down();
        let (name, [outside, inside]) = (self.name(), self.links());
        ip(&["netns", "add", &name])?;
        ip(&[
            "link", "add", &outside, "type", "veth", "peer", "name", &inside, "netns", &name,
        ])?;
        let here = format!("{}/30", self.outside());
        ip(&["address", "add", &here, "dev", &outside])?;
        ip(&["link", "set", &outside, "up"])?;
        let there = format!("{}/30", self.inside());
        ip(&["-n", &name, "address", "add", &there, "dev", &inside])?;
        ip(&["-n", &name, "link", "set", &inside, "up"])?;
        ip(&["-n", &name, "link", "set", "lo", "up"])
    }

    /// Errors are of no interest: what is not there need not be taken away.
    fn tear_down(&self) {
        let [outside, _] = self.links();
        drop(ip(&["link", "delete", &outside]));
        drop(ip(&["netns", "delete", &self.name()]));
    }

    /// The name of its namespace.
    #[must_use]
    pub fn name(&self) -> String {
        format!("drover-{}", self.number)
    }

    /// The names of the two ends of its cable, of 15 characters at most.
    fn links(&self) -> [String; 2] {
        ["drvo", "drvi"].map(|end| format!("{end}{}", self.number))
    }

    /// The address of this machine on it.
    #[must_use]
    pub fn outside(&self) -> Ipv4Addr {
        self.address(1)
    }

    /// The address of the host.
    #[must_use]
    pub fn inside(&self) -> Ipv4Addr {
        self.address(2)
    }

    fn address(&self, last: u8) -> Ipv4Addr {
        let [high, low] = (self.number * 4).to_be_bytes();
        Ipv4Addr::new(10, 213, high, low + last)
    }

    /// Has everything dropped that goes in some directions, without a word to either side.
    ///
    /// # Errors
    /// When it cannot be done.
    pub fn lose(&self, loss: Loss) -> Result<()> {
        for chain in loss.chains() {
            self.within("iptables", &["-w", "5", "-A", chain, "-j", "DROP"])?;
        }
        Ok(())
    }

    /// Has everything come through again.
    ///
    /// # Errors
    /// When it cannot be done.
    pub fn heal(&self) -> Result<()> {
        self.within("iptables", &["-w", "5", "-F"])
    }

    /// Makes the link slow in both directions. A packet that has to wait is not dropped for that.
    ///
    /// # Errors
    /// When the kernel cannot do it.
    pub fn slow_down(&self) -> Result<()> {
        let [outside, inside] = self.links();
        let limit = [
            "root", "tbf", "rate", SLOW, "burst", "4kb", "latency", "60s",
        ];
        let here = ["qdisc", "replace", "dev", outside.as_str()];
        run("tc", &[&here[..], &limit].concat())?;
        let there = ["qdisc", "replace", "dev", inside.as_str()];
        self.within("tc", &[&there[..], &limit].concat())
    }

    fn within(&self, program: &str, arguments: &[&str]) -> Result<()> {
        let (name, program) = (self.name(), find(program)?.display().to_string());
        let within = ["netns", "exec", name.as_str(), program.as_str()];
        ip(&[&within[..], arguments].concat())
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.tear_down();
    }
}

impl Loss {
    fn chains(self) -> &'static [&'static str] {
        match self {
            Self::Inwards => &["INPUT"],
            Self::Outwards => &["OUTPUT"],
            Self::Both => &["INPUT", "OUTPUT"],
        }
    }
}

fn ip(arguments: &[&str]) -> Result<()> {
    run("ip", arguments)
}

fn run(program: &str, arguments: &[&str]) -> Result<()> {
    let ended = Command::new(find(program)?).args(arguments).output();
    let ended = ended.with_context(|| format!("running {program}"))?;
    let said = String::from_utf8_lossy(&ended.stderr).trim().to_owned();
    ensure!(
        ended.status.success(),
        "{program} {} failed: {said}",
        arguments.join(" ")
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;
    use std::time::Duration;

    use super::*;

    /// Whether somebody inside can reach a listener outside: one line comes through.
    fn comes_through(network: &Network) -> bool {
        let listener = TcpListener::bind((network.outside(), 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let waiting = thread::spawn(move || {
            listener.set_nonblocking(true).unwrap();
            (0..100).any(|_| {
                thread::sleep(Duration::from_millis(10));
                listener.accept().is_ok()
            })
        });
        let connect = format!("exec 3<>/dev/tcp/{}/{}", address.ip(), address.port());
        let connected = network
            .within("timeout", &["1", "bash", "-c", &connect])
            .is_ok();
        waiting.join().unwrap() && connected
    }

    #[test]
    fn what_is_lost_comes_through_again_once_it_is_healed() {
        let Some(network) = Network::make().unwrap() else {
            return;
        };
        assert!(comes_through(&network));
        for loss in [Loss::Inwards, Loss::Outwards, Loss::Both] {
            network.lose(loss).unwrap();
            assert!(!comes_through(&network), "{loss:?}");
            network.heal().unwrap();
            assert!(comes_through(&network), "{loss:?}");
        }
        network.slow_down().unwrap();
        assert!(comes_through(&network));
    }

    #[test]
    fn networks_differ_and_leave_nothing_behind() {
        let (Some(one), Some(other)) = (Network::make().unwrap(), Network::make().unwrap()) else {
            return;
        };
        assert_ne!(one.inside(), other.inside());
        let (name, [link, _]) = (one.name(), one.links());
        assert!(ip(&["link", "show", &link]).is_ok());
        drop(one);
        assert!(ip(&["link", "show", &link]).is_err());
        assert!(ip(&["netns", "exec", &name, "true"]).is_err());
        assert!(ip(&["netns", "exec", &other.name(), "true"]).is_ok());
    }
}
