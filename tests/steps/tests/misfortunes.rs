//! Whatever goes wrong once, the outcome is the same.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, and so do its helpers"
)]

use drover_domain::lifecycle::{self, Request};
use drover_domain::{Phase, ResourceType};
use drover_steps::life::Life;
use drover_steps::misfortune::Misfortune;
use futures::StreamExt;

/// Lives that are lived at the same time.
const AT_ONCE: usize = 8;

async fn peace() -> Life {
    Life::live(Misfortune::None).await.unwrap()
}

/// Lives a life for each misfortune, and compares what it leaves behind with a life in peace.
async fn compare(peace: &Life, misfortunes: impl Iterator<Item = Misfortune>) {
    let lives = misfortunes.map(|misfortune| async move {
        let life = Life::live(misfortune).await;
        (misfortune, life)
    });
    let mut lives = futures::stream::iter(lives).buffer_unordered(AT_ONCE);
    let mut differ = Vec::new();
    while let Some((misfortune, life)) = lives.next().await {
        match life {
            Err(error) => differ.push(format!("{misfortune:?}: {error:#}")),
            Ok(life) if !life.has_struck => {
                differ.push(format!("{misfortune:?} has not struck"));
            }
            Ok(life) if life.trace != peace.trace => {
                differ.push(format!("{misfortune:?} leaves {:#?}", life.trace));
            }
            Ok(_) => {}
        }
    }
    assert!(
        differ.is_empty(),
        "in peace: {:#?}\n{}",
        peace.trace,
        differ.join("\n")
    );
}

/// What is asked for because of what is seen.
const SEEN: [Request; 4] = [
    Request::Disconnect,
    Request::Reconnect,
    Request::Replace,
    Request::Evacuate,
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_life_takes_every_lifecycle_through_every_process_it_has() {
    let peace = peace().await;
    assert_eq!(peace.trace.containers_on_host, 0);
    for resource_type in [
        ResourceType::Container,
        ResourceType::Host,
        ResourceType::Agent,
        ResourceType::Volume,
    ] {
        let lived = &peace.trace.processes[&resource_type];
        for definition in lifecycle::of(resource_type).processes {
            // Whoever watches over hosts asks for these, and takes them back as soon as it sees that the
            // agent is connected: that is no part of a life that is the same each time.
            if SEEN.contains(&definition.request) {
                continue;
            }
            let is_lived = lived.iter().any(|(request, phase, steps)| {
                *request == definition.request && *phase == Phase::Done && steps == definition.steps
            });
            assert!(
                is_lived,
                "{resource_type} {}: {lived:?}",
                definition.request
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_dies_before_any_write_changes_nothing_about_the_outcome() {
    let peace = peace().await;
    compare(
        &peace,
        peace.sites.iter().copied().map(Misfortune::DeathBefore),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_dies_after_any_write_changes_nothing_about_the_outcome() {
    let peace = peace().await;
    compare(
        &peace,
        peace.sites.iter().copied().map(Misfortune::DeathAfter),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_action_that_fails_once_changes_nothing_about_the_outcome() {
    let peace = peace().await;
    assert!(peace.actions >= 7, "{} actions", peace.actions);
    compare(&peace, (0..peace.actions).map(Misfortune::Failure)).await;
}
