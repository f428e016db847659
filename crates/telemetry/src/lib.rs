//! What every executable needs around its services: logs, metrics, health and an orderly end.
//!
//! - [`logs`]: structured logs to standard error, as text for people or as JSON lines.
//! - [`health`]: `/healthz` and `/readyz` on a port of their own.
//! - [`metrics`]: `/metrics` on the same port, for Prometheus.
//! - [`shutdown`]: a token that ends with SIGINT or SIGTERM.
//!
//! Services never depend on this crate; their executables do.

pub mod health;
pub mod logs;
pub mod metrics;
pub mod shutdown;
