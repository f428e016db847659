//! Who may use whom.

use std::collections::BTreeSet;

use crate::Finding;
use crate::rules::{Arrow, Rules};
use crate::workspace::{Crate, Dependency, Kind};

/// Every dependency that breaks a rule, and every rule that has gone stale.
#[must_use]
pub fn check(crates: &[Crate], rules: &Rules) -> Vec<Finding> {
    [
        unlisted_arrows(crates, rules),
        stale_arrows(crates, rules),
        acquainted_strangers(crates, rules),
        strayed_crates(crates, rules),
        impure_crates(crates, rules),
        unknown_names(crates, rules),
    ]
    .concat()
}

/// Each dependency of a crate of ours, with the crate that has it.
fn dependencies(crates: &[Crate]) -> impl Iterator<Item = (&Crate, &Dependency)> {
    crates
        .iter()
        .flat_map(|user| user.uses.iter().map(move |used| (user, used)))
}

fn is_ours(crates: &[Crate], name: &str) -> bool {
    crates.iter().any(|known| known.name == name)
}

fn allows(arrow: &Arrow, user: &Crate, used: &Dependency) -> bool {
    let kind_is_covered = arrow.kind == Kind::Normal || used.kind == Kind::Dev;
    arrow.from == user.name && arrow.to == used.name && kind_is_covered
}

fn unlisted_arrows(crates: &[Crate], rules: &Rules) -> Vec<Finding> {
    dependencies(crates)
        // A crate may name itself to switch on a feature for its own tests.
        .filter(|(user, used)| is_ours(crates, &used.name) && user.name != used.name)
        .filter(|(user, used)| !rules.arrows.iter().any(|arrow| allows(arrow, user, used)))
        .map(|(user, used)| {
            let purpose = if used.kind == Kind::Dev {
                " in its tests"
            } else {
                ""
            };
            Finding::Error(format!(
                "{} uses {}{purpose}, and no arrow in arrows.toml allows it",
                user.name, used.name
            ))
        })
        .collect()
}

fn stale_arrows(crates: &[Crate], rules: &Rules) -> Vec<Finding> {
    let mut seen = BTreeSet::new();
    let mut findings = Vec::new();
    for arrow in &rules.arrows {
        let Arrow { from, to, .. } = arrow;
        if !seen.insert((from, to)) {
            findings.push(Finding::Error(format!(
                "the arrow {from} -> {to} is listed twice"
            )));
        }
        let followed = dependencies(crates).any(|(user, used)| {
            // A `normal` arrow that only tests follow allows more than is needed.
            allows(arrow, user, used) && used.kind == arrow.kind
        });
        match (followed, arrow.planned) {
            (false, false) => findings.push(Finding::Error(format!(
                "the arrow {from} -> {to} is allowed, but no manifest follows it: remove it, or \
                 mark it planned"
            ))),
            (true, true) => findings.push(Finding::Warning(format!(
                "the arrow {from} -> {to} is marked planned, but it is followed already"
            ))),
            _ => {}
        }
    }
    findings
}

fn acquainted_strangers(crates: &[Crate], rules: &Rules) -> Vec<Finding> {
    let mut findings = Vec::new();
    for rule in &rules.strangers {
        for (user, used) in dependencies(crates) {
            let both = rule.crates.contains(&user.name) && rule.crates.contains(&used.name);
            if both && user.name != used.name {
                findings.push(Finding::Error(format!(
                    "{} uses {}, but {}",
                    user.name, used.name, rule.reason
                )));
            }
        }
    }
    findings
}

fn strayed_crates(crates: &[Crate], rules: &Rules) -> Vec<Finding> {
    let mut findings = Vec::new();
    for home in &rules.homes {
        for (user, used) in dependencies(crates) {
            if home.is_of(&used.name) && !home.users.contains(&user.name) {
                findings.push(Finding::Error(format!(
                    "{} uses {}, which is for {} only: {}",
                    user.name,
                    used.name,
                    if home.users.is_empty() {
                        "nobody".into()
                    } else {
                        home.users.join(" and ")
                    },
                    home.reason
                )));
            }
        }
    }
    findings
}

fn impure_crates(crates: &[Crate], rules: &Rules) -> Vec<Finding> {
    let mut findings = Vec::new();
    for pure in &rules.pure {
        for (user, used) in dependencies(crates) {
            let concerned = user.name == pure.name && used.kind == Kind::Normal;
            if concerned && !pure.uses.contains(&used.name) {
                findings.push(Finding::Error(format!(
                    "{} uses {}, but {}",
                    user.name, used.name, pure.reason
                )));
            }
        }
    }
    findings
}

/// A rule about a crate that does not exist holds nothing, and most likely has a typing error.
fn unknown_names(crates: &[Crate], rules: &Rules) -> Vec<Finding> {
    let named = (rules
        .arrows
        .iter()
        .flat_map(|arrow| [&arrow.from, &arrow.to]))
    .chain(rules.strangers.iter().flat_map(|rule| &rule.crates))
    .chain(rules.homes.iter().flat_map(|rule| &rule.users))
    .chain(rules.pure.iter().map(|rule| &rule.name));
    let unknown: BTreeSet<_> = named.filter(|name| !is_ours(crates, name)).collect();
    unknown
        .into_iter()
        .map(|name| {
            Finding::Error(format!(
                "arrows.toml speaks of {name}, which does not exist"
            ))
        })
        .collect()
}
