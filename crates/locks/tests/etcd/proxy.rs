//! A way to etcd that can be made to lose answers, or to deliver requests when nobody expects them any
//! more. What is done to it concerns the connections that there are; later ones are sound.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_util::sync::{CancellationToken, DropGuard};

/// The proxy; its connections end when it is dropped.
pub(crate) struct Proxy {
    url: String,
    lines: Arc<Mutex<Vec<Arc<Line>>>>,
    _closing: DropGuard,
}

/// One connection.
#[derive(Default)]
struct Line {
    /// Answers are thrown away.
    deaf: AtomicBool,
    /// Requests are kept back.
    holding: AtomicBool,
    /// Requests are thrown away, while what was kept back stays.
    full: AtomicBool,
    held: Mutex<Vec<u8>>,
    let_go: Notify,
    /// Bytes of answers since the requests were let go.
    answered: AtomicUsize,
}

impl Proxy {
    /// A proxy to an address such as `http://127.0.0.1:2379`.
    pub(crate) async fn to(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = server.trim_start_matches("http://").to_owned();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let closing = CancellationToken::new();
        let accepting = accept(listener, server, Arc::clone(&lines), closing.clone());
        tokio::spawn(closing.clone().run_until_cancelled_owned(accepting));
        Self {
            url: format!("http://{address}"),
            lines,
            _closing: closing.drop_guard(),
        }
    }

    /// Where clients connect to.
    pub(crate) fn url(&self) -> String {
        self.url.clone()
    }

    /// Loses all answers from now on.
    pub(crate) fn lose_answers(&self) {
        self.each(|line| line.deaf.store(true, Ordering::SeqCst));
    }

    /// Keeps requests back from now on.
    pub(crate) fn hold_requests(&self) {
        self.each(|line| line.holding.store(true, Ordering::SeqCst));
    }

    /// The bytes of requests that were kept back so far.
    pub(crate) fn held(&self) -> usize {
        let lines = self.lines.lock().unwrap();
        lines
            .iter()
            .map(|line| line.held.lock().unwrap().len())
            .sum()
    }

    /// Keeps what was kept back, and throws away what comes after it.
    pub(crate) fn hold_no_more(&self) {
        self.each(|line| line.full.store(true, Ordering::SeqCst));
    }

    /// Delivers the requests that were kept back.
    pub(crate) fn let_go(&self) {
        self.each(|line| {
            line.answered.store(0, Ordering::SeqCst);
            line.let_go.notify_one();
        });
    }

    /// The bytes of answers to what was let go.
    pub(crate) fn answered(&self) -> usize {
        let lines = self.lines.lock().unwrap();
        let held = lines
            .iter()
            .filter(|line| line.holding.load(Ordering::SeqCst));
        held.map(|line| line.answered.load(Ordering::SeqCst)).sum()
    }

    fn each(&self, act: impl Fn(&Line)) {
        self.lines.lock().unwrap().iter().for_each(|line| act(line));
    }
}

async fn accept(
    listener: TcpListener,
    server: String,
    lines: Arc<Mutex<Vec<Arc<Line>>>>,
    closing: CancellationToken,
) {
    while let Ok((client, _)) = listener.accept().await {
        let Ok(server) = TcpStream::connect(&server).await else {
            continue;
        };
        let line = Arc::new(Line::default());
        lines.lock().unwrap().push(Arc::clone(&line));
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        let requests = carry_requests(from_client, to_server, Arc::clone(&line));
        let answers = carry_answers(from_server, to_client, line);
        tokio::spawn(closing.clone().run_until_cancelled_owned(requests));
        tokio::spawn(closing.clone().run_until_cancelled_owned(answers));
    }
}

async fn carry_requests(mut client: OwnedReadHalf, mut server: OwnedWriteHalf, line: Arc<Line>) {
    let (mut buffer, mut open) = (vec![0; 64 * 1024], true);
    loop {
        let count = tokio::select! {
            count = client.read(&mut buffer), if open => count.unwrap_or(0),
            () = line.let_go.notified() => {
                let held = std::mem::take(&mut *line.held.lock().unwrap());
                server.write_all(&held).await.unwrap();
                continue;
            }
        };
        let holding = line.holding.load(Ordering::SeqCst);
        open = count > 0;
        if !open && !holding {
            return;
        }
        if !holding {
            if server.write_all(&buffer[..count]).await.is_err() {
                return;
            }
        } else if !line.full.load(Ordering::SeqCst) {
            line.held
                .lock()
                .unwrap()
                .extend_from_slice(&buffer[..count]);
        }
    }
}

async fn carry_answers(mut server: OwnedReadHalf, mut client: OwnedWriteHalf, line: Arc<Line>) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count) = server.read(&mut buffer).await
        && count > 0
    {
        line.answered.fetch_add(count, Ordering::SeqCst);
        if !line.deaf.load(Ordering::SeqCst) {
            // Whoever asked may be gone; the server is to think otherwise.
            drop(client.write_all(&buffer[..count]).await);
        }
    }
}
