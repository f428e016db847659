//! API keys: what they are good for, and when they end.

use std::time::Duration;

use anyhow::ensure;
use drover_domain::resource::{Details, ProjectRole};
use drover_domain::{ResourceType, Role, State, Timestamp};
use drover_scenarios::until::until;
use drover_store::{Attached, CredentialKind, KeyError, NewKey, Presented, Verified};

use crate::support::{NOW, World, account, at, key, operator};

facts! {
    a_key_is_good_for_what_it_says,
    a_key_is_never_more_than_its_account,
    a_key_that_has_expired_is_refused,
    a_key_that_is_removed_is_refused_by_every_server,
    the_first_key_comes_with_its_account_or_not_at_all,
    the_last_use_of_a_key_is_written_down_once_a_minute,
}

async fn a_key_is_good_for_what_it_says(world: World) {
    let project = world.project("one").await;
    let ada = account("ada", &[(project, ProjectRole::Member)]);
    let ada = world.made(ada).await;
    let wanted = key(&ada, Role::Viewer, Some(project));
    let text = world.key_text(wanted.clone()).await;
    let expected = Verified {
        id: wanted.id.uuid(),
        owner: Some(wanted.id),
        account: Some(ada.id),
        project: Some(project),
        role: Role::Viewer,
        expires: None,
    };
    assert_eq!(world.known(&text).await, Some(expected));
    assert_eq!(world.resource(&wanted).await, Some(wanted));
}

async fn a_key_is_never_more_than_its_account(world: World) {
    let (own, foreign) = (world.project("own").await, world.project("foreign").await);
    let ada = account("ada", &[(own, ProjectRole::Viewer)]);
    let ada = world.made(ada).await;
    let before = world.rows().await;
    for (role, project) in [
        (Role::Member, Some(own)),
        (Role::Operator, Some(own)),
        (Role::Viewer, Some(foreign)),
        (Role::Viewer, None),
    ] {
        let (_, new) = NewKey::draft(key(&ada, role, project)).unwrap();
        let refused = world.store.make_key(new, Attached::nothing()).await;
        assert!(matches!(refused, Err(KeyError::NotCovered)), "{refused:?}");
    }
    assert_eq!(world.rows().await, before);
}

async fn a_key_that_has_expired_is_refused(world: World) {
    let ada = world.made(operator("ada")).await;
    let mut short = key(&ada, Role::Operator, None);
    if let Details::ApiKey { spec, .. } = &mut short.details {
        spec.expires = Some(at(10));
    }
    let text = world.key_text(short).await;
    let kind = CredentialKind::ApiKey;
    let presented = Presented::parse(kind, &text).unwrap();
    for (moment, is_good) in [(at(9), true), (at(10), false), (at(11), false)] {
        let verified = world.store.verify(kind, &presented, moment).await.unwrap();
        assert_eq!(verified.is_some(), is_good);
    }
}

async fn a_key_that_is_removed_is_refused_by_every_server(world: World) {
    let other = world.second_server().await;
    let ada = world.made(operator("ada")).await;
    let wanted = key(&ada, Role::Operator, None);
    let text = world.key_text(wanted.clone()).await;
    let kind = CredentialKind::ApiKey;
    let presented = Presented::parse(kind, &text).unwrap();
    assert!(other.verify(kind, &presented, NOW).await.unwrap().is_some());
    let removed = world
        .store
        .remove_key(wanted.id, at(1), Attached::nothing())
        .await
        .unwrap();
    assert_eq!(removed.unwrap().state, State::Removed);
    assert!(other.verify(kind, &presented, NOW).await.unwrap().is_none());
    assert!(world.known(&text).await.is_none());
    assert!(
        other
            .remove_key(wanted.id, at(2), Attached::nothing())
            .await
            .unwrap()
            .is_none()
    );
    let account = world
        .store
        .remove_key(ada.id, at(2), Attached::nothing())
        .await
        .unwrap();
    assert!(account.is_none(), "an account is no key");
}

async fn the_first_key_comes_with_its_account_or_not_at_all(world: World) {
    let first = operator("operator");
    let (issued, new) = NewKey::draft(key(&first, Role::Operator, None)).unwrap();
    assert!(world.store.make_first_key(&first, new).await.unwrap());
    assert!(world.known(&issued.into_text()).await.is_some());
    let second = operator("operator");
    let (issued, new) = NewKey::draft(key(&second, Role::Operator, None)).unwrap();
    assert!(!world.store.make_first_key(&second, new).await.unwrap());
    assert!(world.known(&issued.into_text()).await.is_none());
}

async fn the_last_use_of_a_key_is_written_down_once_a_minute(world: World) {
    let ada = world.made(operator("ada")).await;
    let wanted = key(&ada, Role::Operator, None);
    let text = world.key_text(wanted.clone()).await;
    let kind = CredentialKind::ApiKey;
    let presented = Presented::parse(kind, &text).unwrap();
    let last_use = async || {
        let uses = world.store.last_uses(&[wanted.id]).await.unwrap();
        uses.get(&wanted.id).copied()
    };
    let written = async |moment: Timestamp| {
        until("the use is written", Duration::from_secs(20), || async {
            let last = last_use().await;
            ensure!(last == Some(moment), "it is {last:?}");
            Ok(())
        })
        .await
        .unwrap();
    };
    assert_eq!(last_use().await, None);
    for moment in [at(0), at(1), at(2)] {
        world.store.verify(kind, &presented, moment).await.unwrap();
    }
    written(at(2)).await;
    world.store.verify(kind, &presented, at(61)).await.unwrap();
    world.store.verify(kind, &presented, at(63)).await.unwrap();
    written(at(63)).await;
    assert_eq!(wanted.resource_type(), ResourceType::ApiKey);
}
