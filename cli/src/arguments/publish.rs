//! `[[IP:]HOST:]CONTAINER[/udp]`: a port to publish.

use std::net::IpAddr;

use drover_domain::resource::{Port, Protocol};

/// Reads a port to publish. An IPv6 address stands in brackets; without a port of the host, as in
/// `80` or `127.0.0.1::80`, a free one is chosen there.
///
/// # Errors
/// A sentence that names the part that cannot be read.
pub fn parse_publish(text: &str) -> Result<Port, String> {
    let (text, protocol) = match text.rsplit_once('/') {
        None => (text, Protocol::Tcp),
        Some((rest, "tcp")) => (rest, Protocol::Tcp),
        Some((rest, "udp")) => (rest, Protocol::Udp),
        Some((_, other)) => return Err(format!("`{other}` is no protocol; use tcp or udp")),
    };
    let (before, container) = match text.rsplit_once(':') {
        Some((before, container)) => (Some(before), container),
        None => (None, text),
    };
    let (address, host) = match before {
        None => (None, None),
        Some(before) => match before.rsplit_once(':') {
            // The last colon of `[::1]` is its own, so a bracket behind it means that no port follows.
            Some((_, rest)) if rest.ends_with(']') => {
                return Err(format!(
                    "write {before}::{container} for any port of {before}"
                ));
            }
            Some((address, host)) => (Some(address), Some(host)),
            None => (None, Some(before)),
        },
    };
    Ok(Port {
        host_ip: address.map(parse_address).transpose()?,
        host_port: match host {
            None => None,
            Some("") if address.is_some() => None,
            Some(host) => Some(parse_port(host, "host")?),
        },
        container_port: parse_port(container, "container")?,
        protocol,
    })
}

fn parse_port(text: &str, side: &str) -> Result<u16, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err(format!(
            "`{text}` is no port of the {side}; ports are 1 to 65535, as in 8080:80"
        )),
        Ok(port) => Ok(port),
    }
}

fn parse_address(text: &str) -> Result<IpAddr, String> {
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    match (bare, text.contains(':')) {
        (None, true) => Err(format!(
            "put the IPv6 address into brackets, as [{text}]:8080:80"
        )),
        (bare, _) => bare
            .unwrap_or(text)
            .parse()
            .map_err(|_| format!("`{text}` is no IP address")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(text: &str) -> String {
        let port = parse_publish(text).unwrap();
        format!(
            "{:?} {:?} {} {}",
            port.host_ip,
            port.host_port,
            port.container_port,
            port.protocol.as_str()
        )
    }

    #[test]
    fn every_part_before_the_container_port_may_be_left_out() {
        assert_eq!(port("80"), "None None 80 tcp");
        assert_eq!(port("8080:80"), "None Some(8080) 80 tcp");
        assert_eq!(
            port("127.0.0.1:8080:80"),
            "Some(127.0.0.1) Some(8080) 80 tcp"
        );
        assert_eq!(port("127.0.0.1::80"), "Some(127.0.0.1) None 80 tcp");
        assert_eq!(port("5353:53/udp"), "None Some(5353) 53 udp");
    }

    #[test]
    fn an_ipv6_address_stands_in_brackets() {
        assert_eq!(port("[::1]:8080:80"), "Some(::1) Some(8080) 80 tcp");
        assert_eq!(port("[::1]::80"), "Some(::1) None 80 tcp");
        assert!(
            parse_publish("::1:8080:80")
                .unwrap_err()
                .contains("brackets")
        );
        assert!(parse_publish("[::1]:80").unwrap_err().contains("[::1]::80"));
    }

    #[test]
    fn a_part_that_cannot_be_read_is_named() {
        assert!(parse_publish("web:80").unwrap_err().contains("`web`"));
        assert!(parse_publish("8080:0").unwrap_err().contains("container"));
        assert!(parse_publish("70000:80").unwrap_err().contains("`70000`"));
        assert!(parse_publish("80/sctp").unwrap_err().contains("`sctp`"));
        assert!(
            parse_publish("localhost:1:2")
                .unwrap_err()
                .contains("`localhost`")
        );
        assert!(parse_publish(":80").is_err());
        assert!(parse_publish("").is_err());
    }
}
