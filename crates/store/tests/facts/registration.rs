//! Registering agents: as many as the token says, each under its own key.

use drover_domain::lifecycle::Request;
use drover_domain::resource::{
    AgentSpec, AgentStatus, Details, RegistrationTokenSpec, RegistrationTokenStatus,
};
use drover_domain::write::Intent;
use drover_domain::{Phase, Resource, ResourceType, Role, State, Timestamp};
use drover_store::{
    ChangeFilter, CredentialKind, Position, Presented, Registered, Registering, RegistrationError,
    Store,
};
use futures::future::join_all;

use crate::support::{NOW, World, asked, at, capacity, host, resource};

facts! {
    an_agent_that_registers_is_there_with_its_host_and_their_processes,
    a_token_admits_as_many_agents_as_it_says,
    a_token_admits_as_many_agents_as_it_says_when_they_come_at_once,
    a_token_that_has_expired_admits_nobody,
    a_token_that_is_unknown_or_removed_admits_nobody,
    the_same_key_is_the_same_agent_with_a_new_credential,
    the_same_key_at_once_is_one_agent_with_one_credential,
    the_same_key_by_two_tokens_at_once_is_one_agent_with_one_credential,
    the_key_of_a_removed_host_is_refused,
    the_use_of_a_token_is_in_the_change_log,
}

/// A token in the database, as its text.
async fn a_token(world: &World, spec: RegistrationTokenSpec) -> (Resource, String) {
    let status = RegistrationTokenStatus::default();
    let details = Details::RegistrationToken { spec, status };
    let mut token = resource("token", State::Active, details);
    token.version = 1;
    world.insert(&token).await;
    let kind = CredentialKind::RegistrationToken;
    let issued = world
        .store
        .issue(kind, Some(token.id), Role::Agent, NOW)
        .await;
    (token, issued.unwrap().into_text())
}

async fn an_open_token(world: &World) -> String {
    a_token(world, RegistrationTokenSpec::default()).await.1
}

fn registering(token: &str, key: &str, now: Timestamp) -> Registering {
    let mut host = host("host");
    let spec = AgentSpec { host_id: host.id };
    let status = AgentStatus::default();
    let agent = resource("agent", State::Registering, Details::Agent { spec, status });
    host.state = State::Registering;
    let intent = |resource| Intent::to_create(resource, asked(Request::Register)).unwrap();
    Registering {
        token: Presented::parse(CredentialKind::RegistrationToken, token).unwrap(),
        agent_key: key.to_owned(),
        agent: intent(agent),
        host: intent(host),
        room: capacity(2_000, 4_096).into(),
        now,
    }
}

async fn register(store: &Store, token: &str, key: &str) -> Result<Registered, RegistrationError> {
    store.register(registering(token, key, NOW)).await
}

async fn is_good(store: &Store, credential: &str) -> bool {
    let kind = CredentialKind::Agent;
    let presented = Presented::parse(kind, credential).unwrap();
    store.verify(kind, &presented, NOW).await.unwrap().is_some()
}

async fn an_agent_that_registers_is_there_with_its_host_and_their_processes(world: World) {
    let token = an_open_token(&world).await;
    let asked = registering(&token, "key", NOW);
    let (agent, host) = (asked.agent.clone(), asked.host.clone());
    let registered = world.store.register(asked).await.unwrap();
    assert!(registered.is_new);
    assert_eq!(registered.agent, agent.resource.id);
    assert_eq!(registered.host, host.resource.id);
    for intent in [agent, host] {
        assert_eq!(
            world.resource(&intent.resource).await,
            Some(intent.resource)
        );
        let process = world.process(intent.process.id).await;
        assert_eq!(process.phase, Phase::Queued);
    }
    let rooms = world.store.rooms([registered.host]).await.unwrap();
    let (all, taken, containers) = rooms[&registered.host];
    assert_eq!(
        (all, taken, containers),
        (capacity(2_000, 4_096), capacity(0, 0), 0)
    );
    let kind = CredentialKind::Agent;
    let presented = Presented::parse(kind, &registered.credential.into_text()).unwrap();
    let verified = world
        .store
        .verify(kind, &presented, NOW)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (verified.owner, verified.role),
        (Some(registered.agent), Role::Agent)
    );
}

async fn a_token_admits_as_many_agents_as_it_says(world: World) {
    let spec = RegistrationTokenSpec {
        maximum_uses: Some(2),
        expires: None,
    };
    let (_, token) = a_token(&world, spec).await;
    register(&world.store, &token, "first").await.unwrap();
    register(&world.store, &token, "second").await.unwrap();
    let before = world.rows().await;
    let third = register(&world.store, &token, "third").await;
    assert!(matches!(third, Err(RegistrationError::Token)), "{third:?}");
    assert_eq!(world.rows().await, before, "who is refused leaves nothing");
    let again = register(&world.store, &token, "first").await.unwrap();
    assert!(!again.is_new, "who was admitted stays so");
}

