//! Credentials for registries: their passwords are sealed, open for their own row only, and go with it.

use drover_domain::resource::{Details, RegistryCredentialSpec};
use drover_domain::{Resource, ResourceId, ResourceType, State};
use drover_store::{
    Attached, Mutated, RegistryCredentialError, RegistryLogin, SealError, Store, fresh,
};

use sea_orm::ConnectionTrait;

use crate::support::{NOW, World, resource};

facts! {
    a_password_is_read_by_whoever_has_the_key_and_by_nobody_else,
    a_project_has_one_credential_for_a_registry,
    a_password_is_changed_with_the_name_over_the_version_that_was_read,
    a_password_goes_with_its_credential,
    what_an_old_key_sealed_is_sealed_anew,
    a_sealed_password_that_is_moved_to_another_row_does_not_open,
}

/// 32 bytes each, in base64.
const OLD: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
const NEW: &str = "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=";
const PASSWORD: &str = "hunter2-of-a-registry";

fn credential(project: ResourceId, registry: &str) -> Resource {
    let spec = RegistryCredentialSpec {
        registry: registry.to_owned(),
        username: "robot".to_owned(),
    };
    Resource {
        project: Some(project),
        ..resource("", State::Active, Details::RegistryCredential { spec })
    }
}

async fn make(
    store: &Store,
    credential: &Resource,
    password: &str,
) -> Result<Mutated, RegistryCredentialError> {
    let attached = Attached::nothing();
    store
        .make_registry_credential(credential, password, attached)
        .await
}

fn login(username: &str, password: &str) -> Option<RegistryLogin> {
    Some(RegistryLogin {
        username: username.to_owned(),
        password: password.to_owned(),
    })
}

fn sealed_by(error: RegistryCredentialError) -> SealError {
    match error {
        RegistryCredentialError::Seal(error) => error,
        other => panic!("{other}"),
    }
}

async fn a_password_is_read_by_whoever_has_the_key_and_by_nobody_else(world: World) {
    let project = fresh::resource_id();
    let with_key = world.server_with_keys(OLD).await;
    let made = credential(project, "docker.io");
    assert!(make(&with_key, &made, PASSWORD).await.unwrap().is_done());
    let read = with_key.registry_login(project, "docker.io").await.unwrap();
    assert_eq!(read, login("robot", PASSWORD));
    assert!(!format!("{read:?}").contains(PASSWORD));
    for (project, registry) in [(project, "quay.io"), (fresh::resource_id(), "docker.io")] {
        let none = with_key.registry_login(project, registry).await.unwrap();
        assert_eq!(none, None);
    }
    let rows = format!("{:?}", world.rows().await).to_lowercase();
    assert!(rows.contains("docker.io"), "{rows}");
    let hex: String = PASSWORD.bytes().map(|byte| format!("{byte:02x}")).collect();
    let bytes = format!("{:?}", PASSWORD.as_bytes());
    for text in [PASSWORD, &hex, bytes.trim_matches(['[', ']'])] {
        assert!(!rows.contains(text), "it is there: {rows}");
    }
    let refused = world.store.registry_login(project, "docker.io").await;
    assert_eq!(sealed_by(refused.unwrap_err()), SealError::NoKey);
    let other = credential(project, "quay.io");
    let refused = make(&world.store, &other, PASSWORD).await.unwrap_err();
    assert_eq!(sealed_by(refused), SealError::NoKey);
    assert!(
        world.resource(&other).await.is_none(),
        "nothing is left of it"
    );
    let stranger = world.server_with_keys(NEW).await;
    let refused = stranger.registry_login(project, "docker.io").await;
    assert_eq!(sealed_by(refused.unwrap_err()), SealError::OtherKey);
    for store in [with_key, stranger] {
        store.close().await.unwrap();
    }
}

async fn a_project_has_one_credential_for_a_registry(world: World) {
    let (one, other) = (fresh::resource_id(), fresh::resource_id());
    let store = world.server_with_keys(OLD).await;
    make(&store, &credential(one, "docker.io"), "a")
        .await
        .unwrap();
    make(&store, &credential(other, "docker.io"), "b")
        .await
        .unwrap();
    make(&store, &credential(one, "quay.io"), "c")
        .await
        .unwrap();
    let second = credential(one, "docker.io");
    let taken = make(&store, &second, "d").await.unwrap_err();
    assert!(matches!(taken, RegistryCredentialError::RegistryTaken));
    assert!(world.resource(&second).await.is_none());
    let read = store.registry_login(one, "docker.io").await.unwrap();
    assert_eq!(read, login("robot", "a"));
    store.close().await.unwrap();
}

