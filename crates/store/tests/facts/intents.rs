//! Intents: whole or not at all, and the newest wins.

use drover_domain::engine::Outcome;
use drover_domain::lifecycle::Request;
use drover_domain::resource::Details;
use drover_domain::write::{Intent, Written};
use drover_domain::{Phase, ResourceType, State};
use drover_store::{Accepted, ChangeFilter, Position, ResourceFilter, StoreError};
use futures::future::join_all;

use crate::support::{NOW, World, container, next_write, to_change, to_create};

facts! {
    an_intent_is_committed_whole,
    an_intent_that_is_refused_leaves_nothing,
    one_that_is_refused_spoils_nothing_for_those_beside_it,
    of_two_intents_on_one_version_the_second_is_told_that_it_moved,
    of_many_intents_in_one_batch_one_wins,
    of_many_intents_by_two_servers_one_wins,
    an_intent_for_what_is_gone_is_told_that_it_moved,
    a_new_resource_never_takes_the_place_of_another,
    a_newer_intent_ends_the_process_at_work,
    the_owner_of_a_superseded_process_can_write_nothing,
    an_intent_that_meets_the_end_of_a_process_has_one_winner,
}

async fn an_intent_is_committed_whole(world: World) {
    let mut resource = container("grüße \"quoted\" 'single' \\");
    resource.description = "eine Zeile\nnoch eine".to_owned();
    resource.project = Some(world.project("one").await);
    resource.labels = [("team".to_owned(), "x=y".to_owned())].into();
    resource
        .metadata
        .insert("deep".to_owned(), serde_json::json!({"a": [1, null, 2.5]}));
    if let Details::Container { spec, .. } = &mut resource.details {
        spec.environment = [("EMPTY".to_owned(), String::new())].into();
        spec.command = vec!["sh".to_owned(), "-c".to_owned(), "echo 🦀".to_owned()];
    }
    let intent = world.accept(to_create(resource)).await;

    assert_eq!(
        world.resource(&intent.resource).await,
        Some(intent.resource.clone())
    );
    assert_eq!(world.process(intent.process.id).await, intent.process);
    let filter = ChangeFilter {
        resource: Some(intent.resource.id),
        ..ChangeFilter::default()
    };
    let changes = world
        .store
        .changes(Position::default(), &filter, 10)
        .await
        .unwrap();
    let [change] = changes.as_slice() else {
        panic!("one change is readable, not {changes:?}");
    };
    assert_eq!(change.resource, intent.resource.reference());
    assert_eq!(change.project, intent.resource.project);
    assert_eq!(
        (change.state, change.version),
        (State::Creating, intent.resource.version)
    );
    assert_eq!(change.at, NOW);
}

/// An intent whose process has the id of another, which no database takes.
fn refused(beside: &Intent) -> Intent {
    let mut intent = to_create(container("refused"));
    intent.process.id = beside.process.id;
    intent
}

async fn an_intent_that_is_refused_leaves_nothing(world: World) {
    let first = world.accept(to_create(container("first"))).await;
    let before = world.rows().await;
    let error = world.store.accept(refused(&first)).await.unwrap_err();
    assert!(!error.is_unavailable(), "{error:?}");
    assert_eq!(world.rows().await, before);
}

async fn one_that_is_refused_spoils_nothing_for_those_beside_it(world: World) {
    let first = world.accept(to_create(container("first"))).await;
    let mut intents: Vec<Intent> = (0..20)
        .map(|number| to_create(container(&format!("good-{number}"))))
        .collect();
    intents.insert(7, refused(&first));
    let outcomes = join_all(intents.iter().map(|one| world.store.accept(one.clone()))).await;
    for (number, (intent, outcome)) in intents.iter().zip(outcomes).enumerate() {
        let is_there = world.resource(&intent.resource).await.is_some();
        assert_eq!(is_there, number != 7, "{}", intent.resource.name);
        assert_eq!(outcome.is_ok(), number != 7, "{outcome:?}");
    }
}

async fn of_two_intents_on_one_version_the_second_is_told_that_it_moved(world: World) {
    let created = world.settled("one").await;
    let start = to_change(&created, Request::Start);
    let remove = to_change(&created, Request::Remove);
    world.accept(start.clone()).await;
    let before = world.rows().await;
    let second = world.store.accept(remove).await.unwrap();
    assert_eq!(second, Accepted::VersionMoved);
    assert_eq!(world.rows().await, before);
    assert_eq!(world.process(start.process.id).await.phase, Phase::Queued);
}

async fn of_many_intents_in_one_batch_one_wins(world: World) {
    let created = world.settled("one").await;
    let intents = rivals(&created, 8);
    let outcomes = join_all(intents.iter().map(|one| world.store.accept(one.clone()))).await;
    let outcomes = outcomes.into_iter().map(Result::unwrap).collect();
    assert_one_winner(&world, &intents, outcomes).await;
}

