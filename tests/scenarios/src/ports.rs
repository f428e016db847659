//! TCP ports that belong to one test for as long as it wants them.
//!
//! Binding port 0 and letting go of it is a race: between that and the server's own bind, any
//! other test or outgoing connection may be given the same port. So ports are taken from below
//! the range that the kernel hands out by itself (32768 and up on Linux), and each is reserved
//! with a lock that all test processes of the machine see: an abstract Unix socket named after
//! the port. The kernel drops it with the process that holds it, however that ends, and there
//! is no file to clean up. A server that is stopped keeps its port, as nobody else may take it.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::{Ipv4Addr, TcpListener};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};

use anyhow::{Result, bail};

const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// A free TCP port, reserved until this is dropped.
#[derive(Debug)]
pub struct Port {
    number: u16,
    _reservation: UnixListener,
}

impl Port {
    /// Reserves a port on which nothing listens, on any address of this machine.
    ///
    /// # Errors
    /// When all ports of the range are taken.
    pub fn reserve() -> Result<Self> {
        // A start of its own for each call keeps tests that start together off each other's feet.
        let start = RandomState::new().hash_one(std::process::id()) % u64::from(COUNT);
        let start = u16::try_from(start)?;
        for step in 0..COUNT {
            let number = FIRST + (start + step) % COUNT;
            if let Some(port) = Self::try_reserve(number) {
                return Ok(port);
            }
        }
        bail!("no free TCP port between {FIRST} and {}", FIRST + COUNT - 1)
    }

    fn try_reserve(number: u16) -> Option<Self> {
        let name = SocketAddr::from_abstract_name(format!("drover-test-port-{number}")).ok()?;
        let reservation = UnixListener::bind_addr(&name).ok()?;
        TcpListener::bind((Ipv4Addr::UNSPECIFIED, number)).ok()?;
        Some(Self {
            number,
            _reservation: reservation,
        })
    }

    /// The number of the port.
    #[must_use]
    pub fn number(&self) -> u16 {
        self.number
    }

    /// The port on the loopback address, as in `127.0.0.1:20123`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.number)
    }

    /// The base of the URLs that are served there, as in `http://127.0.0.1:20123`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ports_reserved_side_by_side_differ() {
        let taken: Vec<Port> = std::thread::scope(|scope| {
            let takers: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        (0..25)
                            .map(|_| Port::reserve().unwrap())
                            .collect::<Vec<_>>()
                    })
                })
                .collect();
            takers
                .into_iter()
                .flat_map(|taker| taker.join().unwrap())
                .collect()
        });
        let numbers: HashSet<u16> = taken.iter().map(Port::number).collect();
        assert_eq!(numbers.len(), 200);
    }

    #[test]
    fn a_reserved_port_is_refused_to_others_and_free_once_dropped() {
        let port = Port::reserve().unwrap();
        let number = port.number();
        assert!(Port::try_reserve(number).is_none());
        drop(port);
        assert!(TcpListener::bind((Ipv4Addr::LOCALHOST, number)).is_ok());
    }

    #[test]
    fn a_port_on_which_a_server_listens_is_not_given_out() {
        let port = Port::reserve().unwrap();
        let number = port.number();
        let _server = TcpListener::bind((Ipv4Addr::LOCALHOST, number)).unwrap();
        drop(port);
        assert!(Port::try_reserve(number).is_none());
    }
}
