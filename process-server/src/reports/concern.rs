//! What a sight of a container says about its row.
//!
//! | seen | the row says | what follows |
//! | --- | --- | --- |
//! | it ended, or is gone | it runs | it ended: the restart policy speaks |
//! | it runs | it runs, in other health | its health is written down, and acted upon if that was asked |
//! | it runs | it is created or stopped | somebody started it by hand: it is stopped again |
//! | any of these | a process is at work on it | later |
//! | anything else | | nothing |
//!
//! The row wins over a start by hand because the row is what was asked of Drover: ports and memory may be
//! given to others by now, and whoever wants the container to run can say so. Where the last intent
//! failed nobody knows what is wanted, so a container in `error` is left as it is.

use drover_domain::lifecycle::{self, Report, Reported};
use drover_domain::recovery::End;
use drover_domain::resource::Details;
use drover_domain::{Resource, ResourceType, State};
use drover_proto::v1::{SeenContainer, seen_container};

/// What follows from a sight of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Concern {
    /// The row is as it should be.
    Nothing,
    /// A process is at work on it, which may be about to write just that.
    Later,
    /// Its run has come to an end.
    Ended(End),
    /// It runs and should not.
    RunsUnasked,
    /// Its health is another one.
    Health,
}

/// What follows from a sight of a container for its row.
pub(super) fn concern(container: &Resource, seen: &SeenContainer) -> Concern {
    match seen.state() {
        seen_container::State::Exited => heard(container, End::Exited(seen.exit_code)),
        seen_container::State::Missing => heard(container, End::Vanished),
        seen_container::State::Running => runs(container, seen),
        seen_container::State::Created | seen_container::State::Unspecified => Concern::Nothing,
    }
}

fn heard(container: &Resource, end: End) -> Concern {
    let report = match end {
        End::Exited(_) => Report::Exited,
        End::Vanished => Report::Vanished,
    };
    match lifecycle::of(ResourceType::Container).hear(container.state, report) {
        Reported::Ignored => Concern::Nothing,
        Reported::Later => Concern::Later,
        Reported::Moves(_) => Concern::Ended(end),
    }
}

fn runs(container: &Resource, seen: &SeenContainer) -> Concern {
    let known = match &container.details {
        Details::Container { status, .. } => status.health_state,
        _ => None,
    };
    let is_news = known != seen.health_state();
    match container.state {
        State::Running if is_news => Concern::Health,
        State::Created | State::Stopped => Concern::RunsUnasked,
        state if state.is_transitional() && is_news => Concern::Later,
        _ => Concern::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use drover_domain::resource::{ContainerSpec, ContainerStatus, HealthState};
    use drover_domain::{ResourceId, Timestamp};
    use drover_proto::v1::seen_container::Health;
    use uuid::Uuid;

    use super::*;

    fn row(state: State, health_state: Option<HealthState>) -> Resource {
        let status = ContainerStatus {
            health_state,
            ..ContainerStatus::default()
        };
        let details = Details::Container {
            spec: Box::new(ContainerSpec::default()),
            status: Box::new(status),
        };
        let id = ResourceId::new(Uuid::from_u128(1));
        Resource::new(id, "", state, details, Timestamp::from_millis(0))
    }

    fn seen(state: seen_container::State, health: Health) -> SeenContainer {
        SeenContainer {
            state: state.into(),
            health: health.into(),
            ..SeenContainer::default()
        }
    }

    fn of(state: State, seen_state: seen_container::State) -> Concern {
        concern(&row(state, None), &seen(seen_state, Health::Unspecified))
    }

    #[test]
    fn an_end_concerns_a_row_that_runs_and_waits_for_a_process_at_work() {
        use seen_container::State::{Exited, Missing};
        assert_eq!(
            of(State::Running, Exited),
            Concern::Ended(End::Exited(None))
        );
        assert_eq!(of(State::Running, Missing), Concern::Ended(End::Vanished));
        for settled in [State::Created, State::Stopped, State::Error] {
            assert_eq!(of(settled, Exited), Concern::Nothing, "{settled}");
        }
        for moving in [State::Starting, State::Stopping, State::Restarting] {
            assert_eq!(of(moving, Exited), Concern::Later, "{moving}");
        }
    }

    #[test]
    fn a_start_by_hand_loses_against_the_row_unless_nobody_knows_what_is_wanted() {
        use seen_container::State::Running;
        assert_eq!(of(State::Stopped, Running), Concern::RunsUnasked);
        assert_eq!(of(State::Created, Running), Concern::RunsUnasked);
        assert_eq!(of(State::Error, Running), Concern::Nothing);
        assert_eq!(of(State::Stopping, Running), Concern::Nothing);
    }

    #[test]
    fn health_is_of_concern_where_it_differs() {
        let sick = seen(seen_container::State::Running, Health::Unhealthy);
        let well = row(State::Running, Some(HealthState::Healthy));
        assert_eq!(concern(&well, &sick), Concern::Health);
        let known = row(State::Running, Some(HealthState::Unhealthy));
        assert_eq!(concern(&known, &sick), Concern::Nothing);
        assert_eq!(concern(&row(State::Starting, None), &sick), Concern::Later);
    }
}