async fn a_password_is_changed_with_the_name_over_the_version_that_was_read(world: World) {
    let project = fresh::resource_id();
    let store = world.server_with_keys(OLD).await;
    let made = credential(project, "docker.io");
    make(&store, &made, "wrong").await.unwrap();
    let mut changed = made.clone();
    changed.version += 1;
    if let Details::RegistryCredential { spec } = &mut changed.details {
        spec.username = "person".to_owned();
    }
    let set = store.set_registry_login(&changed, made.version, "right", Attached::nothing());
    assert_eq!(set.await.unwrap(), Mutated::Done);
    let set = store.set_registry_login(&changed, made.version, "late", Attached::nothing());
    assert_eq!(set.await.unwrap(), Mutated::Moved);
    let read = store.registry_login(project, "docker.io").await.unwrap();
    assert_eq!(read, login("person", "right"));
    assert_eq!(world.resource(&made).await, Some(changed));
    store.close().await.unwrap();
}

async fn a_password_goes_with_its_credential(world: World) {
    let project = fresh::resource_id();
    let store = world.server_with_keys(OLD).await;
    let made = credential(project, "docker.io");
    make(&store, &made, PASSWORD).await.unwrap();
    let removed = store.remove_registry_credential(made.id, NOW, Attached::nothing());
    assert_eq!(removed.await.unwrap().unwrap().state, State::Removed);
    let removed = store.remove_registry_credential(made.id, NOW, Attached::nothing());
    assert!(removed.await.unwrap().is_none());
    let none = store.registry_login(project, "docker.io").await.unwrap();
    assert_eq!(none, None);
    let again = credential(project, "docker.io");
    assert!(make(&store, &again, "new").await.unwrap().is_done());
    let kind = ResourceType::RegistryCredential;
    let read = store.resource(kind, made.id).await.unwrap();
    assert!(read.is_some(), "what was removed stays readable");
    store.close().await.unwrap();
}

async fn what_an_old_key_sealed_is_sealed_anew(world: World) {
    let project = fresh::resource_id();
    let before = world.server_with_keys(OLD).await;
    for registry in ["docker.io", "quay.io"] {
        let made = credential(project, registry);
        make(&before, &made, PASSWORD).await.unwrap();
    }
    let both = world.server_with_keys(&format!("{NEW}\n{OLD}")).await;
    let read = both.registry_login(project, "docker.io").await.unwrap();
    assert_eq!(read, login("robot", PASSWORD));
    assert_eq!(both.reseal().await.unwrap(), 2);
    assert_eq!(both.reseal().await.unwrap(), 0, "it is done already");
    let after = world.server_with_keys(NEW).await;
    let read = after.registry_login(project, "quay.io").await.unwrap();
    assert_eq!(read, login("robot", PASSWORD));
    let refused = before.registry_login(project, "quay.io").await;
    assert_eq!(sealed_by(refused.unwrap_err()), SealError::OtherKey);
    // What cannot be opened is left, and keeps nobody from going on.
    assert_eq!(before.reseal().await.unwrap(), 0);
    for store in [before, both, after] {
        store.close().await.unwrap();
    }
}

async fn a_sealed_password_that_is_moved_to_another_row_does_not_open(world: World) {
    let (one, other) = (fresh::resource_id(), fresh::resource_id());
    let store = world.server_with_keys(OLD).await;
    make(&store, &credential(one, "docker.io"), PASSWORD)
        .await
        .unwrap();
    make(&store, &credential(other, "evil.example"), "x")
        .await
        .unwrap();
    let moved = "UPDATE registry_secret SET sealed = \
                 (SELECT sealed FROM registry_secret WHERE registry = 'docker.io') \
                 WHERE registry = 'evil.example'";
    let connection = world.database.connection().await;
    connection.execute_unprepared(moved).await.unwrap();
    connection.close().await.unwrap();
    let refused = store.registry_login(other, "evil.example").await;
    assert_eq!(sealed_by(refused.unwrap_err()), SealError::Broken);
    store.close().await.unwrap();
}