async fn of_many_intents_by_two_servers_one_wins(world: World) {
    let other = world.second_server().await;
    for round in 0..10 {
        let created = world.settled(&format!("round-{round}")).await;
        let intents = rivals(&created, 8);
        let submitted = intents.iter().enumerate().map(|(number, intent)| {
            let store = if number % 2 == 0 {
                &world.store
            } else {
                &other
            };
            store.accept(intent.clone())
        });
        let outcomes = join_all(submitted).await;
        let outcomes = outcomes.into_iter().map(Result::unwrap).collect();
        assert_one_winner(&world, &intents, outcomes).await;
    }
}

fn rivals(resource: &drover_domain::Resource, count: usize) -> Vec<Intent> {
    let request = |number| match number % 2 {
        0 => Request::Start,
        _ => Request::Remove,
    };
    (0..count)
        .map(|number| to_change(resource, request(number)))
        .collect()
}

async fn assert_one_winner(world: &World, intents: &[Intent], outcomes: Vec<Accepted>) {
    let mut winners = Vec::new();
    for (intent, outcome) in intents.iter().zip(outcomes) {
        let process = world.store.process(intent.process.id).await.unwrap();
        match outcome {
            Accepted::Committed { superseded } => {
                assert_eq!(superseded, None, "nothing was at work before");
                winners.push(intent.process.id);
                assert_eq!(process.unwrap().phase, Phase::Queued);
                let row = world.resource(&intent.resource).await.unwrap();
                assert_eq!(row, intent.resource);
            }
            Accepted::VersionMoved => assert_eq!(process, None, "a loser leaves no process"),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(winners.len(), 1, "one of {} wins", intents.len());
}

async fn an_intent_for_what_is_gone_is_told_that_it_moved(world: World) {
    let mut never_there = container("never-there");
    never_there.state = State::Created;
    let before = world.rows().await;
    let outcome = world
        .store
        .accept(to_change(&never_there, Request::Start))
        .await;
    assert_eq!(outcome.unwrap(), Accepted::VersionMoved);
    assert_eq!(world.rows().await, before);
}

async fn a_new_resource_never_takes_the_place_of_another(world: World) {
    let there = world.settled("there").await;
    let mut impostor = container("impostor");
    impostor.id = there.id;
    let before = world.rows().await;
    let outcome = world.store.accept(to_create(impostor)).await;
    let is_refused = matches!(outcome, Err(StoreError::Refused { .. }));
    assert!(is_refused, "{outcome:?}");
    assert_eq!(world.rows().await, before);
}

async fn a_newer_intent_ends_the_process_at_work(world: World) {
    let owned = world.claimed("one", 5).await;
    let remove = to_change(&owned.resource, Request::Remove);
    let outcome = world.store.accept(remove.clone()).await.unwrap();
    let superseded = Some(owned.process.id);
    assert_eq!(outcome, Accepted::Committed { superseded });

    let ended = world.process(owned.process.id).await;
    assert_eq!(ended.phase, Phase::Canceled);
    let message = format!("superseded by {}", remove.process.id);
    assert_eq!(ended.message.as_deref(), Some(message.as_str()));
    assert_eq!(ended.finished, Some(NOW));
    let unfinished = world.store.unfinished([owned.resource.id]).await.unwrap();
    assert_eq!(unfinished, [remove.process]);
    assert!(world.claim(owned.process.id, 99, NOW).await.is_none());
}

async fn the_owner_of_a_superseded_process_can_write_nothing(world: World) {
    let owned = world.claimed("one", 5).await;
    let newer = to_change(&owned.resource, Request::Remove);
    world.accept(newer.clone()).await;
    let before = world.rows().await;

    let (mut write, _) = next_write(&owned, Outcome::done());
    assert_eq!(
        world.store.commit(write.clone()).await.unwrap(),
        Written::NotOurs
    );
    let mut resource = newer.resource;
    resource.version += 1;
    write.resource = Some((resource.clone(), resource.version - 1));
    assert_eq!(
        world.store.commit(write).await.unwrap(),
        Written::NotOurs,
        "not even over the version of the newer intent"
    );
    assert_eq!(world.rows().await, before);
}

async fn an_intent_that_meets_the_end_of_a_process_has_one_winner(world: World) {
    let other = world.second_server().await;
    for round in 0..20 {
        let owned = world.claimed(&format!("round-{round}"), 5).await;
        let (first, _) = next_write(&owned, Outcome::done());
        world.commit(first.clone()).await;
        let owned = drover_store::Claimed {
            process: first.process,
            resource: owned.resource,
            claims: None,
        };
        let (end, _) = next_write(&owned, Outcome::done());
        let remove = to_change(&owned.resource, Request::Remove);
        let (written, accepted) =
            tokio::join!(world.store.commit(end), other.accept(remove.clone()));
        let phase = world.process(owned.process.id).await.phase;
        match (written.unwrap(), accepted.unwrap()) {
            (Written::Committed, Accepted::VersionMoved) => assert_eq!(phase, Phase::Done),
            (Written::NotOurs, Accepted::Committed { superseded }) => {
                assert_eq!(superseded, Some(owned.process.id));
                assert_eq!(phase, Phase::Canceled);
            }
            both => panic!("one wins, and the other is told: {both:?}"),
        }
    }
    let all = ResourceFilter::all(ResourceType::Container, 100);
    assert_eq!(world.store.resources(&all).await.unwrap().len(), 20);
}
