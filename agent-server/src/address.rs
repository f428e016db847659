//! The address at which this server is dialled by others, if nobody says.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// Addresses that are of no machine (RFC 5737, RFC 3849): on the way to everywhere else.
const ELSEWHERE: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
];

/// Where a server is dialled that listens there: at the very address, or, if that is every address of
/// the machine, at the one by which it reaches others; without any, on this machine only.
pub(crate) fn of(listens: SocketAddr, is_tls: bool) -> String {
    let mut address = listens;
    if listens.ip().is_unspecified() {
        address.set_ip(outward().unwrap_or(Ipv4Addr::LOCALHOST.into()));
    }
    let scheme = if is_tls { "https" } else { "http" };
    format!("{scheme}://{address}")
}

/// The address by which this machine reaches others. Nothing is sent for it: the system is asked which
/// way it would go.
fn outward() -> Option<IpAddr> {
    ELSEWHERE.iter().find_map(|elsewhere| {
        let any: IpAddr = match elsewhere {
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = UdpSocket::bind((any, 0)).ok()?;
        socket.connect((*elsewhere, 9)).ok()?;
        Some(socket.local_addr().ok()?.ip())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_that_it_listens_at_is_told_as_it_is() {
        let of = |text: &str, is_tls| of(text.parse().unwrap(), is_tls);
        assert_eq!(of("10.0.0.7:8090", false), "http://10.0.0.7:8090");
        assert_eq!(of("[2001:db8::7]:8090", true), "https://[2001:db8::7]:8090");
        let everywhere = of("0.0.0.0:8090", false);
        assert!(everywhere.ends_with(":8090") && !everywhere.contains("0.0.0.0"));
    }
}