async fn a_token_admits_as_many_agents_as_it_says_when_they_come_at_once(world: World) {
    let spec = RegistrationTokenSpec {
        maximum_uses: Some(3),
        expires: None,
    };
    let (token, text) = a_token(&world, spec).await;
    let other = world.second_server().await;
    let asked = (0..8).map(|number| {
        let store = if number % 2 == 0 {
            &world.store
        } else {
            &other
        };
        let asked = registering(&text, &format!("key-{number}"), NOW);
        store.register(asked)
    });
    let outcomes = join_all(asked).await;
    let admitted = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert_eq!(admitted, 3, "{outcomes:?}");
    for outcome in outcomes {
        assert!(matches!(outcome, Ok(_) | Err(RegistrationError::Token)));
    }
    let row = world.resource(&token).await.unwrap();
    let Details::RegistrationToken { status, .. } = row.details else {
        panic!("a token is a token");
    };
    assert_eq!(status.uses, 3);
}

async fn a_token_that_has_expired_admits_nobody(world: World) {
    let spec = RegistrationTokenSpec {
        maximum_uses: None,
        expires: Some(at(10)),
    };
    let (_, token) = a_token(&world, spec).await;
    let in_time = world.store.register(registering(&token, "a", at(9))).await;
    in_time.unwrap();
    let late = world.store.register(registering(&token, "b", at(10))).await;
    assert!(matches!(late, Err(RegistrationError::Token)), "{late:?}");
}

async fn a_token_that_is_unknown_or_removed_admits_nobody(world: World) {
    let (mut token, text) = a_token(&world, RegistrationTokenSpec::default()).await;
    let (id, _) = text.rsplit_once('_').unwrap();
    let wrong = register(&world.store, &format!("{id}_wrong"), "key").await;
    assert!(matches!(wrong, Err(RegistrationError::Token)), "{wrong:?}");
    token.removed = Some(NOW);
    token.state = State::Removed;
    token.version = 2;
    assert!(world.rewrite(&token, 1).await);
    let removed = register(&world.store, &text, "key").await;
    assert!(
        matches!(removed, Err(RegistrationError::Token)),
        "{removed:?}"
    );
}

async fn the_same_key_is_the_same_agent_with_a_new_credential(world: World) {
    let token = an_open_token(&world).await;
    let first = register(&world.store, &token, "key").await.unwrap();
    let stranger = register(&world.store, &token, "another key").await.unwrap();
    let again = register(&world.store, &token, "key").await.unwrap();
    assert!(!again.is_new);
    assert_eq!((again.agent, again.host), (first.agent, first.host));
    assert_ne!(again.agent, stranger.agent);
    assert!(!is_good(&world.store, &first.credential.into_text()).await);
    assert!(is_good(&world.store, &again.credential.into_text()).await);
    assert!(is_good(&world.store, &stranger.credential.into_text()).await);
    let agents = drover_store::ResourceFilter::all(ResourceType::Agent, 10);
    assert_eq!(world.store.resources(&agents).await.unwrap().len(), 2);
}

/// Registers one key several times at once, and looks at what becomes of it.
async fn assert_one_agent(world: &World, tokens: &[String]) {
    let other = world.second_server().await;
    for round in 0..5 {
        let key = format!("key-{round}");
        let known = register(&world.store, &tokens[0], &key).await.unwrap();
        let asked = (0..6).map(|number| {
            let store = if number % 2 == 0 {
                &world.store
            } else {
                &other
            };
            register(store, &tokens[number % tokens.len()], &key)
        });
        let mut good = 0;
        for outcome in join_all(asked).await {
            let registered = outcome.unwrap();
            assert_eq!(registered.agent, known.agent);
            let credential = registered.credential.into_text();
            good += usize::from(is_good(&world.store, &credential).await);
        }
        assert_eq!(good, 1, "one credential is good, in round {round}");
    }
}

async fn the_same_key_at_once_is_one_agent_with_one_credential(world: World) {
    let token = an_open_token(&world).await;
    assert_one_agent(&world, &[token]).await;
}

async fn the_same_key_by_two_tokens_at_once_is_one_agent_with_one_credential(world: World) {
    let tokens = [an_open_token(&world).await, an_open_token(&world).await];
    assert_one_agent(&world, &tokens).await;
}

async fn the_key_of_a_removed_host_is_refused(world: World) {
    let token = an_open_token(&world).await;
    let asked = registering(&token, "key", NOW);
    let mut host = asked.host.resource.clone();
    world.store.register(asked).await.unwrap();
    host.removed = Some(NOW);
    host.state = State::Removed;
    host.version += 1;
    assert!(world.rewrite(&host, host.version - 1).await);
    let before = world.rows().await;
    let refused = register(&world.store, &token, "key").await;
    assert!(
        matches!(refused, Err(RegistrationError::Removed)),
        "{refused:?}"
    );
    assert_eq!(world.rows().await, before);
}

async fn the_use_of_a_token_is_in_the_change_log(world: World) {
    let (token, text) = a_token(&world, RegistrationTokenSpec::default()).await;
    register(&world.store, &text, "key").await.unwrap();
    let row = world.resource(&token).await.unwrap();
    let filter = ChangeFilter {
        resource: Some(token.id),
        project: None,
    };
    let changes = world.store.changes(Position::default(), &filter, 10).await;
    let versions: Vec<_> = changes.unwrap().iter().map(|one| one.version).collect();
    assert_eq!(versions, [token.version, row.version]);
}
