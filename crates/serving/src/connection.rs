//! HTTP over one connection, and who watches over it.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tower::Service;

use crate::activity::{Activity, Answered};
use crate::socket::{Socket, Stall};
use crate::{Limits, PeerAddress};

/// The most headers of a request.
const HEADERS: usize = 100;
/// What HTTP/1.1 buffers of a connection, and so the longest head of a request that is looked at;
/// what is longer is answered with 431 and closed.
const BUFFER: usize = 128 * 1024;
/// The same for HTTP/2, where a list of headers is counted with 32 bytes for each beside its text.
const HEADER_LIST: u32 = 128 * 1024;
/// Requests of one connection at the same time; for HTTP/2.
const STREAMS: u32 = 250;
/// How often a client that speaks HTTP/2 is asked whether it is there, and how long it may take.
const PING_EVERY: Duration = Duration::from_secs(30);
const PONG_WITHIN: Duration = Duration::from_secs(20);
/// How long a connection that was told to end has if there is nothing left to answer.
const FAREWELL: Duration = Duration::from_secs(1);

/// How connections are spoken with.
pub(crate) struct Protocol {
    builder: auto::Builder<TokioExecutor>,
    router: Router,
    limits: Limits,
    shutdown: CancellationToken,
    cut: CancellationToken,
}

impl Protocol {
    pub(crate) fn new(router: Router, limits: Limits, shutdown: CancellationToken) -> Self {
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder
            .http1()
            .max_headers(HEADERS)
            .max_buf_size(BUFFER)
            // `Activity` tells the time of headers from the time between requests.
            .header_read_timeout(None);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS)
            .max_header_list_size(HEADER_LIST)
            .keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PONG_WITHIN);
        Self {
            builder,
            router,
            limits,
            shutdown,
            cut: CancellationToken::new(),
        }
    }

    /// Closes all connections, whatever is under way.
    pub(crate) fn cut(&self) {
        self.cut.cancel();
    }

    /// Serves a connection to its end.
    pub(crate) async fn serve<T>(&self, stream: T, peer: PeerAddress, place: OwnedSemaphorePermit)
    where
        T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let activity = Activity::new();
        let socket = Socket {
            stream,
            activity: Arc::clone(&activity),
            stall: Stall::new(self.limits.stalled),
            _place: place,
        };
        let service = service_fn(|request| self.answer(request, peer, &activity));
        let connection = self
            .builder
            .serve_connection_with_upgrades(TokioIo::new(socket), service);
        tokio::pin!(connection);
        let told = tokio::select! {
            ended = connection.as_mut() => return log(peer, ended),
            () = self.cut.cancelled() => return,
            () = self.shutdown.cancelled() => "the server ends",
            () = self.quiet(&activity) => "it was quiet for too long",
        };
        tracing::trace!(peer = %peer.0, "a connection is told to end: {told}");
        connection.as_mut().graceful_shutdown();
        loop {
            tokio::select! {
                ended = connection.as_mut() => return log(peer, ended),
                () = self.cut.cancelled() => return,
                () = tokio::time::sleep(FAREWELL) => {}
            }
            // What is still being answered may go on; a request that never arrives may not.
            if activity.ends_at(&self.limits).is_some() {
                return;
            }
        }
    }

    fn answer(
        &self,
        request: Request<Incoming>,
        peer: PeerAddress,
        activity: &Arc<Activity>,
    ) -> impl Future<Output = Result<Response<Answered>, Infallible>> + Send + use<> {
        let answer = activity.answer();
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(peer);
        // A router is always ready.
        let answering = self.router.clone().call(request);
        async move {
            let response = answering.await?;
            Ok(response.map(|body| Answered {
                body,
                _answer: answer,
            }))
        }
    }

    /// Ends when the connection has been quiet for too long.
    async fn quiet(&self, activity: &Activity) {
        loop {
            let soonest = self.limits.headers_within.min(self.limits.idle);
            let look_again = Instant::now() + soonest;
            match activity.ends_at(&self.limits) {
                Some(end) if end <= Instant::now() => return,
                // A byte that is heard meanwhile can only bring the end to that after this look.
                Some(end) => tokio::time::sleep_until(end.min(look_again)).await,
                None => tokio::time::sleep_until(look_again).await,
            }
        }
    }
}

fn log<E: std::fmt::Display>(peer: PeerAddress, ended: Result<(), E>) {
    if let Err(error) = ended {
        tracing::debug!(peer = %peer.0, %error, "a connection ended");
    }
}
