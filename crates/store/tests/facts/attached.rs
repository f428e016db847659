//! What is attached to a mutation: written with it or not at all, and once under each key.

use drover_domain::ProcessId;
use drover_domain::engine::cancel;
use drover_domain::lifecycle::Request;
use drover_domain::write::Intent;
use drover_store::{Accepted, Attached, AuditEntry, KeptAnswer, Mutated, Store, Submitted, fresh};
use futures::future::join_all;

use crate::support::{NOW, World, container, host, to_change, to_create};

facts! {
    what_is_attached_to_an_intent_is_committed_with_it,
    an_intent_that_is_repeated_changes_nothing,
    of_intents_with_one_key_in_one_batch_one_is_committed,
    of_intents_with_one_key_at_two_servers_one_is_committed,
    batches_that_share_many_keys_in_any_order_never_block_one_another,
    an_intent_whose_version_moved_keeps_no_answer,
    one_key_of_two_callers_is_two_keys,
    every_mutation_writes_down_what_is_attached,
    a_mutation_that_is_repeated_or_comes_too_late_writes_nothing_down,
}

/// An answer under a key of a caller.
pub(crate) fn answer(caller: u128, key: &str) -> KeptAnswer {
    KeptAnswer {
        caller: uuid(caller),
        key: key.to_owned(),
        hash: "a-hash".to_owned(),
        status: 202,
        location: Some("/v1/containers/1".to_owned()),
        etag: None,
        process: Some(fresh::process_id()),
        body: r#"{"name":"grüße \u0000"}"#.to_owned(),
        created: NOW,
    }
}

fn uuid(number: u128) -> uuid::Uuid {
    uuid::Uuid::from_u128(number)
}

/// An audit row of a moment.
pub(crate) fn entry(operation: &str) -> AuditEntry {
    AuditEntry {
        id: fresh::audit_id(NOW),
        at: NOW,
        account: Some(fresh::resource_id()),
        credential: Some(fresh::resource_id().uuid()),
        from: Some("2001:db8::1".parse().unwrap()),
        method: "POST".to_owned(),
        path: "/v1/containers".to_owned(),
        operation: operation.to_owned(),
        resource_type: Some("container".to_owned()),
        resource: Some(fresh::resource_id().uuid()),
        project: None,
        status: 202,
        code: None,
        request_id: "a-request".to_owned(),
    }
}

fn attached(caller: u128, key: &str) -> Attached {
    Attached {
        audit: Some(entry("test")),
        answer: Some(answer(caller, key)),
    }
}

fn submitted(intent: Intent, caller: u128, key: &str) -> Submitted {
    Submitted::new(intent, attached(caller, key))
}

async fn count(world: &World, table: &str) -> usize {
    world.rows().await[table].len()
}

async fn what_is_attached_to_an_intent_is_committed_with_it(world: World) {
    let (answer, entry) = (answer(1, "key"), entry("container.create"));
    let attached = Attached {
        audit: Some(entry.clone()),
        answer: Some(answer.clone()),
    };
    let intent = to_create(container("one"));
    let accepted = world.store.accept(Submitted::new(intent, attached)).await;
    assert_eq!(accepted.unwrap(), Accepted::Committed { superseded: None });
    let keys = ["key".to_owned(), "other".to_owned()];
    let kept = world.store.kept_answers(uuid(1), &keys).await.unwrap();
    assert_eq!(kept, [answer]);
    let rows = world.rows().await;
    let [row] = rows["audit"].as_slice() else {
        panic!("one audit row, not {:?}", rows["audit"]);
    };
    assert!(
        row.contains("container.create") && row.contains("2001:db8::1"),
        "{row}"
    );
}

async fn an_intent_that_is_repeated_changes_nothing(world: World) {
    let first = submitted(to_create(container("one")), 1, "key");
    world.store.accept(first).await.unwrap();
    let before = world.rows().await;
    let second = submitted(to_create(container("two")), 1, "key");
    let other = world.second_server().await;
    assert_eq!(other.accept(second).await.unwrap(), Accepted::Repeated);
    assert_eq!(world.rows().await, before);
}

async fn of_intents_with_one_key_in_one_batch_one_is_committed(world: World) {
    let intents = (0..10).map(|_| submitted(to_create(container("one")), 1, "key"));
    let outcomes = join_all(intents.map(|one| world.store.accept(one))).await;
    assert_one(outcomes);
    for table in ["resource", "process", "audit", "kept_answer"] {
        assert_eq!(count(&world, table).await, 1, "{table}");
    }
}

fn assert_one(outcomes: Vec<Result<Accepted, drover_store::StoreError>>) {
    let outcomes: Vec<Accepted> = outcomes.into_iter().map(Result::unwrap).collect();
    let committed = |outcome: &&Accepted| matches!(outcome, Accepted::Committed { .. });
    assert_eq!(outcomes.iter().filter(committed).count(), 1, "{outcomes:?}");
    let repeated = |outcome: &&Accepted| **outcome == Accepted::Repeated;
    let repeated = outcomes.iter().filter(repeated).count();
    assert_eq!(repeated, outcomes.len() - 1, "{outcomes:?}");
}

