//! Credentials that are exchanged and revoked.

use drover_store::clock::{Clock, SystemClock};

use crate::world::{Known, World};

/// The same agent with a new credential, which nobody has ended the exchange of.
async fn renewed(world: &World, agent: &Known) -> Known {
    let now = SystemClock.now();
    let issued = world.store.begin_rotation(agent.id, now).await.unwrap();
    Known {
        credential: issued.into_text(),
        ..agent.clone()
    }
}

#[tokio::test]
async fn a_credential_that_is_revoked_ends_its_connection_as_soon_as_the_server_is_told() {
    let world = World::begin_trusting().await;
    let agent = world.agent().await;
    let mut socket = world.socket(&agent).await;
    world.store.revoke(agent.id).await.unwrap();
    world.tell_credentials_changed(agent.host).await;
    let (code, reason) = socket.end().await.unwrap();
    assert_eq!(code, 1_008);
    assert!(reason.contains("not valid any more"), "{reason}");
    assert_eq!(world.refusal(&agent).await, Some(401));
}

#[tokio::test]
async fn a_connection_goes_on_as_long_as_its_credential_is_valid() {
    let world = World::begin_trusting().await;
    let agent = world.agent().await;
    let socket = world.socket(&agent).await;
    renewed(&world, &agent).await;
    world.tell_credentials_changed(agent.host).await;
    socket.be_good();
    let reply = world.ask(agent.host, crate::world::ping(), crate::world::SOON);
    assert!(reply.await.is_ok());
}

#[tokio::test]
async fn whoever_shows_a_new_credential_has_it_and_the_old_one_is_void_from_then_on() {
    let world = World::begin_trusting().await;
    let agent = world.agent().await;
    let unused = renewed(&world, &agent).await;
    let new = renewed(&world, &agent).await;
    // Both are valid until the new one is shown.
    drop(world.socket(&agent).await);
    let mut socket = world.socket(&new).await;
    assert_eq!(world.refusal(&agent).await, Some(401));
    assert_eq!(world.refusal(&unused).await, Some(401));
    world.tell_credentials_changed(agent.host).await;
    // It ends no more by itself, and can be exchanged again.
    let newer = renewed(&world, &new).await;
    let mut again = world.socket(&newer).await;
    assert_eq!(socket.end().await.unwrap().0, 1_001, "a newer connection");
    world.store.revoke(agent.id).await.unwrap();
    world.tell_credentials_changed(agent.host).await;
    assert_eq!(again.end().await.unwrap().0, 1_008);
}
