//! Accounts and projects, and what goes with them.

use drover_domain::resource::{Details, ProjectRole};
use drover_domain::{Resource, ResourceType, Role, State};
use drover_store::{
    AccountError, Attached, ChangeFilter, KeyError, NewKey, Position, ProjectRemoval,
    ResourceFilter, Target,
};
use futures::future::join_all;

use crate::support::{NOW, World, account, at, container, key, operator};

facts! {
    of_two_accounts_of_one_name_there_is_one,
    the_name_of_a_removed_account_is_free_again,
    what_was_changed_since_it_was_read_is_not_removed,
    an_account_that_may_less_loses_the_keys_that_it_does_not_cover,
    an_account_that_may_as_much_keeps_its_keys,
    an_account_changes_over_the_version_that_was_read_only,
    an_account_that_is_removed_takes_its_keys_along,
    no_key_is_made_beside_what_is_taken_from_its_account,
    a_project_with_containers_is_not_removed,
    a_project_that_is_removed_takes_its_keys_along,
}

/// How many keys there are that are not removed.
async fn keys(world: &World) -> usize {
    let keys = ResourceFilter::all(ResourceType::ApiKey, 10);
    world.store.resources(&keys).await.unwrap().len()
}

async fn of_two_accounts_of_one_name_there_is_one(world: World) {
    let other = world.second_server().await;
    let (one, two) = (account("ada", &[]), operator("ada"));
    let made = [
        world
            .store
            .make_account(&one, None, Attached::nothing())
            .await,
        other.make_account(&two, None, Attached::nothing()).await,
    ];
    assert!(made[0].is_ok());
    assert!(matches!(made[1], Err(AccountError::NameTaken)), "{made:?}");
    assert!(world.resource(&two).await.is_none());
    let third = world.made(account("bob", &[])).await;
    let renamed = Resource {
        name: "ada".to_owned(),
        version: 1,
        ..third
    };
    let changed = world
        .store
        .change_account(&renamed, 0, Attached::nothing())
        .await;
    assert!(matches!(changed, Err(AccountError::NameTaken)));
}

async fn the_name_of_a_removed_account_is_free_again(world: World) {
    let first = world.made(account("ada", &[])).await;
    let removed = world
        .store
        .remove_account(first.id, at(1), Attached::nothing())
        .await
        .unwrap();
    let removed = removed.unwrap();
    assert_eq!(removed.state, State::Removed);
    assert_eq!((removed.removed, removed.version), (Some(at(1)), 1));
    assert_eq!(world.resource(&first).await, Some(removed));
    assert!(
        world
            .store
            .remove_account(first.id, at(2), Attached::nothing())
            .await
            .unwrap()
            .is_none()
    );
    world.made(account("ada", &[])).await;
}

async fn what_was_changed_since_it_was_read_is_not_removed(world: World) {
    let ada = world.made(account("ada", &[])).await;
    let mut changed = ada.clone();
    changed.description = "changed".to_owned();
    changed.version += 1;
    let change = world
        .store
        .change_account(&changed, ada.version, Attached::nothing());
    change.await.unwrap();
    let of = |version| Target {
        id: ada.id,
        version: Some(version),
    };
    let (old, current) = (of(ada.version), of(changed.version));
    let before = world.rows().await;
    let refused = world.store.remove_account(old, at(1), Attached::nothing());
    assert_eq!(refused.await.unwrap(), None);
    assert_eq!(world.rows().await, before);
    let removed = world
        .store
        .remove_account(current, at(1), Attached::nothing());
    assert_eq!(removed.await.unwrap().unwrap().state, State::Removed);
}

async fn an_account_that_may_less_loses_the_keys_that_it_does_not_cover(world: World) {
    let (one, two) = (world.project("one").await, world.project("two").await);
    let ada = account(
        "ada",
        &[(one, ProjectRole::Member), (two, ProjectRole::Member)],
    );
    let ada = world.made(ada).await;
    let mut texts = Vec::new();
    for (role, project) in [
        (Role::Viewer, one),
        (Role::Member, one),
        (Role::Viewer, two),
    ] {
        texts.push(world.key_text(key(&ada, role, Some(project))).await);
    }
    let before = world.store.end_of_changes().await.unwrap();
    let mut less = account("ada", &[(one, ProjectRole::Viewer)]);
    (less.id, less.version) = (ada.id, 1);
    world
        .store
        .change_account(&less, 0, Attached::nothing())
        .await
        .unwrap();
    for (text, is_good) in texts.iter().zip([true, false, false]) {
        assert_eq!(world.known(text).await.is_some(), is_good);
    }
    assert_eq!(keys(&world).await, 1);
    let filter = ChangeFilter::default();
    let changes = world.store.changes(before, &filter, 10).await.unwrap();
    let removed = changes
        .iter()
        .filter(|change| change.state == State::Removed)
        .map(|change| change.resource.resource_type);
    let removed: Vec<ResourceType> = removed.collect();
    assert_eq!(removed, [ResourceType::ApiKey, ResourceType::ApiKey]);
}

