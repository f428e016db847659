//! Seeds. A failing one is run again with
//! `DROVER_SIM_SEED=… cargo nextest run -p drover-simulation one_seed`; more than the usual thousand
//! with `DROVER_SIM_SEEDS=…`.

use drover_simulation::faults::Planted;
use drover_simulation::world::{Outcome, Template, run};

/// Lines of the transcript that a failure shows.
const LINES: usize = 60;
/// Tests among which the seeds are divided.
const PARTS: u64 = 10;

#[expect(
    clippy::disallowed_methods,
    reason = "how a person chooses seeds for a test run"
)]
fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

fn simulate(seeds: impl Iterator<Item = u64>, planted: Planted) -> anyhow::Result<Vec<Outcome>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let template = Template::make().await?;
        let mut outcomes = Vec::new();
        for seed in seeds {
            let outcome = run(&template, seed, planted).await?;
            let is_violated = outcome.violation.is_some();
            outcomes.push(outcome);
            if is_violated {
                break;
            }
        }
        Ok(outcomes)
    })
}

/// Fails with what a person needs to know of the first seed that went wrong.
fn expect_peace(outcomes: &[Outcome]) {
    for outcome in outcomes {
        if let Some(violation) = &outcome.violation {
            let from = outcome.transcript.len().saturating_sub(LINES);
            panic!(
                "seed {seed}: {violation}\n\n{}\n\nreplay with: DROVER_SIM_SEED={seed} cargo \
                 nextest run -p drover-simulation one_seed",
                outcome.transcript[from..].join("\n"),
                seed = outcome.seed,
            );
        }
    }
}

fn part(part: u64) -> anyhow::Result<()> {
    let seeds = number("DROVER_SIM_SEEDS").unwrap_or(1_000);
    let first = seeds * part / PARTS;
    let last = seeds * (part + 1) / PARTS;
    expect_peace(&simulate(first..last, Planted::default())?);
    Ok(())
}

macro_rules! parts {
    ($($name:ident = $number:literal,)*) => {
        $(#[test]
        fn $name() -> anyhow::Result<()> {
            part($number)
        })*
    };
}

parts! {
    part_0_of_the_seeds_keeps_every_invariant = 0,
    part_1_of_the_seeds_keeps_every_invariant = 1,
    part_2_of_the_seeds_keeps_every_invariant = 2,
    part_3_of_the_seeds_keeps_every_invariant = 3,
    part_4_of_the_seeds_keeps_every_invariant = 4,
    part_5_of_the_seeds_keeps_every_invariant = 5,
    part_6_of_the_seeds_keeps_every_invariant = 6,
    part_7_of_the_seeds_keeps_every_invariant = 7,
    part_8_of_the_seeds_keeps_every_invariant = 8,
    part_9_of_the_seeds_keeps_every_invariant = 9,
}

/// The seed of `DROVER_SIM_SEED`, with its whole transcript.
#[test]
fn one_seed() -> anyhow::Result<()> {
    let seed = number("DROVER_SIM_SEED").unwrap_or(1);
    let outcomes = simulate(seed..=seed, Planted::default())?;
    for outcome in &outcomes {
        println!("{}", outcome.transcript.join("\n"));
    }
    expect_peace(&outcomes);
    Ok(())
}

#[test]
fn a_seed_gives_the_same_transcript_each_time() -> anyhow::Result<()> {
    let once = simulate(0..6, Planted::default())?;
    let again = simulate(0..6, Planted::default())?;
    for (once, again) in once.iter().zip(&again) {
        let differ = once.transcript.iter().zip(&again.transcript).enumerate();
        let differ = differ.into_iter().find(|(_, (one, other))| one != other);
        assert_eq!(differ, None, "seed {}", once.seed);
        assert_eq!(once.transcript.len(), again.transcript.len());
        assert!(once.transcript.len() > 50, "seed {}", once.seed);
    }
    Ok(())
}

/// How many seeds it takes until a planted bug is found; none within the most.
fn found_after(planted: Planted, most: u64) -> anyhow::Result<Option<String>> {
    let outcomes = simulate(0..most, planted)?;
    let last = outcomes.last();
    Ok(last.and_then(|last| last.violation.clone()))
}

#[test]
fn agents_that_ignore_fences_are_found_out() -> anyhow::Result<()> {
    let planted = Planted {
        agents_ignore_fences: true,
        ..Planted::default()
    };
    let found = found_after(planted, 100)?;
    assert!(found.is_some_and(|found| found.contains("has carried out")));
    Ok(())
}

#[test]
fn fences_that_do_not_grow_are_found_out() -> anyhow::Result<()> {
    let planted = Planted {
        fences_never_grow: true,
        ..Planted::default()
    };
    assert!(found_after(planted, 3)?.is_some());
    Ok(())
}

#[test]
fn agents_that_report_nothing_are_found_out() -> anyhow::Result<()> {
    let planted = Planted {
        agents_report_nothing: true,
        ..Planted::default()
    };
    let found = found_after(planted, 200)?;
    assert!(found.is_some_and(|found| found.contains("at rest")));
    Ok(())
}

/// A lock saves work, a fence keeps it right.
#[test]
fn locks_that_exclude_nobody_break_nothing() -> anyhow::Result<()> {
    let planted = Planted {
        locks_exclude_nobody: true,
        ..Planted::default()
    };
    expect_peace(&simulate(0..30, planted)?);
    Ok(())
}

/// What agents remember of fences is lost with their memory. No seed is known that goes wrong by it,
/// but a server that lost its lock long ago would be obeyed: for whoever looks for one.
#[test]
#[ignore = "agents promise to remember fences only until they are started anew"]
fn agents_that_are_started_anew_break_nothing() -> anyhow::Result<()> {
    let planted = Planted {
        agents_restart: true,
        ..Planted::default()
    };
    let seeds = number("DROVER_SIM_SEEDS").unwrap_or(300);
    expect_peace(&simulate(0..seeds, planted)?);
    Ok(())
}

/// A removal by force tries a host that is connected three times. If all three are lost, what it has
/// left behind is an orphan until the agent tells its inventory, which it does when it connects.
#[test]
#[ignore = "known: what a removal by force leaves behind is found with the next connection only"]
fn a_removal_by_force_leaves_nothing_on_a_host_that_stays_connected() -> anyhow::Result<()> {
    let planted = Planted {
        hosts_stay_connected: true,
        ..Planted::default()
    };
    expect_peace(&simulate(0..100, planted)?);
    Ok(())
}
