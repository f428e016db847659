//! What holds of every decision of the engine, whatever happens: checked over random stories.
//!
//! A story is a [`Case`](case::Case): a process of some lifecycle, the policies under which it runs,
//! and what each of its steps answers, how long that takes, and which servers die before or after
//! which write. [`Drive`](drive::Drive) tells it as the process server would, with rows in memory.
//! Beside it walks a [`Model`](model::Model), a page long and without a journal, that says what must
//! follow; [`checks`] compares the two at every write.
//!
//! The seed is fixed, so that a failure comes again; the smallest story that fails is printed. To
//! look further than that: `PROPTEST_CASES=20000 PROPTEST_RNG_SEED=7 cargo nextest run …`.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, and its helpers stand outside of test functions"
)]

mod answer;
mod breaker;
mod cancelling;
mod case;
mod checks;
mod drive;
mod model;
mod processes;

use proptest::test_runner::{Config, RngSeed};

/// How the stories are chosen.
fn configuration() -> Config {
    let chosen = Config::default();
    let rng_seed = match chosen.rng_seed {
        RngSeed::Random => RngSeed::Fixed(2_026),
        fixed @ RngSeed::Fixed(_) => fixed,
    };
    Config {
        cases: chosen.cases.saturating_mul(4),
        rng_seed,
        failure_persistence: None,
        ..chosen
    }
}
