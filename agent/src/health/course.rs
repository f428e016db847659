//! From the outcomes of probes to a state: pure.

use std::time::Duration;

use drover_domain::resource::{HealthCheck, HealthState};

/// The outcomes so far of the probes of one run.
#[derive(Debug)]
pub(super) struct Course {
    start_period: Duration,
    unhealthy_threshold: u32,
    healthy_threshold: u32,
    state: HealthState,
    /// Failures in a row.
    failures: u32,
    /// Successes in a row.
    successes: u32,
}

impl Course {
    pub(super) fn new(check: &HealthCheck) -> Self {
        Self {
            start_period: check.start_period(),
            unhealthy_threshold: check.unhealthy_threshold,
            healthy_threshold: check.healthy_threshold,
            state: HealthState::Starting,
            failures: 0,
            successes: 0,
        }
    }

    /// Notes an outcome, so long after the run began; the state if it is another one now. While the
    /// start period lasts, a failure counts only after a container has been healthy once.
    pub(super) fn note(&mut self, is_success: bool, since: Duration) -> Option<HealthState> {
        let state = if is_success {
            self.failures = 0;
            self.successes = self.successes.saturating_add(1);
            (self.successes >= self.healthy_threshold).then_some(HealthState::Healthy)
        } else {
            self.successes = 0;
            let is_excused = self.state == HealthState::Starting && since < self.start_period;
            self.failures = match is_excused {
                true => 0,
                false => self.failures.saturating_add(1),
            };
            (self.failures >= self.unhealthy_threshold).then_some(HealthState::Unhealthy)
        };
        let state = state.filter(|state| *state != self.state)?;
        self.state = state;
        Some(state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn course(fields: &str) -> Course {
        let text = format!(r#"{{"probe": {{"command": ["true"]}}, {fields}}}"#);
        Course::new(&serde_json::from_str(&text).unwrap())
    }

    /// The changes that follow from outcomes, one a second: `+` and `-`.
    fn changes(course: &mut Course, outcomes: &str) -> Vec<HealthState> {
        let outcomes = outcomes.chars().enumerate();
        outcomes
            .filter_map(|(second, outcome)| {
                course.note(outcome == '+', Duration::from_secs(second as u64))
            })
            .collect()
    }

    #[test]
    fn only_changes_are_told_and_only_after_so_many_in_a_row() {
        use HealthState::{Healthy, Unhealthy};
        let fields = r#""unhealthyThreshold": 3, "healthyThreshold": 2"#;
        assert_eq!(changes(&mut course(fields), "+-+-+-"), []);
        assert_eq!(changes(&mut course(fields), "++++"), [Healthy]);
        assert_eq!(
            changes(&mut course(fields), "++--+---++"),
            [Healthy, Unhealthy, Healthy]
        );
    }

    #[test]
    fn failures_are_excused_while_it_starts_and_never_after_it_was_healthy() {
        let fields = r#""unhealthyThreshold": 2, "startPeriodSeconds": 5"#;
        assert_eq!(changes(&mut course(fields), "-----"), []);
        assert_eq!(
            changes(&mut course(fields), "-------"),
            [HealthState::Unhealthy]
        );
        assert_eq!(
            changes(&mut course(fields), "+--"),
            [HealthState::Healthy, HealthState::Unhealthy]
        );
    }
}
