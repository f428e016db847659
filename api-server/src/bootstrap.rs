//! The first start: a project to work in and a key to begin with.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use drover_domain::resource::{Details, ProjectSpec};
use drover_domain::{Resource, ResourceType, State};
use drover_store::clock::Clock;
use drover_store::{CredentialKind, ResourceFilter, Role, Store, StoreError, fresh};

use crate::tokens::{self, Token};

/// The name of the project that there always is.
pub const DEFAULT_PROJECT: &str = "default";

/// Why a first start failed.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// The database did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The key cannot be written, and was not made.
    #[error("the operator's key cannot be written to {path}")]
    File {
        /// Where it was to be written.
        path: PathBuf,
        /// Why it cannot.
        source: std::io::Error,
    },
}

/// Makes the project `default` if there is none, and an operator's key if there is none at all. The
/// key is written to `key_file`, readable by its owner only, and is never shown again. Tells whether
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
    let (issued, draft) = store.draft(CredentialKind::ApiKey, None, Role::Operator, clock.now());
    // The file comes first: a key that counts and that nobody can be told is worse than none, and
    // one in a file that does not count is replaced by the next start.
    write_key(key_file, &issued.into_text()).map_err(|source| BootstrapError::File {
        path: key_file.to_owned(),
        source,
    })?;
    store.admit(draft).await?;
    Ok(true)
}

/// Writes a key to a new file that only its owner may read, and puts it in the place of whatever was
/// there.
fn write_key(path: &Path, key: &str) -> std::io::Result<()> {
    let fresh = path.with_extension("key.new");
    if fresh.exists() {
        std::fs::remove_file(&fresh)?;
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&fresh)?;
    writeln!(file, "{key}")?;
    file.sync_all()?;
    std::fs::rename(&fresh, path)
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
    let (_, issued) = tokens::issue(store, token, clock.now()).await?;
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
    store.insert(&project).await
}
