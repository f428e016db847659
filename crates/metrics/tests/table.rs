//! The table is sound, and the documentation says what it says.

use std::collections::BTreeSet;
use std::path::Path;

use drover_metrics::table::ALL;
use drover_metrics::{Description, Kind, Unit};

/// Where the table begins in the page, and where it ends.
const BEGIN: &str = "<!-- table: begin -->\n";
const END: &str = "<!-- table: end -->\n";

fn is_snake_case(name: &str) -> bool {
    let is_word = |word: &str| {
        !word.is_empty()
            && word
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    name.split('_').all(is_word)
}

#[test]
fn names_are_unique_and_in_snake_case_behind_our_prefix() {
    let mut seen = BTreeSet::new();
    for Description { name, labels, .. } in ALL {
        assert!(name.starts_with("drover_") && is_snake_case(name), "{name}");
        assert!(seen.insert(name), "{name} is there twice");
        let unique: BTreeSet<_> = labels.iter().collect();
        assert_eq!(unique.len(), labels.len(), "labels of {name}");
        for label in *labels {
            assert!(is_snake_case(label), "{label} of {name}");
            // These are Prometheus's own.
            assert!(
                !["le", "quantile", "job", "instance"].contains(label),
                "{label} of {name}"
            );
        }
    }
}

#[test]
fn names_end_as_prometheus_asks() {
    for Description {
        name, kind, unit, ..
    } in ALL
    {
        assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}");
        let measured = name.trim_end_matches("_total");
        assert_eq!(
            measured.ends_with("_seconds"),
            *unit == Unit::Seconds,
            "{name}"
        );
        assert_eq!(
            name.ends_with("_info"),
            *unit == Unit::Information,
            "{name}"
        );
        for reserved in ["_count", "_sum", "_bucket"] {
            assert!(!name.ends_with(reserved), "{name}");
        }
    }
}

#[test]
fn histograms_and_only_they_have_buckets_that_grow() {
    for Description {
        name,
        kind,
        buckets,
        ..
    } in ALL
    {
        assert_eq!(!buckets.is_empty(), *kind == Kind::Histogram, "{name}");
        assert!(buckets.is_sorted_by(|one, next| one < next), "{name}");
    }
}

#[test]
fn each_metric_is_explained() {
    for Description { name, help, .. } in ALL {
        assert!(
            help.ends_with('.') && !help.contains(['\n', '|']),
            "{name}: {help}"
        );
    }
}

/// `docs/metrics.md` holds the table between two marks. When this fails, put there what it says.
#[test]
fn the_documentation_lists_the_table() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md");
    let text = std::fs::read_to_string(&page).unwrap();
    let (_, rest) = text.split_once(BEGIN).unwrap();
    let (listed, _) = rest.split_once(END).unwrap();
    let expected = rows();
    assert!(
        listed == expected,
        "docs/metrics.md does not say what the table says. Between its marks is to stand:\n\n\
         {expected}"
    );
}

fn rows() -> String {
    let mut rows = String::from("| metric | kind | unit | labels | what it tells |\n");
    rows.push_str("| --- | --- | --- | --- | --- |\n");
    for Description {
        name,
        kind,
        unit,
        labels,
        help,
        ..
    } in ALL
    {
        let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
        let labels = labels.join(" ");
        rows.push_str(&format!(
            "| `{name}` | {kind} | {unit} | {labels} | {help} |\n"
        ));
    }
    rows
}
