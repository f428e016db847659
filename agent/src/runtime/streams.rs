//! Streams as a runtime gives them.

use std::pin::Pin;

use async_trait::async_trait;
use drover_domain::stream::{Channel, Size, Usage};
use futures::stream::BoxStream;
use tokio::io::AsyncWrite;
use tokio_tungstenite::tungstenite::Bytes;

use super::RuntimeError;

/// Something that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Where to: stdout or stderr.
    pub channel: Channel,
    /// What.
    pub bytes: Bytes,
}

/// What is written, until nothing more will be. Nothing is read ahead of whoever takes it but what the
/// runtime has in its buffers; who drops it ends it.
pub type OutputStream = BoxStream<'static, Result<Output, RuntimeError>>;

/// What is used, time and again.
pub type UsageStream = BoxStream<'static, Result<Usage, RuntimeError>>;

/// A command that was started inside a container. Who drops it is not attached any more.
pub struct Exec {
    /// What it writes, until it has ended.
    pub output: OutputStream,
    /// What it reads; none if nothing was to be written to it. Shut down, it has come to its end.
    pub input: Option<Pin<Box<dyn AsyncWrite + Send>>>,
    /// What can be asked of it beside.
    pub handle: Box<dyn ExecHandle>,
}

/// What can be asked of a command that was started.
#[async_trait]
pub trait ExecHandle: Send + Sync {
    /// Gives its terminal another size.
    async fn resize(&self, size: Size) -> Result<(), RuntimeError>;

    /// The code that it has ended with, once its output has come to its end.
    async fn exit_code(&self) -> Result<i64, RuntimeError>;
}
