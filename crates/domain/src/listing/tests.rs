//! What the language of lists means, over its texts.

use super::*;
use crate::ResourceType;

const CONTAINERS: Listed = Listed::Resource(ResourceType::Container);

fn parse(listed: Listed, query: &[(&str, &str)]) -> Result<Listing, BadQuery> {
    Listing::parse(listed, query.iter().copied())
}

fn conditions(query: &[(&str, &str)]) -> Vec<Condition> {
    parse(CONTAINERS, query).unwrap().selection.conditions
}

fn text(text: &str) -> Operand {
    Operand::Text(text.to_owned())
}

#[test]
fn a_condition_is_a_field_with_or_without_a_modifier() {
    let found = conditions(&[
        ("name", "web,1"),
        ("name_ne", "a"),
        ("name_in", "a, b"),
        ("state", "running,stopped"),
        ("hostId_null", "true"),
        ("exitCode_gte", "-1"),
        ("created_lt", "2026-11-21T00:00:00.5+01:00"),
        ("image_prefix", "drover/"),
    ]);
    let moment = Timestamp::from_millis(1_795_215_600_500);
    let expected = [
        (Subject::Name, Test::Equals(text("web,1"))),
        (Subject::Name, Test::Differs(text("a"))),
        (Subject::Name, Test::OneOf(vec![text("a"), text("b")])),
        (
            Subject::State,
            Test::OneOf(vec![text("running"), text("stopped")]),
        ),
        (Subject::Host, Test::IsNull),
        (
            Subject::Status("exitCode"),
            Test::AtLeast(Operand::Number(-1)),
        ),
        (Subject::Created, Test::Less(Operand::Moment(moment))),
        (Subject::Spec("image"), Test::Prefix("drover/".to_owned())),
    ];
    let expected = expected.map(|(subject, test)| Condition::new(subject, test));
    assert_eq!(found, expected);
}

use crate::Timestamp;

#[test]
fn what_is_malformed_or_unknown_is_refused_with_its_name() {
    for (name, value) in [
        ("colour", "red"),
        ("name_", "a"),
        ("name_is", "a"),
        ("name_null", "true"),
        ("state", "flying"),
        ("state_like", "r*"),
        ("id", "1"),
        ("id_gt", "01890000-0000-7000-8000-000000000000"),
        ("created", "yesterday"),
        ("created_like", "2026*"),
        ("exitCode", "one"),
        ("exitCode", "99999999999999999999"),
        ("hostId_null", "maybe"),
        ("name_like", "a\\b"),
        ("name_like", "*a*b*c*d*e*f*g*h*i*"),
        ("name", "a\0b"),
        ("removed", "2026-11-21T00:00:00Z"),
        ("limit", "0"),
        ("limit", "1001"),
        ("limit", "-1"),
        ("limit", ""),
        ("sort", "state"),
        ("sort", "--id"),
        ("sort", ""),
        ("include", "agent"),
        ("include", ""),
        ("fields", "name,,state"),
        ("labels", ""),
        ("labels", "a in b"),
        ("phase", "done"),
    ] {
        let refused = parse(CONTAINERS, &[(name, value)]);
        let refused = refused.expect_err(&format!("{name}={value} is refused"));
        assert_eq!(refused.field, name, "{refused}");
    }
    assert!(parse(Listed::Process, &[("labels", "a=b")]).is_err());
    assert!(parse(CONTAINERS, &[("limit", "1"), ("limit", "2")]).is_err());
}

#[test]
fn so_many_conditions_that_no_database_takes_them_are_refused() {
    let many = vec!["a=b"; 101].join(",");
    assert!(parse(CONTAINERS, &[("labels", &many)]).is_err());
}

#[test]
fn what_was_removed_is_listed_only_when_it_is_asked_for() {
    let with_removed = |query: &[(&str, &str)]| {
        let listing = parse(CONTAINERS, query).unwrap();
        listing.selection.with_removed
    };
    assert!(!with_removed(&[]));
    assert!(!with_removed(&[("state", "running")]));
    assert!(!with_removed(&[("removed_null", "true")]));
    assert!(!with_removed(&[("state_ne", "removed")]));
    assert!(with_removed(&[("removed", "true")]));
    assert!(with_removed(&[("state", "running,removed")]));
    assert!(with_removed(&[("removed_gt", "2026-11-21T00:00:00Z")]));
    assert!(!with_removed(&[("state", "removed"), ("removed", "false")]));
}

#[test]
fn pages_orders_and_what_is_shown_are_read() {
    let listing = parse(
        CONTAINERS,
        &[
            ("sort", "-created"),
            ("limit", "1000"),
            ("marker", "abc"),
            ("include", "host,process"),
            ("include", "host"),
            ("fields", "name, state"),
        ],
    );
    let listing = listing.unwrap();
    assert_eq!(listing.selection.order.to_string(), "-created");
    assert_eq!(listing.limit, 1_000);
    assert_eq!(listing.marker.as_deref(), Some("abc"));
    let included: Vec<&str> = listing.shown.include.iter().map(|link| link.name).collect();
    assert_eq!(included, ["host", "process"]);
    assert_eq!(listing.shown.fields, ["name", "state"]);
}

#[test]
fn a_star_stands_for_any_text_unless_it_is_escaped() {
    let pattern = |text: &str| match &conditions(&[("name_like", text)])[0].test {
        Test::Like(Pattern(parts)) => parts.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(pattern("web"), ["web"]);
    assert_eq!(pattern("*web**1*"), ["", "web", "1", ""]);
    assert_eq!(pattern("100%_\\*\\\\"), ["100%_*\\"]);
}

#[test]
fn no_name_stands_twice_in_the_table_of_a_type() {
    let every = ResourceType::ALL.iter().copied().map(Listed::Resource);
    for listed in every.chain([Listed::Process]) {
        let mut names: Vec<&str> = listed.fields().map(|field| field.name).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count, "{listed:?}");
        assert!(names.iter().all(|name| !name.contains('_')));
        assert!(listed.sorts().any(|field| field == listed.id()));
    }
}