async fn an_account_that_may_as_much_keeps_its_keys(world: World) {
    let project = world.project("one").await;
    let ada = account("ada", &[(project, ProjectRole::Viewer)]);
    let ada = world.made(ada).await;
    let text = world.key_text(key(&ada, Role::Viewer, Some(project))).await;
    let mut more = account("lovelace", &[(project, ProjectRole::Member)]);
    (more.id, more.version) = (ada.id, 1);
    world
        .store
        .change_account(&more, 0, Attached::nothing())
        .await
        .unwrap();
    assert!(world.known(&text).await.is_some());
}

async fn an_account_changes_over_the_version_that_was_read_only(world: World) {
    let ada = world.made(account("ada", &[])).await;
    let changed = Resource {
        version: 8,
        ..ada.clone()
    };
    let outcome = world
        .store
        .change_account(&changed, 7, Attached::nothing())
        .await;
    assert!(matches!(outcome, Err(AccountError::VersionMoved)));
    assert_eq!(world.resource(&ada).await, Some(ada));
}

async fn an_account_that_is_removed_takes_its_keys_along(world: World) {
    let ada = world.made(operator("ada")).await;
    let bob = world.made(operator("bob")).await;
    let hers = world.key_text(key(&ada, Role::Operator, None)).await;
    let his = world.key_text(key(&bob, Role::Operator, None)).await;
    world
        .store
        .remove_account(ada.id, at(1), Attached::nothing())
        .await
        .unwrap()
        .unwrap();
    assert!(world.known(&hers).await.is_none());
    assert!(world.known(&his).await.is_some());
    assert_eq!(keys(&world).await, 1, "hers is removed, and listed as such");
    let (_, late) = NewKey::draft(key(&ada, Role::Operator, None)).unwrap();
    let refused = world.store.make_key(late, Attached::nothing()).await;
    assert!(matches!(
        refused,
        Err(KeyError::Missing(ResourceType::Account))
    ));
}

/// Whichever comes first, no key is left that its account does not cover.
async fn no_key_is_made_beside_what_is_taken_from_its_account(world: World) {
    let other = world.second_server().await;
    let project = world.project("one").await;
    for round in 0..5 {
        let name = format!("ada{round}");
        let ada = account(&name, &[(project, ProjectRole::Member)]);
        let ada = world.made(ada).await;
        let mut less = account(&name, &[]);
        (less.id, less.version) = (ada.id, 1);
        let drafts: Vec<_> = (0..4)
            .map(|_| NewKey::draft(key(&ada, Role::Member, Some(project))).unwrap())
            .collect();
        let (texts, drafts): (Vec<_>, Vec<_>) = drafts.into_iter().unzip();
        let making = join_all(
            drafts
                .into_iter()
                .map(|draft| world.store.make_key(draft, Attached::nothing())),
        );
        let (made, changed) =
            tokio::join!(making, other.change_account(&less, 0, Attached::nothing()));
        changed.unwrap();
        for made in made {
            assert!(
                matches!(made, Ok(_) | Err(KeyError::NotCovered)),
                "{made:?}"
            );
        }
        for text in texts {
            assert!(world.known(&text.into_text()).await.is_none());
        }
        assert_eq!(keys(&world).await, 0);
    }
}

async fn a_project_with_containers_is_not_removed(world: World) {
    let project = world.project("one").await;
    let mut inside = container("inside");
    inside.project = Some(project);
    world.insert(&inside).await;
    let outcome = world
        .store
        .remove_project(project, at(1), Attached::nothing())
        .await
        .unwrap();
    assert!(matches!(outcome, ProjectRemoval::InUse));
    let gone = Resource {
        state: State::Removed,
        removed: Some(NOW),
        version: 1,
        ..inside
    };
    assert!(world.rewrite(&gone, 0).await);
    let outcome = world
        .store
        .remove_project(project, at(1), Attached::nothing())
        .await
        .unwrap();
    assert!(matches!(outcome, ProjectRemoval::Removed(_)));
    let outcome = world
        .store
        .remove_project(project, at(2), Attached::nothing())
        .await
        .unwrap();
    assert!(matches!(outcome, ProjectRemoval::Missing));
}

async fn a_project_that_is_removed_takes_its_keys_along(world: World) {
    let (gone, stays) = (world.project("gone").await, world.project("stays").await);
    let ada = account(
        "ada",
        &[(gone, ProjectRole::Member), (stays, ProjectRole::Member)],
    );
    let ada = world.made(ada).await;
    let mut texts = Vec::new();
    for project in [gone, stays] {
        texts.push(world.key_text(key(&ada, Role::Member, Some(project))).await);
    }
    let before = world.store.end_of_changes().await.unwrap();
    world
        .store
        .remove_project(gone, at(1), Attached::nothing())
        .await
        .unwrap();
    assert!(world.known(&texts[0]).await.is_none());
    assert!(world.known(&texts[1]).await.is_some());
    let (_, late) = NewKey::draft(key(&ada, Role::Member, Some(gone))).unwrap();
    let refused = world.store.make_key(late, Attached::nothing()).await;
    assert!(matches!(
        refused,
        Err(KeyError::Missing(ResourceType::Project))
    ));
    let filter = ChangeFilter::default();
    let changes = world.store.changes(before, &filter, 10).await.unwrap();
    assert_eq!(changes.len(), 2, "the key and the project");
    assert!(before > Position::default());
    let Details::Account { spec, .. } = world.resource(&ada).await.unwrap().details else {
        panic!("an account")
    };
    assert_eq!(spec.memberships.len(), 2, "what is left names nothing");
}
