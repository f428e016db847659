//! An orderly end.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A token that ends when the process is asked to end, by SIGINT or SIGTERM. A second signal ends
/// the process at once, for whoever does not want to wait.
///
/// # Errors
/// When the operating system refuses to tell of signals.
pub fn on_signal() -> std::io::Result<CancellationToken> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let token = CancellationToken::new();
    let ended = token.clone();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if ended.is_cancelled() {
                tracing::warn!("asked to end for the second time, ending at once");
                std::process::exit(130);
            }
            tracing::info!("asked to end");
            ended.cancel();
        }
    });
    Ok(token)
}
