//! Credentials, the epochs of the lock service, and what is printed of secrets.

use std::collections::BTreeSet;
use std::error::Error;
use std::time::Duration;

use drover_domain::{ResourceId, Role, Timestamp};
use drover_store::{
    Attached, CredentialKind, Issued, Mutated, Presented, Store, StoreOptions, Verified, fresh,
};
use futures::future::join_all;
use uuid::Uuid;

use crate::support::{NOW, World};

facts! {
    what_is_issued_is_known_again,
    a_wrong_secret_is_refused,
    a_credential_is_good_for_its_kind_only,
    a_revoked_credential_is_refused_and_others_are_not,
    an_exchange_that_is_ended_leaves_the_new_credential_alone,
    an_exchange_that_nobody_ends_leaves_the_old_credential_as_it_was,
    an_exchange_that_ends_late_leaves_what_was_given_since,
    a_revoked_agent_has_no_credential_and_an_exchange_ends_in_nothing,
    no_secret_is_stored,
    epochs_grow_whoever_asks,
}

async fn is_known(store: &Store, kind: CredentialKind, text: &str) -> Option<Verified> {
    let presented = Presented::parse(kind, text).unwrap();
    store.verify(kind, &presented, NOW).await.unwrap()
}

async fn issue(store: &Store, kind: CredentialKind) -> Issued {
    store.issue(kind, None, Role::Operator, NOW).await.unwrap()
}

async fn what_is_issued_is_known_again(world: World) {
    let owner = fresh::resource_id();
    for (kind, role, owner) in [
        (CredentialKind::ApiKey, Role::Operator, None),
        (CredentialKind::RegistrationToken, Role::Agent, Some(owner)),
        (CredentialKind::Agent, Role::Agent, Some(owner)),
    ] {
        assert!(!world.store.has_credential(kind).await.unwrap());
        let issued = world.store.issue(kind, owner, role, NOW).await.unwrap();
        let id = issued.id();
        let verified = is_known(&world.store, kind, &issued.into_text()).await;
        let expected = Verified {
            id,
            owner,
            account: None,
            project: None,
            role,
            expires: None,
        };
        assert_eq!(verified, Some(expected));
        assert!(world.store.has_credential(kind).await.unwrap());
    }
}

async fn a_wrong_secret_is_refused(world: World) {
    let kind = CredentialKind::ApiKey;
    let text = issue(&world.store, kind).await.into_text();
    let other = issue(&world.store, kind).await.into_text();
    // A secret may have the separator in it.
    let secret = text.splitn(3, '_').nth(2).unwrap();
    let id = text.strip_suffix(secret).unwrap().trim_end_matches('_');
    let other_id = other.split('_').nth(1).unwrap();
    let wrong = [
        format!("{id}_"),
        format!("{text}x"),
        text[..text.len() - 1].to_owned(),
        format!("{id}_{}", secret.to_uppercase()),
        format!("drv_{other_id}_{secret}"),
        format!("drv_{}_{secret}", fresh::resource_id()),
    ];
    for text in wrong {
        assert_eq!(is_known(&world.store, kind, &text).await, None, "{text}");
    }
    assert!(is_known(&world.store, kind, &text).await.is_some());
}

async fn a_credential_is_good_for_its_kind_only(world: World) {
    let text = issue(&world.store, CredentialKind::Agent).await.into_text();
    assert!(Presented::parse(CredentialKind::ApiKey, &text).is_none());
    let disguised = text.replacen("dra_", "drv_", 1);
    let verified = is_known(&world.store, CredentialKind::ApiKey, &disguised).await;
    assert_eq!(verified, None);
}

async fn a_revoked_credential_is_refused_and_others_are_not(world: World) {
    let kind = CredentialKind::Agent;
    let (gone, stays) = (fresh::resource_id(), fresh::resource_id());
    let mut texts = Vec::new();
    for owner in [gone, gone, stays] {
        let issued = world.store.issue(kind, Some(owner), Role::Agent, NOW).await;
        texts.push(issued.unwrap().into_text());
    }
    world.store.revoke(gone).await.unwrap();
    for (text, is_good) in texts.iter().zip([false, false, true]) {
        let verified = is_known(&world.store, kind, text).await;
        assert_eq!(verified.is_some(), is_good);
    }
}

/// An agent with a credential.
async fn an_agent(world: &World) -> (ResourceId, String) {
    let agent = fresh::resource_id();
    let kind = CredentialKind::Agent;
    let issued = world.store.issue(kind, Some(agent), Role::Agent, NOW);
    (agent, issued.await.unwrap().into_text())
}

/// The id and the text of another credential for an agent.
async fn another(world: &World, agent: ResourceId, now: Timestamp) -> (Uuid, String) {
    let issued = world.store.begin_rotation(agent, now).await.unwrap();
    (issued.id(), issued.into_text())
}

async fn is_good(world: &World, text: &str, now: Timestamp) -> bool {
    let presented = Presented::parse(CredentialKind::Agent, text).unwrap();
    let verified = world.store.verify(CredentialKind::Agent, &presented, now);
    verified.await.unwrap().is_some()
}

fn much_later() -> Timestamp {
    NOW.after(Duration::from_secs(24 * 60 * 60))
}

