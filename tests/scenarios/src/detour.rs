//! A way between two parts that can be interrupted: bytes stop, connections stay, as on a network that
//! drops everything.

use std::sync::Arc;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Bytes that are carried at a time.
const PORTION: usize = 16 * 1024;

/// A port of this machine that leads to another one; gone when this is dropped.
#[derive(Debug)]
pub struct Detour {
    address: String,
    is_open: Arc<watch::Sender<bool>>,
    serving: JoinHandle<()>,
}

impl Detour {
    /// A way to an address, open at first.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn to(target: impl Into<String>) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.context("a port for a detour")?;
        let address = listener.local_addr()?.to_string();
        let is_open = Arc::new(watch::Sender::new(true));
        let (target, open) = (target.into(), is_open.subscribe());
        let serving = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let (target, open) = (target.clone(), open.clone());
                tokio::spawn(async move {
                    if let Ok(far) = TcpStream::connect(&target).await {
                        let ((near_in, near_out), (far_in, far_out)) =
                            (near.into_split(), far.into_split());
                        tokio::join!(
                            carry(near_in, far_out, open.clone()),
                            carry(far_in, near_out, open)
                        );
                    }
                });
            }
        });
        Ok(Self {
            address,
            is_open,
            serving,
        })
    }

    /// Where it begins, as `127.0.0.1:40123`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Nothing comes through any more, and nobody is told.
    pub fn close(&self) {
        self.is_open.send_replace(false);
    }

    /// Everything comes through again, also what was held up.
    pub fn open(&self) {
        self.is_open.send_replace(true);
    }
}

impl Drop for Detour {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Carries bytes one way, while the way is open. Ends when either side does, or the detour is gone.
async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut open: watch::Receiver<bool>) {
    let mut portion = vec![0; PORTION];
    loop {
        let read = tokio::select! {
            read = from.read(&mut portion) => read,
            () = closed(&mut open) => return,
        };
        let Ok(count @ 1..) = read else {
            break;
        };
        if open.wait_for(|is_open| *is_open).await.is_err()
            || to.write_all(&portion[..count]).await.is_err()
        {
            break;
        }
    }
    drop(to.shutdown().await);
}

/// Ends when nobody can open or close the way any more.
async fn closed(open: &mut watch::Receiver<bool>) {
    while open.changed().await.is_ok() {}
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn what_is_said_while_the_way_is_closed_comes_through_when_it_is_opened() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = listener.local_addr().unwrap().to_string();
        let detour = Detour::to(target).await.unwrap();
        let mut near = TcpStream::connect(detour.address()).await.unwrap();
        let (mut far, _) = listener.accept().await.unwrap();
        let mut heard = [0; 2];
        near.write_all(b"hi").await.unwrap();
        far.read_exact(&mut heard).await.unwrap();
        detour.close();
        near.write_all(b"yo").await.unwrap();
        let short = Duration::from_millis(200);
        assert!(timeout(short, far.read_exact(&mut heard)).await.is_err());
        detour.open();
        far.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"yo");
        drop(far);
        assert_eq!(near.read(&mut heard).await.unwrap(), 0);
    }
}
