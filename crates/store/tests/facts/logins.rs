//! Passwords, logins and sessions.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use drover_domain::{Resource, ResourceId, Timestamp};
use drover_store::{
    Attached, Attempt, FAILURES_OF_A_NAME, FAILURES_OF_AN_ADDRESS, LoggedIn, LoginError,
    LoginFilter, LoginOutcome, Mutated, NewPassword, SessionText, Store, WINDOW,
};
use futures::future::join_all;

use crate::support::{NOW, World, account, at, operator};

facts! {
    whoever_knows_the_password_gets_a_session,
    a_session_ends_by_itself_and_at_once,
    an_account_without_a_password_cannot_log_in,
    a_new_password_ends_the_other_sessions,
    an_account_that_may_less_loses_its_sessions,
    no_password_and_no_session_is_stored,
    every_attempt_is_in_the_history,
    a_name_that_failed_too_often_is_held_back_on_every_server,
    as_many_attempts_come_through_at_once_as_one_after_the_other,
    a_success_forgives_what_was_mistyped_before,
    an_address_that_failed_too_often_is_held_back_whatever_it_tries,
    what_is_old_is_forgotten,
}

const PASSWORD: &str = "correct horse";
const LIFETIME: Duration = Duration::from_secs(3_600);

fn attempt(name: &str, password: &str, now: Timestamp) -> Attempt {
    Attempt {
        name: name.to_owned(),
        password: password.to_owned(),
        from: Some(IpAddr::from([192, 0, 2, 1])),
        user_agent: Some("a-browser/1".to_owned()),
        now,
    }
}

async fn log_in(store: &Store, password: &str, now: Timestamp) -> Result<LoggedIn, LoginError> {
    store.log_in(attempt("ada", password, now), LIFETIME).await
}

/// The account `ada`, with a password.
async fn ada(world: &World) -> Resource {
    let ada = operator("ada");
    let password = Some(PASSWORD.to_owned());
    world
        .store
        .make_account(&ada, password, Attached::nothing())
        .await
        .unwrap();
    ada
}

async fn is_open(world: &World, text: &SessionText) -> bool {
    world.store.session(text, at(1)).await.unwrap().is_some()
}

async fn history(world: &World, account: Option<ResourceId>) -> Vec<LoginOutcome> {
    let filter = LoginFilter {
        account,
        before: None,
        limit: 1_000,
    };
    let logins = world.store.logins(&filter).await.unwrap();
    logins.into_iter().map(|login| login.outcome).collect()
}

async fn whoever_knows_the_password_gets_a_session(world: World) {
    let ada = ada(&world).await;
    let other = world.second_server().await;
    let refused = log_in(&world.store, "correct Horse", NOW).await;
    assert!(matches!(refused, Err(LoginError::Refused)), "{refused:?}");
    let logged_in = log_in(&world.store, PASSWORD, NOW).await.unwrap();
    assert_eq!(logged_in.account, ada);
    let shown = SessionText::parse(&logged_in.text.reveal()).unwrap();
    let (session, account) = other.session(&shown, at(1)).await.unwrap().unwrap();
    assert_eq!(session, logged_in.session);
    assert_eq!(account, ada);
    assert_eq!(session.from.as_deref(), Some("192.0.2.1"));
    let wrong = format!("{}x", logged_in.text.reveal());
    assert!(!is_open(&world, &SessionText::parse(&wrong).unwrap()).await);
    let logins = world.store.last_logins(&[ada.id]).await.unwrap();
    assert_eq!(logins, HashMap::from([(ada.id, NOW)]));
}

async fn a_session_ends_by_itself_and_at_once(world: World) {
    ada(&world).await;
    let other = world.second_server().await;
    let logged_in = log_in(&world.store, PASSWORD, NOW).await.unwrap();
    let at_the_end = NOW.after(LIFETIME);
    let over = world.store.session(&logged_in.text, at_the_end).await;
    assert!(over.unwrap().is_none());
    assert!(is_open(&world, &logged_in.text).await);
    assert!(end_session(&other, logged_in.session.id).await);
    assert!(!is_open(&world, &logged_in.text).await);
    assert!(!end_session(&other, logged_in.session.id).await);
}