async fn an_exchange_that_is_ended_leaves_the_new_credential_alone(world: World) {
    let (agent, old) = an_agent(&world).await;
    let (_, other) = an_agent(&world).await;
    let (_, lost) = another(&world, agent, NOW).await;
    let (id, new) = another(&world, agent, NOW).await;
    for text in [&old, &lost, &new] {
        assert!(is_good(&world, text, NOW).await, "both are valid meanwhile");
    }
    assert!(world.store.end_rotation(agent, id).await.unwrap());
    assert!(!is_good(&world, &old, NOW).await);
    assert!(!is_good(&world, &lost, NOW).await);
    assert!(is_good(&world, &new, much_later()).await, "it ends no more");
    assert!(is_good(&world, &other, NOW).await, "another agent's");
    assert!(world.store.end_rotation(agent, id).await.unwrap(), "again");
    assert!(is_good(&world, &new, much_later()).await);
}

async fn an_exchange_that_nobody_ends_leaves_the_old_credential_as_it_was(world: World) {
    let (agent, old) = an_agent(&world).await;
    let (id, new) = another(&world, agent, NOW).await;
    assert!(is_good(&world, &new, NOW).await);
    assert!(!is_good(&world, &new, much_later()).await);
    assert!(is_good(&world, &old, much_later()).await);
    // What has ended is not kept.
    another(&world, agent, much_later()).await;
    assert!(!world.store.end_rotation(agent, id).await.unwrap());
    assert!(is_good(&world, &old, much_later()).await);
}

/// As by a server that slept while another one began anew.
async fn an_exchange_that_ends_late_leaves_what_was_given_since(world: World) {
    let (agent, old) = an_agent(&world).await;
    let (earlier, first) = another(&world, agent, NOW).await;
    let (_, second) = another(&world, agent, NOW).await;
    assert!(world.store.end_rotation(agent, earlier).await.unwrap());
    assert!(!is_good(&world, &old, NOW).await);
    assert!(is_good(&world, &first, NOW).await);
    assert!(is_good(&world, &second, NOW).await, "the agent may have it");
}

async fn a_revoked_agent_has_no_credential_and_an_exchange_ends_in_nothing(world: World) {
    let (agent, old) = an_agent(&world).await;
    let (id, new) = another(&world, agent, NOW).await;
    let revoked = world.store.revoke_agent(agent, Attached::nothing());
    assert_eq!(revoked.await.unwrap(), Mutated::Done);
    assert!(!is_good(&world, &old, NOW).await);
    assert!(!is_good(&world, &new, NOW).await);
    assert!(!world.store.end_rotation(agent, id).await.unwrap());
    let other = fresh::resource_id();
    assert!(!world.store.end_rotation(other, id).await.unwrap());
}

async fn no_secret_is_stored(world: World) {
    let text = issue(&world.store, CredentialKind::ApiKey)
        .await
        .into_text();
    let secret = text.splitn(3, '_').nth(2).unwrap();
    let secret_in_hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let rows = format!("{:?}", world.rows().await).to_lowercase();
    assert!(!rows.contains(&secret.to_lowercase()));
    assert!(!rows.contains(&secret_in_hex));
}

async fn epochs_grow_whoever_asks(world: World) {
    let first = world.store.next_lock_epoch().await.unwrap();
    assert!(first > 0);
    let other = world.second_server().await;
    let asked = (0..20).map(|number| match number % 2 {
        0 => world.store.next_lock_epoch(),
        _ => other.next_lock_epoch(),
    });
    let epochs = join_all(asked).await;
    let epochs: BTreeSet<u32> = epochs.into_iter().map(Result::unwrap).collect();
    assert_eq!(epochs.len(), 20, "each is handed out once");
    assert!(epochs.first() > Some(&first));
    let later = world.second_server().await.next_lock_epoch().await.unwrap();
    assert!(Some(&later) > epochs.last());
}

#[tokio::test]
async fn no_secret_is_printed() {
    let world = World::over(crate::support::Database::sqlite()).await;
    let issued = issue(&world.store, CredentialKind::ApiKey).await;
    let printed = format!("{issued:?}");
    let text = issued.into_text();
    let secret = text.splitn(3, '_').nth(2).unwrap();
    assert!(!printed.contains(secret), "{printed}");
    world.store.close().await.unwrap();

    for url in [
        "postgres://drover:hunter2@127.0.0.1:1/drover",
        "postgres://drover:hunter2@127.0.0.1:none/drover",
        "postgres://drover:hunter2@[::/drover",
        "mysql://drover:hunter2@127.0.0.1/drover",
    ] {
        let options = StoreOptions::new(url);
        assert!(!format!("{options:?}").contains("hunter2"), "{url}");
        let error = match Store::connect(&options).await {
            Ok(store) => {
                assert!(!format!("{store:?}").contains("hunter2"), "{url}");
                store.next_lock_epoch().await.unwrap_err()
            }
            Err(error) => error,
        };
        let mut said = format!("{error:?}");
        let mut next: Option<&dyn Error> = Some(&error);
        while let Some(error) = next {
            said = format!("{said}\n{error}");
            next = error.source();
        }
        assert!(!said.contains("hunter2"), "{said}");
    }
}
