//! What a selector selects, and how it is written.

use super::*;

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    pairs.iter().map(owned).collect()
}

#[test]
fn a_selector_selects_what_meets_all_of_it() {
    let own = labels(&[
        ("team", "x"),
        ("tier", "a"),
        ("odd,key", "v\"w"),
        ("empty", ""),
    ]);
    for (selector, selects) in [
        ("team=x", true),
        ("team==x", true),
        (" team = x , tier = a ", true),
        ("team=x,tier=b", false),
        ("team!=x", false),
        ("env!=prod", true),
        ("tier in (a,b)", true),
        ("tier in (b)", false),
        ("tier notin (b, c)", true),
        ("tier notin (a)", false),
        ("zone notin (c)", true),
        ("zone in (c)", false),
        ("team", true),
        ("zone", false),
        ("!zone", true),
        ("! team", false),
        ("empty=", true),
        ("\"odd,key\"=\"v\\\"w\"", true),
        ("tier in (\"a\")", true),
        ("in in (x)", false),
    ] {
        let parsed = Selector::parse(selector).unwrap();
        assert_eq!(parsed.selects(&own), selects, "{selector}");
    }
}

#[test]
fn a_malformed_selector_is_refused() {
    for selector in [
        "",
        ",",
        "team=x,",
        "=x",
        "!",
        "team in",
        "team in (",
        "team in a",
        "team in (a",
        "a b",
        "a!b",
        "a=(b)",
        "a)",
        "\"a",
        "a in (b) c",
        "!a=b",
        "\"a\0b\"",
    ] {
        assert!(Selector::parse(selector).is_err(), "{selector}");
    }
}

#[test]
fn a_selector_is_written_as_it_is_read() {
    for text in [
        "team=x",
        "team!=x,tier in (a,b),zone notin (c),canary,!legacy",
        "\"odd,key\"=\"v\\\"w\"",
        "\"a b\"",
        "path=a/b.c:1",
        "empty=",
    ] {
        let parsed = Selector::parse(text).unwrap();
        assert_eq!(parsed.to_string(), text);
        assert_eq!(Selector::parse(&parsed.to_string()), Ok(parsed));
    }
}
