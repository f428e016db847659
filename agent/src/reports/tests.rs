use drover_proto::v1::seen_container::Health;

use super::*;

fn id() -> ResourceId {
    ResourceId::new(uuid::Uuid::from_u128(1))
}

fn seen(state: State, exit_code: Option<i32>) -> SeenContainer {
    SeenContainer {
        container_id: id().to_string(),
        state: state.into(),
        exit_code,
        ..SeenContainer::default()
    }
}

fn second() -> Duration {
    Duration::from_secs(2)
}

#[test]
fn an_end_that_nobody_ordered_is_reported_until_it_is_settled() {
    let reports = Reports::new();
    let now = Instant::now();
    reports.replied(id(), &seen(State::Running, None), Cause::Begin);
    reports.observed(id(), seen(State::Exited, Some(3)), now);
    let first = reports.due(now).reports;
    assert_eq!(first.len(), 1);
    assert!(
        reports.due(now).reports.is_empty(),
        "sent once a second only"
    );
    reports.answered(&first[0].id, false, now);
    assert_eq!(
        reports.due(now + second()).reports,
        first,
        "the same report again"
    );
    reports.answered(&first[0].id, true, now);
    assert!(reports.due(now + 4 * second()).reports.is_empty());
    reports.observed(id(), seen(State::Exited, Some(3)), now);
    assert!(
        reports.due(now + 8 * second()).reports.is_empty(),
        "told already"
    );
}

#[test]
fn what_a_reply_has_told_is_not_reported() {
    let reports = Reports::new();
    let now = Instant::now();
    reports.replied(id(), &seen(State::Exited, Some(143)), Cause::End);
    reports.observed(id(), seen(State::Exited, Some(143)), now);
    assert!(reports.due(now).reports.is_empty());
}

#[test]
fn a_later_reply_supersedes_a_report() {
    let reports = Reports::new();
    let now = Instant::now();
    reports.observed(id(), seen(State::Exited, Some(1)), now);
    reports.replied(id(), &seen(State::Running, None), Cause::Begin);
    assert!(reports.due(now).reports.is_empty());
    // A second run that ends in the same way is news again.
    reports.observed(id(), seen(State::Exited, Some(1)), now);
    assert_eq!(reports.due(now).reports.len(), 1);
}

#[test]
fn an_inspection_that_sees_the_end_does_not_replace_the_report_of_it() {
    let reports = Reports::new();
    let now = Instant::now();
    reports.observed(id(), seen(State::Exited, Some(1)), now);
    reports.replied(id(), &seen(State::Exited, Some(1)), Cause::Look);
    assert_eq!(reports.due(now).reports.len(), 1);
    let other = Reports::new();
    other.replied(id(), &seen(State::Exited, Some(1)), Cause::Look);
    other.observed(id(), seen(State::Exited, Some(1)), now);
    assert_eq!(other.due(now).reports.len(), 1);
}

#[test]
fn a_later_observation_supersedes_a_report() {
    let reports = Reports::new();
    let now = Instant::now();
    reports.observed(id(), seen(State::Exited, Some(1)), now);
    let first = reports.due(now).reports;
    reports.observed(id(), seen(State::Missing, None), now);
    let second = reports.due(now).reports;
    assert_eq!(second.len(), 1);
    assert_ne!(first[0].id, second[0].id);
    reports.answered(&first[0].id, true, now);
    assert_eq!(reports.due(now + self::second()).reports, second);
}

#[test]
fn an_inventory_is_due_on_connection_and_until_one_is_settled() {
    let reports = Reports::new();
    let now = Instant::now();
    assert!(reports.due(now).inventory.is_none());
    reports.connected(now);
    let first = reports.due(now).inventory.unwrap();
    assert!(reports.due(now).inventory.is_none());
    let later = now + second();
    let again = reports.due(later).inventory.unwrap();
    assert_ne!(first, again);
    reports.answered(&first, true, later);
    assert!(
        reports.due(later + 60 * second()).inventory.is_some(),
        "it was out of date"
    );
    let last = reports.books().inventory.sent.clone().unwrap();
    reports.answered(&last, true, later);
    assert!(reports.due(later + INVENTORY_EVERY / 3).inventory.is_none());
    assert!(
        reports.due(later + INVENTORY_EVERY).inventory.is_some(),
        "what was missed is found by the next one"
    );
}

#[test]
fn a_start_by_hand_is_reported_and_one_by_command_is_not() {
    let reports = Reports::new();
    let now = Instant::now();
    reports.replied(id(), &seen(State::Running, None), Cause::Begin);
    reports.observed(id(), seen(State::Running, None), now);
    assert!(reports.due(now).reports.is_empty());
    reports.replied(id(), &seen(State::Exited, Some(143)), Cause::End);
    reports.observed(id(), seen(State::Running, None), now);
    assert_eq!(reports.due(now).reports.len(), 1);
}

#[test]
fn a_start_whose_container_has_ended_in_time_for_the_reply_is_followed_by_a_report() {
    let reports = Reports::new();
    let now = Instant::now();
    let ended = || seen(State::Exited, Some(1));
    reports.observed(id(), ended(), now);
    let first = reports.due(now).reports;
    reports.answered(&first[0].id, true, now);
    // It is started again, and has ended in the same way before the reply is written.
    reports.replied(id(), &ended(), Cause::Begin);
    reports.observed(id(), ended(), now);
    assert_eq!(reports.due(now).reports.len(), 1);
}

#[test]
fn a_change_of_health_is_reported() {
    let reports = Reports::new();
    let now = Instant::now();
    let of_health = |health: Health| SeenContainer {
        health: health.into(),
        ..seen(State::Running, None)
    };
    reports.replied(id(), &of_health(Health::Starting), Cause::Begin);
    reports.observed(id(), of_health(Health::Healthy), now);
    let first = reports.due(now).reports;
    assert_eq!(first.len(), 1);
    reports.answered(&first[0].id, true, now);
    reports.observed(id(), of_health(Health::Healthy), now);
    assert!(reports.due(now + second()).reports.is_empty());
}

#[test]
fn more_ends_than_are_kept_become_one_inventory() {
    let reports = Reports::new();
    let now = Instant::now();
    for number in 0..=PENDING_LIMIT {
        let number = u128::try_from(number).unwrap();
        let one = ResourceId::new(uuid::Uuid::from_u128(number));
        reports.observed(one, seen(State::Exited, Some(0)), now);
    }
    let due = reports.due(now);
    assert_eq!(due.reports.len(), PENDING_LIMIT);
    assert!(due.inventory.is_some());
}
