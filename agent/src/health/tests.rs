//! Health checks on the simulated runtime.

use std::collections::HashMap;

use drover_proto::v1::seen_container::Health;
use drover_proto::v1::{CommandProbe, HealthCheck as Told, health_check};

use super::*;
use crate::runtime::simulated::SimulatedRuntime;

fn id() -> ResourceId {
    ResourceId::new(uuid::Uuid::from_u128(1))
}

fn wanted(health: &str) -> CreateContainer {
    let probe = CommandProbe {
        command: vec!["true".into()],
    };
    CreateContainer {
        labels: HashMap::from([("sim.health".into(), health.into())]),
        health_check: Some(Told {
            probe: Some(health_check::Probe::Command(probe)),
            interval_seconds: 1,
            timeout_seconds: 1,
            unhealthy_threshold: 2,
            healthy_threshold: 1,
            ..Told::default()
        }),
        ..CreateContainer::default()
    }
}

/// What is told of the container next, once its health has changed.
async fn next(checks: &Arc<HealthChecks>, runtime: &SimulatedRuntime) -> Health {
    let within = Duration::from_secs(60);
    let changed = tokio::time::timeout(within, checks.changed()).await;
    assert!(changed.unwrap().contains(&id()));
    let mut seen = runtime.inspect(id()).await.unwrap();
    checks.look(id(), &mut seen);
    seen.health()
}

#[tokio::test]
async fn a_container_is_starting_and_then_healthy_and_then_unhealthy() {
    let runtime = SimulatedRuntime::new();
    let checks = HealthChecks::new(Arc::new(runtime.clone()));
    let wanted = wanted("unhealthy-after=2s");
    checks.made(id(), &wanted);
    runtime.create(id(), &wanted).await.unwrap();
    let mut seen = runtime.start(id()).await.unwrap();
    checks.look(id(), &mut seen);
    assert_eq!(seen.health(), Health::Starting);
    assert_eq!(next(&checks, &runtime).await, Health::Healthy);
    assert_eq!(next(&checks, &runtime).await, Health::Unhealthy);
}

#[tokio::test]
async fn an_agent_that_is_started_anew_learns_the_check_from_the_runtime() {
    let runtime = SimulatedRuntime::new();
    runtime.create(id(), &wanted("healthy")).await.unwrap();
    let mut seen = runtime.start(id()).await.unwrap();
    let checks = HealthChecks::new(Arc::new(runtime.clone()));
    checks.look(id(), &mut seen);
    assert_eq!(seen.health(), Health::Unspecified, "nobody knows yet");
    assert_eq!(next(&checks, &runtime).await, Health::Starting);
    assert_eq!(next(&checks, &runtime).await, Health::Healthy);
}

#[tokio::test]
async fn a_container_that_runs_no_more_is_not_looked_at() {
    let runtime = SimulatedRuntime::new();
    let checks = HealthChecks::new(Arc::new(runtime.clone()));
    let wanted = wanted("healthy");
    checks.made(id(), &wanted);
    runtime.create(id(), &wanted).await.unwrap();
    let mut seen = runtime.start(id()).await.unwrap();
    checks.look(id(), &mut seen);
    let mut stopped = runtime.stop(id(), Duration::ZERO).await.unwrap();
    checks.look(id(), &mut stopped);
    assert_eq!(stopped.health(), Health::Unspecified);
    let within = Duration::from_secs(3);
    let changed = tokio::time::timeout(within, checks.changed()).await;
    assert!(changed.is_err(), "{changed:?}");
}

#[tokio::test]
async fn a_container_without_a_check_has_no_health() {
    let runtime = SimulatedRuntime::new();
    let checks = HealthChecks::new(Arc::new(runtime.clone()));
    let wanted = CreateContainer::default();
    checks.made(id(), &wanted);
    runtime.create(id(), &wanted).await.unwrap();
    let mut seen = runtime.start(id()).await.unwrap();
    checks.look(id(), &mut seen);
    assert_eq!(seen.health(), Health::Unspecified);
    let within = Duration::from_secs(3);
    let changed = tokio::time::timeout(within, checks.changed()).await;
    assert!(changed.is_err(), "{changed:?}");
}