async fn an_account_without_a_password_cannot_log_in(world: World) {
    let ada = world.made(operator("ada")).await;
    assert!(!world.store.has_password(ada.id).await.unwrap());
    for password in ["", PASSWORD] {
        let refused = log_in(&world.store, password, NOW).await;
        assert!(matches!(refused, Err(LoginError::Refused)), "{refused:?}");
    }
}

async fn a_new_password_ends_the_other_sessions(world: World) {
    let ada = ada(&world).await;
    let stays = log_in(&world.store, PASSWORD, NOW).await.unwrap();
    let ends = log_in(&world.store, PASSWORD, NOW).await.unwrap();
    let new = NewPassword {
        account: ada.id,
        stays: Some(stays.session.id),
        now: at(1),
    };
    let set = world
        .store
        .set_password(new, "battery staple".to_owned(), Attached::nothing());
    assert_eq!(set.await.unwrap(), Mutated::Done);
    assert!(is_open(&world, &stays.text).await);
    assert!(!is_open(&world, &ends.text).await);
    let old = world
        .store
        .confirm_password(attempt("ada", PASSWORD, at(2)));
    assert!(matches!(old.await, Err(LoginError::Refused)));
    let confirm = attempt("ada", "battery staple", at(3));
    world.store.confirm_password(confirm).await.unwrap();
    world
        .store
        .remove_account(ada.id, at(4), Attached::nothing())
        .await
        .unwrap();
    let set = world
        .store
        .set_password(new, PASSWORD.to_owned(), Attached::nothing());
    assert_eq!(set.await.unwrap(), Mutated::Moved, "nobody is there");
}

async fn an_account_that_may_less_loses_its_sessions(world: World) {
    let ada = ada(&world).await;
    let logged_in = log_in(&world.store, PASSWORD, NOW).await.unwrap();
    let renamed = Resource {
        description: "the first one".to_owned(),
        version: 1,
        ..ada.clone()
    };
    world
        .store
        .change_account(&renamed, 0, Attached::nothing())
        .await
        .unwrap();
    assert!(is_open(&world, &logged_in.text).await);
    let mut less = account("ada", &[]);
    (less.id, less.version) = (ada.id, 2);
    world
        .store
        .change_account(&less, 1, Attached::nothing())
        .await
        .unwrap();
    assert!(!is_open(&world, &logged_in.text).await);
    let again = log_in(&world.store, PASSWORD, NOW).await.unwrap();
    world
        .store
        .remove_account(ada.id, at(1), Attached::nothing())
        .await
        .unwrap();
    assert!(!is_open(&world, &again.text).await);
    let gone = log_in(&world.store, PASSWORD, NOW).await;
    assert!(matches!(gone, Err(LoginError::Refused)), "{gone:?}");
}

async fn no_password_and_no_session_is_stored(world: World) {
    ada(&world).await;
    let logged_in = log_in(&world.store, PASSWORD, NOW).await.unwrap();
    let text = logged_in.text.reveal();
    let (_, secret) = text.split_once('_').unwrap();
    let rows = format!("{:?}", world.rows().await);
    for secret in [PASSWORD, secret, &logged_in.text.token()] {
        let in_hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
        assert!(!rows.contains(secret), "{secret}");
        assert!(!rows.to_lowercase().contains(&in_hex), "{secret}");
    }
    let printed = format!("{logged_in:?} {:?}", attempt("ada", PASSWORD, NOW));
    assert!(!printed.contains(secret) && !printed.contains(PASSWORD));
}

async fn every_attempt_is_in_the_history(world: World) {
    let ada = ada(&world).await;
    let unknown = attempt("nobody", PASSWORD, NOW);
    drop(world.store.log_in(unknown, LIFETIME).await.unwrap_err());
    drop(log_in(&world.store, "wrong", NOW).await.unwrap_err());
    log_in(&world.store, PASSWORD, NOW).await.unwrap();
    let confirmed = attempt("ada", PASSWORD, NOW);
    world.store.confirm_password(confirmed).await.unwrap();
    use LoginOutcome::{Confirmed, Failed, Succeeded};
    let all = history(&world, None).await;
    assert_eq!(all, [Confirmed, Succeeded, Failed, Failed]);
    let hers = history(&world, Some(ada.id)).await;
    assert_eq!(hers, [Confirmed, Succeeded, Failed]);
    let first = LoginFilter {
        limit: 1,
        ..LoginFilter::default()
    };
    let newest = world.store.logins(&first).await.unwrap().remove(0);
    assert_eq!(newest.name, "ada");
    assert_eq!(newest.user_agent.as_deref(), Some("a-browser/1"));
    let next = LoginFilter {
        before: Some(newest.id),
        ..first
    };
    let next = world.store.logins(&next).await.unwrap();
    assert_eq!(next[0].outcome, Succeeded);
}

