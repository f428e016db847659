//! Probes over the network, from the host to the address of the container.

use std::net::{IpAddr, Ipv4Addr};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// No more of an answer is read to find its status.
const STATUS_LINE_LIMIT: u64 = 1_024;

/// Whether a port takes a connection.
///
/// # Errors
/// Why it does not, in words for a person.
pub(crate) async fn tcp(address: &str, port: u16) -> Result<(), String> {
    connect(address, port).await.map(drop)
}

/// Whether a port answers a GET with a status from 200 to 399.
///
/// # Errors
/// Why it does not, in words for a person.
pub(crate) async fn http(address: &str, port: u16, path: &str) -> Result<(), String> {
    let mut stream = connect(address, port).await?;
    let host = ip(address)?;
    let host = match host {
        IpAddr::V4(host) => host.to_string(),
        IpAddr::V6(host) => format!("[{host}]"),
    };
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUser-Agent: drover-agent\r\n\
         Accept: */*\r\nConnection: close\r\n\r\n"
    );
    let broken = |error: std::io::Error| format!("the connection broke: {error}");
    stream.write_all(request.as_bytes()).await.map_err(broken)?;
    let mut answer = Vec::new();
    let mut start = stream.take(STATUS_LINE_LIMIT);
    while !answer.contains(&b'\n') {
        if start.read_buf(&mut answer).await.map_err(broken)? == 0 {
            break;
        }
    }
    let line = answer.split(|byte| *byte == b'\n').next();
    let line = String::from_utf8_lossy(line.unwrap_or_default());
    match status(&line) {
        Some(200..=399) => Ok(()),
        Some(status) => Err(format!("GET {path} is answered with {status}")),
        None => Err(format!(
            "GET {path} is answered with something else than HTTP"
        )),
    }
}

fn status(line: &str) -> Option<u16> {
    let mut words = line.split_ascii_whitespace();
    words.next().filter(|word| word.starts_with("HTTP/1."))?;
    words.next()?.parse().ok()
}

async fn connect(address: &str, port: u16) -> Result<TcpStream, String> {
    let address = ip(address)?;
    let connected = TcpStream::connect((address, port)).await;
    connected.map_err(|error| format!("port {port} takes no connection: {error}"))
}

/// A container without an address of its own shares that of its host.
fn ip(address: &str) -> Result<IpAddr, String> {
    if address.is_empty() {
        return Ok(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    let parsed = address.parse();
    parsed.map_err(|_| format!("`{address}` is no address"))
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// A server that answers one request with these bytes.
    async fn answering(answer: &'static str) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1_024];
            drop(stream.read(&mut request).await);
            drop(stream.write_all(answer.as_bytes()).await);
        });
        port
    }

    #[tokio::test]
    async fn a_status_from_200_to_399_is_a_success() {
        for (answer, is_success) in [
            ("HTTP/1.1 200 OK\r\n\r\n", true),
            ("HTTP/1.0 302 Found\r\n\r\n", true),
            ("HTTP/1.1 404 Not Found\r\n\r\n", false),
            ("HTTP/1.1 500\r\n\r\n", false),
            ("SSH-2.0-x\r\n", false),
            ("", false),
        ] {
            let port = answering(answer).await;
            let probed = http("127.0.0.1", port, "/").await;
            assert_eq!(probed.is_ok(), is_success, "{answer}: {probed:?}");
        }
    }

    #[tokio::test]
    async fn a_port_where_nobody_listens_is_a_failure_in_words() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(tcp("", port).await, Ok(()));
        drop(listener);
        let words = tcp("", port).await.unwrap_err();
        assert!(words.contains("takes no connection"), "{words}");
    }
}
