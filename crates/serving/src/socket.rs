//! The socket of a connection: it holds the connection's place, tells of what it reads, and fails
//! when its peer takes nothing for too long.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep};

use crate::activity::Activity;

/// A stream with a place among the connections.
pub(crate) struct Socket<T> {
    pub(crate) stream: T,
    pub(crate) activity: Arc<Activity>,
    pub(crate) stall: Stall,
    pub(crate) _place: OwnedSemaphorePermit,
}

/// For how long nothing could be written.
pub(crate) struct Stall {
    longest: Duration,
    /// Made at the first pause: most connections never have one.
    alarm: Option<Pin<Box<Sleep>>>,
    is_on: bool,
}

impl Stall {
    pub(crate) fn new(longest: Duration) -> Self {
        Self {
            longest,
            alarm: None,
            is_on: false,
        }
    }

    /// Passes on how a write went, unless it has been going nowhere for too long.
    fn check<V>(
        &mut self,
        written: Poll<io::Result<V>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<V>> {
        if written.is_ready() {
            self.is_on = false;
            return written;
        }
        let longest = self.longest;
        let alarm = self
            .alarm
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(longest)));
        if !self.is_on {
            self.is_on = true;
            alarm.as_mut().reset(Instant::now() + longest);
        }
        match alarm.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Socket<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.activity.hear();
        }
        read
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Socket<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.stall.check(written, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.stall.check(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.stall.check(flushed, context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let closed = Pin::new(&mut self.stream).poll_shutdown(context);
        self.stall.check(closed, context)
    }
}
