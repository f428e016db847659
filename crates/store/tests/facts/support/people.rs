//! Accounts, projects and keys.

use drover_domain::resource::{
    AccountSpec, AccountStatus, ApiKeySpec, ApiKeyStatus, Details, Membership, ProjectRole,
    ProjectSpec,
};
use drover_domain::{Resource, ResourceId, Role, State};
use drover_store::{Attached, CredentialKind, NewKey, Presented, Verified};

use super::{NOW, World, resource};

/// An account that works in some projects.
pub(crate) fn account(name: &str, memberships: &[(ResourceId, ProjectRole)]) -> Resource {
    let memberships = memberships.iter().map(|(project_id, role)| Membership {
        project_id: *project_id,
        role: *role,
    });
    let spec = AccountSpec {
        operator: false,
        memberships: memberships.collect(),
    };
    of(name, spec)
}

/// An account that may do everything.
pub(crate) fn operator(name: &str) -> Resource {
    let spec = AccountSpec {
        operator: true,
        ..AccountSpec::default()
    };
    of(name, spec)
}

fn of(name: &str, spec: AccountSpec) -> Resource {
    let status = AccountStatus::default();
    resource(name, State::Active, Details::Account { spec, status })
}

/// A key of an account.
pub(crate) fn key(account: &Resource, role: Role, project: Option<ResourceId>) -> Resource {
    let spec = ApiKeySpec {
        account_id: account.id,
        role,
        expires: None,
    };
    let status = ApiKeyStatus::default();
    let key = resource("key", State::Active, Details::ApiKey { spec, status });
    Resource { project, ..key }
}

impl World {
    /// A project that is there.
    pub(crate) async fn project(&self, name: &str) -> ResourceId {
        let spec = ProjectSpec::default();
        let project = resource(name, State::Active, Details::Project { spec });
        self.insert(&project).await;
        project.id
    }

    /// Makes an account, without a password.
    pub(crate) async fn made(&self, account: Resource) -> Resource {
        self.store
            .make_account(&account, None, Attached::nothing())
            .await
            .unwrap();
        account
    }

    /// Makes a key that nothing speaks against, and gives its text.
    pub(crate) async fn key_text(&self, key: Resource) -> String {
        let (issued, new) = NewKey::draft(key).unwrap();
        self.store.make_key(new, Attached::nothing()).await.unwrap();
        issued.into_text()
    }

    /// What a key is good for at the usual moment.
    pub(crate) async fn known(&self, text: &str) -> Option<Verified> {
        let presented = Presented::parse(CredentialKind::ApiKey, text).unwrap();
        let kind = CredentialKind::ApiKey;
        self.store.verify(kind, &presented, NOW).await.unwrap()
    }
}
