//! Whatever goes wrong once, the outcome is the same.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, and so do its helpers"
)]

use drover_domain::lifecycle::{self, Request};
use drover_domain::{Phase, ResourceType};
use drover_steps::life::{Life, live_on_the_move, live_with_an_image};
use drover_steps::misfortune::{Misfortune, Site};
use futures::StreamExt;

/// Lives that are lived at the same time.
const AT_ONCE: usize = 8;
/// The same for those that wait most of the time.
const PATIENT_AT_ONCE: usize = 16;

async fn peace() -> Life {
    Life::live(Misfortune::None).await.unwrap()
}

/// Lives a life for each misfortune, and compares what it leaves behind with a life in peace.
async fn compare(peace: &Life, misfortunes: impl Iterator<Item = Misfortune>) {
    compare_lives(peace, misfortunes, AT_ONCE, Life::live).await;
}

async fn compare_lives(
    peace: &Life,
    misfortunes: impl Iterator<Item = Misfortune>,
    at_once: usize,
    live: impl AsyncFn(Misfortune) -> anyhow::Result<Life>,
) {
    let lives = misfortunes.map(async |misfortune| (misfortune, live(misfortune).await));
    let mut lives = futures::stream::iter(lives).buffer_unordered(at_once);
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

/// What is asked for because of what is seen, or leads from one host to another: it takes a life of its own.
const MOVING: [Request; 4] = [
    Request::Disconnect,
    Request::Reconnect,
    Request::Replace,
    Request::Evacuate,
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_life_takes_every_lifecycle_through_every_process_it_has() {
    let (peace, moved, imaged) = tokio::join!(
        peace(),
        live_on_the_move(Misfortune::None),
        live_with_an_image(Misfortune::None),
    );
    let (moved, imaged) = (moved.unwrap(), imaged.unwrap());
    assert_eq!(peace.trace.containers_on_host, 0);
    assert_eq!(moved.trace.containers_on_host, 0);
    for resource_type in [
        ResourceType::Container,
        ResourceType::Host,
        ResourceType::Agent,
        ResourceType::Volume,
        ResourceType::Image,
    ] {
        let lived = match resource_type {
            ResourceType::Image => &imaged.trace.processes[&resource_type],
            _ => &peace.trace.processes[&resource_type],
        };
        for definition in lifecycle::of(resource_type).processes {
            let lived = match MOVING.contains(&definition.request) {
                true => &moved.trace.processes[&resource_type],
                false => lived,
            };
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

/// The writes of a life on the move that are in no other.
fn moves(life: &Life) -> impl Iterator<Item = Site> {
    let sites = life.sites.iter().copied();
    sites.filter(|site| MOVING.contains(&site.request))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_is_moved_all_the_same_whatever_write_the_server_dies_before() {
    let peace = live_on_the_move(Misfortune::None).await.unwrap();
    assert!(moves(&peace).count() >= 10, "{:?}", peace.sites);
    let deaths = moves(&peace).map(Misfortune::DeathBefore);
    compare_lives(&peace, deaths, PATIENT_AT_ONCE, live_on_the_move).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_is_moved_all_the_same_whatever_write_the_server_dies_after() {
    let peace = live_on_the_move(Misfortune::None).await.unwrap();
    let deaths = moves(&peace).map(Misfortune::DeathAfter);
    compare_lives(&peace, deaths, PATIENT_AT_ONCE, live_on_the_move).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_is_moved_all_the_same_whatever_action_fails_once() {
    let peace = live_on_the_move(Misfortune::None).await.unwrap();
    let failures = (0..peace.actions).map(Misfortune::Failure);
    compare_lives(&peace, failures, PATIENT_AT_ONCE, live_on_the_move).await;
}

/// The writes of the life of an image that are in no other.
fn fetches(life: &Life) -> impl Iterator<Item = Site> {
    let sites = life.sites.iter().copied();
    sites.filter(|site| site.resource_type == ResourceType::Image)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_is_fetched_all_the_same_whatever_goes_wrong() {
    let peace = live_with_an_image(Misfortune::None).await.unwrap();
    // One is written in part, and each of the four has an end.
    assert!(fetches(&peace).count() >= 5, "{:?}", peace.sites);
    let deaths = fetches(&peace)
        .flat_map(|site| [Misfortune::DeathBefore(site), Misfortune::DeathAfter(site)]);
    let failures = (0..peace.actions).map(Misfortune::Failure);
    let misfortunes = deaths.chain(failures);
    compare_lives(&peace, misfortunes, PATIENT_AT_ONCE, live_with_an_image).await;
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
