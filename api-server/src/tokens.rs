//! Making registration tokens.

use std::time::Duration;

use drover_domain::resource::{Details, RegistrationTokenSpec, RegistrationTokenStatus};
use drover_domain::{Resource, State, Timestamp};
use drover_store::fresh;

/// A token that is wanted.
#[derive(Default)]
pub(crate) struct Token {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) maximum_uses: Option<u32>,
    pub(crate) lifetime: Option<Duration>,
}

/// The resource of a token, as everybody can see it.
pub(crate) fn resource(token: Token, now: Timestamp) -> Resource {
    let details = Details::RegistrationToken {
        spec: RegistrationTokenSpec {
            maximum_uses: token.maximum_uses,
            expires: token.lifetime.map(|lifetime| now.after(lifetime)),
        },
        status: RegistrationTokenStatus::default(),
    };
    let id = fresh::resource_id();
    Resource {
        description: token.description,
        ..Resource::new(id, token.name, State::Active, details, now)
    }
}