async fn a_name_that_failed_too_often_is_held_back_on_every_server(world: World) {
    ada(&world).await;
    let other = world.second_server().await;
    for number in 0..FAILURES_OF_A_NAME {
        let store = [&world.store, &other][number as usize % 2];
        let refused = log_in(store, "wrong", at(number as i64)).await;
        assert!(matches!(refused, Err(LoginError::Refused)), "{refused:?}");
    }
    for store in [&world.store, &other] {
        let Err(LoginError::Throttled { retry_after }) = log_in(store, PASSWORD, at(10)).await
        else {
            panic!("it is held back, right or wrong")
        };
        assert_eq!(retry_after, WINDOW - Duration::from_secs(10));
    }
    let tried = history(&world, None).await;
    assert_eq!(
        tried.len() as u64,
        FAILURES_OF_A_NAME,
        "no row for the rest"
    );
    let later = NOW.after(WINDOW);
    log_in(&world.store, PASSWORD, later).await.unwrap();
}

async fn as_many_attempts_come_through_at_once_as_one_after_the_other(world: World) {
    ada(&world).await;
    let other = world.second_server().await;
    let attempts = (0..20).map(|number| log_in([&world.store, &other][number % 2], "wrong", NOW));
    let outcomes = join_all(attempts).await;
    let refused = outcomes
        .iter()
        .filter(|outcome| matches!(outcome, Err(LoginError::Refused)));
    assert!(refused.count() as u64 <= FAILURES_OF_A_NAME, "{outcomes:?}");
}

async fn a_success_forgives_what_was_mistyped_before(world: World) {
    ada(&world).await;
    for number in 1..FAILURES_OF_A_NAME {
        let refused = log_in(&world.store, "wrong", at(number as i64)).await;
        assert!(matches!(refused, Err(LoginError::Refused)), "{refused:?}");
    }
    log_in(&world.store, PASSWORD, at(10)).await.unwrap();
    let refused = log_in(&world.store, "wrong", at(11)).await;
    assert!(matches!(refused, Err(LoginError::Refused)), "{refused:?}");
    log_in(&world.store, PASSWORD, at(12)).await.unwrap();
}

async fn an_address_that_failed_too_often_is_held_back_whatever_it_tries(world: World) {
    ada(&world).await;
    for number in 0..FAILURES_OF_AN_ADDRESS {
        let guess = attempt(&format!("guess{number}"), PASSWORD, at(number as i64));
        let refused = world.store.log_in(guess, LIFETIME).await;
        assert!(matches!(refused, Err(LoginError::Refused)), "{refused:?}");
    }
    let held = log_in(&world.store, PASSWORD, at(30)).await;
    assert!(
        matches!(held, Err(LoginError::Throttled { .. })),
        "{held:?}"
    );
    let elsewhere = Attempt {
        from: Some(IpAddr::from([192, 0, 2, 2])),
        ..attempt("ada", PASSWORD, at(30))
    };
    world.store.log_in(elsewhere, LIFETIME).await.unwrap();
}

async fn what_is_old_is_forgotten(world: World) {
    ada(&world).await;
    let old = log_in(&world.store, PASSWORD, at(0)).await.unwrap();
    let new = log_in(&world.store, PASSWORD, at(1)).await.unwrap();
    assert_eq!(world.store.forget_logins(at(1), 10).await.unwrap(), 1);
    assert_eq!(history(&world, None).await.len(), 1);
    let end = new.session.expires;
    assert_eq!(world.store.forget_sessions(end, 10).await.unwrap(), 1);
    assert!(!is_open(&world, &old.text).await);
    assert!(is_open(&world, &new.text).await);
}

async fn end_session(store: &Store, id: uuid::Uuid) -> bool {
    store.end_session(id, Attached::nothing()).await.unwrap()
}
