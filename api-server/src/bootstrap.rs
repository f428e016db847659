//! The first start: a project to work in and a key to begin with.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use drover_domain::resource::{
    AccountSpec, AccountStatus, ApiKeySpec, ApiKeyStatus, Details, ProjectSpec,
};
use drover_domain::{Resource, ResourceType, Role, State, Timestamp};
use drover_store::clock::Clock;
use drover_store::{
    Attached, CredentialKind, KeyError, NewKey, ResourceFilter, Store, StoreError, fresh,
};

use crate::tokens::{self, Token};

/// The name of the project that there always is.
pub const DEFAULT_PROJECT: &str = "default";
/// The name of the account that there is from the first start.
pub const OPERATOR: &str = "operator";

/// Why a first start failed.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// The database did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The account of that name is not an operator's.
    #[error("no key can be made for the account `{OPERATOR}`: {0}")]
    Key(#[from] KeyError),
    /// The key cannot be written, and was not made.
    #[error("the operator's key cannot be written to {path}")]
    File {
        /// Where it was to be written.
        path: PathBuf,
        /// Why it cannot.
        source: std::io::Error,
    },
}

/// Makes the project `default` if there is none, and an operator's account with a key if there is no
/// key at all. The key is written to `key_file`, readable by its owner only, and is never shown again. Tells whether
/// a key was made.
///
/// # Errors
/// When the database cannot be reached or the file cannot be written.
pub async fn prepare(
    store: &Store,
    clock: &dyn Clock,
    key_file: &Path,
) -> Result<bool, BootstrapError> {
    make_default_project(store, clock).await?;
    if store.has_credential(CredentialKind::ApiKey).await? {
        return Ok(false);
    }
    let known = store.account_named(OPERATOR).await?;
    let account = known.clone().unwrap_or_else(|| operator(clock.now()));
    let Some((issued, key)) = NewKey::draft(operators_key(&account, clock.now())) else {
        return Ok(false);
    };
    // The text is on the disk before it counts, and at its place once it does: a key that counts
    // and that nobody can be told is worse than none.
    let file = |source| BootstrapError::File {
        path: key_file.to_owned(),
        source,
    };
    let kept = key_file.with_extension(format!("{}.new", issued.id().simple()));
    write_key(&kept, &issued.into_text()).map_err(file)?;
    let counts = match known {
        None => store.make_first_key(&account, key).await?,
        // Every key that there was is gone, and whoever starts the server again asks for another.
        Some(_) => store
            .make_key(key, Attached::nothing())
            .await
            .map(|_| true)?,
    };
    match counts {
        true => std::fs::rename(&kept, key_file).map_err(file)?,
        // Another server was faster, and has told its key to somebody.
        false => std::fs::remove_file(&kept).map_err(file)?,
    }
    Ok(counts)
}

/// The account that the first key acts for. Nobody can log in to it until it is given a password.
fn operator(now: Timestamp) -> Resource {
    let spec = AccountSpec {
        operator: true,
        ..AccountSpec::default()
    };
    let status = AccountStatus::default();
    let details = Details::Account { spec, status };
    Resource {
        description: "Whoever installed Drover.".to_owned(),
        ..Resource::new(fresh::resource_id(), OPERATOR, State::Active, details, now)
    }
}

fn operators_key(account: &Resource, now: Timestamp) -> Resource {
    let details = Details::ApiKey {
        spec: ApiKeySpec {
            account_id: account.id,
            role: Role::Operator,
            expires: None,
        },
        status: ApiKeyStatus::default(),
    };
    Resource {
        description: "The first key, in operator.key.".to_owned(),
        ..Resource::new(fresh::resource_id(), OPERATOR, State::Active, details, now)
    }
}

/// Writes a key to a new file that only its owner may read.
fn write_key(path: &Path, key: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    writeln!(file, "{key}")?;
    file.sync_all()
}

/// How long the agent of the same machine has to register.
const LOCAL_TOKEN_LIFETIME: Duration = Duration::from_secs(600);

/// A registration token for the agent of the same machine: it serves once, and not for long.
///
/// # Errors
/// When the database cannot be reached.
pub async fn local_registration_token(
    store: &Store,
    clock: &dyn Clock,
) -> Result<String, StoreError> {
    let token = Token {
        name: "local".to_owned(),
        description: "For the agent of this machine.".to_owned(),
        maximum_uses: Some(1),
        lifetime: Some(LOCAL_TOKEN_LIFETIME),
    };
    let now = clock.now();
    let resource = tokens::resource(token, now);
    let issued = store.insert_token(&resource, now, Attached::nothing());
    // Nothing is attached that could be repeated.
    let issued = issued.await?.ok_or(StoreError::Closed)?;
    Ok(issued.into_text())
}

async fn make_default_project(store: &Store, clock: &dyn Clock) -> Result<(), StoreError> {
    let filter = ResourceFilter {
        name: Some(DEFAULT_PROJECT.to_owned()),
        ..ResourceFilter::all(ResourceType::Project, 1)
    };
    if !store.resources(&filter).await?.is_empty() {
        return Ok(());
    }
    let (id, now) = (fresh::resource_id(), clock.now());
    let project = Resource {
        description: "What is asked for without a project belongs here.".to_owned(),
        ..Resource::new(
            id,
            DEFAULT_PROJECT,
            State::Active,
            Details::Project {
                spec: ProjectSpec::default(),
            },
            now,
        )
    };
    store.insert(&project, Attached::nothing()).await?;
    Ok(())
}