async fn of_intents_with_one_key_at_two_servers_one_is_committed(world: World) {
    let other = world.second_server().await;
    for round in 0..20 {
        let key = format!("key-{round}");
        let store = |number: usize| match number % 2 {
            0 => &world.store,
            _ => &other,
        };
        let submitting = (0..6)
            .map(|number| store(number).accept(submitted(to_create(container("one")), 1, &key)));
        assert_one(join_all(submitting).await);
        assert_eq!(count(&world, "resource").await, round + 1);
    }
}

/// Transactions that wait for one another in a circle would be refused by the database, or stand
/// still until its patience is over.
async fn batches_that_share_many_keys_in_any_order_never_block_one_another(world: World) {
    let other = world.second_server().await;
    let settled = [world.settled("a").await, world.settled("b").await];
    for round in 0..10 {
        let submit = |store: Store, is_backwards: bool| {
            let settled = settled.clone();
            async move {
                let mut numbers: Vec<usize> = (0..30).collect();
                if is_backwards {
                    numbers.reverse();
                }
                let submitting = numbers.into_iter().map(|number| {
                    // Some lock resources as well, which come after the keys.
                    let intent = match number % 10 {
                        0 => to_change(&settled[number % 2], Request::Remove),
                        _ => to_create(container("new")),
                    };
                    store.accept(submitted(intent, 1, &format!("{round}-{number}")))
                });
                join_all(submitting).await
            }
        };
        let (ours, theirs) = tokio::join!(
            submit(world.store.clone(), false),
            submit(other.clone(), true)
        );
        for outcome in ours.into_iter().chain(theirs) {
            outcome.unwrap();
        }
    }
}

async fn an_intent_whose_version_moved_keeps_no_answer(world: World) {
    let created = world.settled("one").await;
    let stale = to_change(&created, Request::Start);
    world.accept(to_change(&created, Request::Remove)).await;
    let before = world.rows().await;
    let outcome = world.store.accept(submitted(stale, 1, "key")).await;
    assert_eq!(outcome.unwrap(), Accepted::VersionMoved);
    assert_eq!(world.rows().await, before);
    // The key is free.
    let outcome = submitted(to_create(container("two")), 1, "key");
    let outcome = world.store.accept(outcome).await.unwrap();
    assert_eq!(outcome, Accepted::Committed { superseded: None });
}

async fn one_key_of_two_callers_is_two_keys(world: World) {
    for caller in [1, 2] {
        let one = submitted(to_create(container("one")), caller, "key");
        let outcome = world.store.accept(one).await.unwrap();
        assert_eq!(outcome, Accepted::Committed { superseded: None });
    }
}

/// Each kind of mutation beside intents, with what is attached to it.
async fn mutate(world: &World, process: ProcessId, key: &str) -> Vec<(&'static str, Mutated)> {
    let store = &world.store;
    let under = |name: &str| attached(1, &format!("{key}-{name}"));
    let mut new = host("new");
    let inserted = store.insert(&new, under("insert")).await.unwrap();
    let expected = new.version;
    new.version += 1;
    let rewritten = store.rewrite(&new, expected, under("rewrite"));
    let rewritten = rewritten.await.unwrap();
    let hurried = store.hurry(process, NOW, under("hurry")).await.unwrap();
    let row = world.process(process).await;
    let resource = store.resource(row.resource.resource_type, row.resource.id);
    let resource = resource.await.unwrap().unwrap();
    let cancelled = match cancel(&row, &resource, "by a test", NOW) {
        Some(cancellation) => store.cancel(&cancellation, under("cancel")).await.unwrap(),
        None => Mutated::Moved,
    };
    vec![
        ("insert", inserted),
        ("rewrite", rewritten),
        ("hurry", hurried),
        ("cancel", cancelled),
    ]
}

async fn every_mutation_writes_down_what_is_attached(world: World) {
    let waiting = world
        .waiting("one", std::time::Duration::from_secs(60), None)
        .await;
    for (name, mutated) in mutate(&world, waiting.id, "first").await {
        assert_eq!(mutated, Mutated::Done, "{name}");
    }
    assert_eq!(count(&world, "audit").await, 4);
    assert_eq!(count(&world, "kept_answer").await, 4);
}

async fn a_mutation_that_is_repeated_or_comes_too_late_writes_nothing_down(world: World) {
    let waiting = world
        .waiting("one", std::time::Duration::from_secs(60), None)
        .await;
    mutate(&world, waiting.id, "first").await;
    let before = world.rows().await;
    let again = mutate(&world, waiting.id, "first").await;
    let expected = [
        ("insert", Mutated::Repeated),
        ("rewrite", Mutated::Repeated),
        ("hurry", Mutated::Repeated),
        ("cancel", Mutated::Moved),
    ];
    assert_eq!(again, expected);
    let late = world.store.hurry(waiting.id, NOW, attached(1, "late"));
    assert_eq!(late.await.unwrap(), Mutated::Moved);
    let none = host("none");
    let moved = world.store.rewrite(&none, 1, attached(1, "moved"));
    assert_eq!(moved.await.unwrap(), Mutated::Moved);
    assert_eq!(world.rows().await, before);
}
