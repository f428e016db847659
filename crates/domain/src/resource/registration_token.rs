//! Registration tokens: what lets an agent introduce itself.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// What was asked of a registration token. The secret itself is not here: only its hash is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RegistrationTokenSpec {
    /// How many agents may use it; any number if absent.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub maximum_uses: Option<u32>,
    /// When it ends; never if absent.
    #[serde(default)]
    pub expires: Option<Timestamp>,
}

/// What was seen of a registration token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RegistrationTokenStatus {
    /// How many agents have used it.
    #[serde(default)]
    pub uses: u32,
}

impl RegistrationTokenSpec {
    /// Whether one more agent may use the token.
    pub fn admits(&self, status: &RegistrationTokenStatus, now: Timestamp) -> bool {
        self.maximum_uses
            .is_none_or(|maximum| status.uses < maximum)
            && !self.has_expired(now)
    }

    /// Whether its time is over.
    pub fn has_expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_ends_with_its_last_use_or_its_expiry() {
        let spec = RegistrationTokenSpec {
            maximum_uses: Some(2),
            expires: Some(Timestamp::from_millis(100)),
        };
        let used = |uses| RegistrationTokenStatus { uses };
        assert!(spec.admits(&used(1), Timestamp::from_millis(99)));
        assert!(!spec.admits(&used(2), Timestamp::from_millis(99)));
        assert!(!spec.admits(&used(1), Timestamp::from_millis(100)));
    }
}
