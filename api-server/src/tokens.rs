//! Making registration tokens.

use std::time::Duration;

use drover_domain::resource::{Details, RegistrationTokenSpec, RegistrationTokenStatus};
use drover_domain::{Resource, Role, State, Timestamp};
use drover_store::{Attached, CredentialKind, Issued, Store, StoreError, fresh};

/// A token that is wanted.
#[derive(Default)]
pub(crate) struct Token {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) maximum_uses: Option<u32>,
    pub(crate) lifetime: Option<Duration>,
}

/// Makes a token: the resource that everybody can see, and the text that is shown once.
pub(crate) async fn issue(
    store: &Store,
    token: Token,
    now: Timestamp,
) -> Result<(Resource, Issued), StoreError> {
    let details = Details::RegistrationToken {
        spec: RegistrationTokenSpec {
            maximum_uses: token.maximum_uses,
            expires: token.lifetime.map(|lifetime| now.after(lifetime)),
        },
        status: RegistrationTokenStatus::default(),
    };
    let resource = Resource {
        description: token.description,
        ..Resource::new(
            fresh::resource_id(),
            token.name,
            State::Active,
            details,
            now,
        )
    };
    store.insert(&resource, Attached::nothing()).await?;
    let kind = CredentialKind::RegistrationToken;
    let issued = store
        .issue(kind, Some(resource.id), Role::Agent, now)
        .await?;
    Ok((resource, issued))
}
