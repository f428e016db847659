//! Each rule finds what it is there to find, and this workspace keeps them all.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot read its rules is to fail at once"
)]

use std::path::PathBuf;

use drover_architecture::rules::Rules;
use drover_architecture::workspace::{Crate, Dependency, Kind, Source, Workspace};
use drover_architecture::{Finding, arrows, check_this_workspace, layout};

const RULES: &str = r#"
[[arrow]]
from = "store"
to = "domain"
reason = "rows"

[[arrow]]
from = "api"
to = "store"
reason = "intents"

[[arrow]]
from = "api"
to = "scenarios"
kind = "dev"
reason = "tests"

[[strangers]]
crates = ["api", "agent"]
reason = "services are strangers"

[[home]]
crate = "sea-orm*"
in = ["store"]
reason = "one place for SQL"

[[pure]]
crate = "domain"
uses = ["serde"]
reason = "decisions are pure"
"#;

fn crate_that_uses(name: &str, normal: &[&str], dev: &[&str]) -> Crate {
    let of_kind = |names: &[&str], kind| -> Vec<Dependency> {
        names
            .iter()
            .map(|name| Dependency {
                name: (*name).into(),
                kind,
            })
            .collect()
    };
    let uses = [of_kind(normal, Kind::Normal), of_kind(dev, Kind::Dev)].concat();
    Crate {
        name: name.into(),
        uses: uses.into_iter().collect(),
    }
}

fn sound_crates() -> Vec<Crate> {
    vec![
        crate_that_uses("domain", &["serde"], &["proptest"]),
        crate_that_uses("store", &["domain", "sea-orm"], &[]),
        crate_that_uses("api", &["store"], &["scenarios"]),
        crate_that_uses("agent", &[], &[]),
        crate_that_uses("scenarios", &[], &[]),
    ]
}

/// The findings once the crate of this name in the sound workspace is replaced.
fn errors_with(replacement: Crate) -> Vec<String> {
    let mut crates = sound_crates();
    crates.retain(|sound| sound.name != replacement.name);
    crates.push(replacement);
    texts(&arrows::check(&crates, &Rules::parse(RULES).unwrap()))
}

fn texts(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(ToString::to_string).collect()
}

#[test]
fn this_workspace_keeps_its_rules() {
    let findings = check_this_workspace().unwrap();
    let errors: Vec<_> = findings.into_iter().filter(Finding::is_error).collect();
    assert!(errors.is_empty(), "{}", texts(&errors).join("\n"));
}

#[test]
fn a_sound_workspace_has_no_findings() {
    assert_eq!(
        errors_with(crate_that_uses("agent", &[], &[])),
        Vec::<String>::new()
    );
}

#[test]
fn an_arrow_that_nobody_allowed_is_found() {
    assert_eq!(
        errors_with(crate_that_uses("scenarios", &["store"], &[])),
        ["error: scenarios uses store, and no arrow in arrows.toml allows it"]
    );
}

#[test]
fn an_arrow_for_tests_does_not_reach_what_runs() {
    let errors = errors_with(crate_that_uses(
        "api",
        &["store", "scenarios"],
        &["scenarios"],
    ));
    assert_eq!(
        errors,
        ["error: api uses scenarios, and no arrow in arrows.toml allows it"]
    );
}

#[test]
fn an_arrow_that_nobody_follows_any_more_is_found() {
    let errors = errors_with(crate_that_uses("api", &[], &["scenarios"]));
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].starts_with("error: the arrow api -> store is allowed, but no manifest"));
}

#[test]
fn an_arrow_may_be_planned_until_it_is_followed() {
    let planned = RULES.replacen(
        "reason = \"intents\"",
        "reason = \"intents\"\nplanned = true",
        1,
    );
    let rules = Rules::parse(&planned).unwrap();
    let followed = arrows::check(&sound_crates(), &rules);
    assert_eq!(
        texts(&followed),
        ["warning: the arrow api -> store is marked planned, but it is followed already"]
    );
    let mut crates = sound_crates();
    crates[2] = crate_that_uses("api", &[], &["scenarios"]);
    assert_eq!(arrows::check(&crates, &rules), []);
}

#[test]
fn a_service_that_uses_another_is_found_even_if_an_arrow_allows_it() {
    let rules = format!("{RULES}\n[[arrow]]\nfrom = \"api\"\nto = \"agent\"\nreason = \"haste\"\n");
    let mut crates = sound_crates();
    crates[2] = crate_that_uses("api", &["store", "agent"], &["scenarios"]);
    let findings = arrows::check(&crates, &Rules::parse(&rules).unwrap());
    assert_eq!(
        texts(&findings),
        ["error: api uses agent, but services are strangers"]
    );
}

#[test]
fn sql_outside_its_home_is_found_under_any_of_its_names() {
    assert_eq!(
        errors_with(crate_that_uses("agent", &["sea-orm-migration"], &[])),
        ["error: agent uses sea-orm-migration, which is for store only: one place for SQL"]
    );
}

#[test]
fn a_runtime_in_the_pure_crate_is_found() {
    assert_eq!(
        errors_with(crate_that_uses("domain", &["serde", "tokio"], &[])),
        ["error: domain uses tokio, but decisions are pure"]
    );
}

#[test]
fn a_rule_about_a_crate_that_does_not_exist_is_found() {
    let rules = RULES.replacen("\"agent\"", "\"agnet\"", 1);
    let findings = arrows::check(&sound_crates(), &Rules::parse(&rules).unwrap());
    assert_eq!(
        texts(&findings),
        ["error: arrows.toml speaks of agnet, which does not exist"]
    );
}

#[test]
fn a_rule_without_a_reason_is_refused() {
    assert!(Rules::parse(&RULES.replacen("\"rows\"", "\" \"", 1)).is_err());
}

#[test]
fn names_that_say_nothing_are_found_in_crates_folders_files_and_modules() {
    let source = |path: &str, modules: &[&str]| Source {
        path: PathBuf::from(path),
        lines: 10,
        modules: modules.iter().map(|name| (*name).to_owned()).collect(),
    };
    let workspace = Workspace {
        crates: vec![crate_that_uses("drover-common", &[], &[])],
        sources: vec![
            source("api/src/utils.rs", &[]),
            source("api/src/helpers/retry.rs", &[]),
            source("api/src/sound.rs", &["types", "tests"]),
            source("api/src/typesetting.rs", &["score"]),
        ],
    };
    let findings = layout::check_names(&workspace);
    assert_eq!(findings.len(), 4, "{findings:?}");
    assert!(findings.iter().all(Finding::is_error));
}

#[test]
fn a_long_file_is_a_warning_and_a_huge_one_an_error() {
    let source = |lines| Source {
        path: PathBuf::from("a.rs"),
        lines,
        modules: Vec::new(),
    };
    let sources = [350, 351, 500, 501].map(source).to_vec();
    let findings = layout::check_sizes(&Workspace {
        crates: Vec::new(),
        sources,
    });
    let errors: Vec<bool> = findings.iter().map(Finding::is_error).collect();
    assert_eq!(errors, [false, false, true]);
}
