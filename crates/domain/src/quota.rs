//! Whether a project may have one container more.

use crate::resource::{Quota, ResourceLimits};

/// What the containers of a project ask for, all together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Containers that are not removed.
    pub containers: i64,
    /// Memory that they ask for, in MiB.
    pub memory_mib: i64,
    /// Thousandths of a CPU that they ask for.
    pub cpu_millis: i64,
}

/// Why a project may not have a container.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuotaRefusal {
    /// It would have more than it may.
    #[error(
        "the project may have {allowed} {unit}, has {used}, and {asked} more would be too many"
    )]
    Exceeded {
        /// The field of the quota.
        quota: &'static str,
        /// What it counts, in words.
        unit: &'static str,
        /// What the project has.
        used: i64,
        /// What the container asks for.
        asked: i64,
        /// What the project may have.
        allowed: i64,
    },
    /// The container does not say how much it asks for, where the project may have so much only.
    #[error("the project has a quota, so the container has to say how much it asks for")]
    Unstated {
        /// The field of the container.
        field: &'static str,
    },
}

/// What one quota allows, and what there is to hold against it.
struct Line {
    quota: &'static str,
    unit: &'static str,
    field: &'static str,
    allowed: Option<u32>,
    used: i64,
    asked: Option<u32>,
}

impl Quota {
    /// Whether a project that has so much may have a container that asks for so much.
    ///
    /// # Errors
    /// When it may not; the first reason there is.
    pub fn admit(&self, used: Usage, asked: &ResourceLimits) -> Result<(), QuotaRefusal> {
        let lines = [
            Line {
                quota: "containers",
                unit: "containers",
                field: "",
                allowed: self.containers,
                used: used.containers,
                asked: Some(1),
            },
            Line {
                quota: "memoryMiB",
                unit: "MiB of memory",
                field: "resources.memoryMiB",
                allowed: self.memory_mib,
                used: used.memory_mib,
                asked: asked.memory_mib,
            },
            Line {
                quota: "cpuMillis",
                unit: "thousandths of a CPU",
                field: "resources.cpuMillis",
                allowed: self.cpu_millis,
                used: used.cpu_millis,
                asked: asked.cpu_millis,
            },
        ];
        lines.into_iter().try_for_each(Line::admit)
    }
}

impl Line {
    fn admit(self) -> Result<(), QuotaRefusal> {
        let Some(allowed) = self.allowed.map(i64::from) else {
            return Ok(());
        };
        let Some(asked) = self.asked.map(i64::from) else {
            return Err(QuotaRefusal::Unstated { field: self.field });
        };
        if self.used.saturating_add(asked) <= allowed {
            return Ok(());
        }
        Err(QuotaRefusal::Exceeded {
            quota: self.quota,
            unit: self.unit,
            used: self.used,
            asked,
            allowed,
        })
    }
}

impl Usage {
    /// The same with one container more.
    #[must_use]
    pub fn with(self, container: &ResourceLimits) -> Self {
        let more = |used: i64, asked: Option<u32>| used.saturating_add(asked.map_or(0, i64::from));
        Self {
            containers: self.containers.saturating_add(1),
            memory_mib: more(self.memory_mib, container.memory_mib),
            cpu_millis: more(self.cpu_millis, container.cpu_millis),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUOTA: Quota = Quota {
        containers: Some(2),
        memory_mib: Some(100),
        cpu_millis: None,
    };

    fn asking(memory_mib: Option<u32>) -> ResourceLimits {
        ResourceLimits {
            memory_mib,
            cpu_millis: None,
        }
    }

    #[test]
    fn the_last_place_is_given_away_and_no_further_one() {
        let container = asking(Some(40));
        let one = Usage::default().with(&container);
        assert_eq!(QUOTA.admit(one, &container), Ok(()));
        let refusal = QUOTA.admit(one.with(&container), &container).unwrap_err();
        let expected = QuotaRefusal::Exceeded {
            quota: "containers",
            unit: "containers",
            used: 2,
            asked: 1,
            allowed: 2,
        };
        assert_eq!(refusal, expected);
    }

    #[test]
    fn what_is_limited_has_to_be_stated_and_what_is_not_need_not() {
        let used = Usage::default();
        let field = "resources.memoryMiB";
        let refusal = QUOTA.admit(used, &asking(None));
        assert_eq!(refusal, Err(QuotaRefusal::Unstated { field }));
        assert_eq!(Quota::default().admit(used, &asking(None)), Ok(()));
        assert_eq!(QUOTA.admit(used, &asking(Some(100))), Ok(()));
        let refusal = QUOTA.admit(used, &asking(Some(101))).unwrap_err();
        let text = refusal.to_string();
        assert!(
            text.contains("101 more") && text.contains("may have 100"),
            "{text}"
        );
    }
}
