//! Who this agent is: its key, its ids and its credential, kept in `agent.json`.
//!
//! The key is made up and written down before the first registration, so that an agent whose
//! answer was lost on the way registers as the same agent when it asks again. The file is for its
//! owner alone (mode 0600) and is replaced as a whole: a crash leaves the old one or the new one.
//! A second agent that is given the same directory is refused, for the two would push each other
//! off the server for ever.

use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use drover_domain::ResourceId;
use drover_proto::registration::Registered;
use serde::{Deserialize, Serialize};

const STATE_FILE: &str = "agent.json";
const LOCK_FILE: &str = "agent.lock";

/// The state file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateFileError {
    /// The file system refused.
    #[error("cannot {action} {path}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file holds something else.
    #[error("{path} is not the state of an agent")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// Another program has it.
    #[error("another agent is using {0}")]
    InUse(PathBuf),
}

/// What an agent was given when it registered, and since.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Identity {
    pub(crate) agent_id: ResourceId,
    pub(crate) host_id: ResourceId,
    pub(crate) credential: String,
    /// The one before, for as long as no server has accepted this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) former_credential: Option<String>,
}

impl From<Registered> for Identity {
    fn from(registered: Registered) -> Self {
        Self {
            agent_id: registered.agent_id,
            host_id: registered.host_id,
            credential: registered.credential,
            former_credential: None,
        }
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Identity")
            .field("agent_id", &self.agent_id)
            .field("host_id", &self.host_id)
            .finish_non_exhaustive()
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct State {
    agent_key: String,
    #[serde(flatten)]
    identity: Option<Identity>,
}

/// The state file of one agent, held against others for as long as this value lives.
pub(crate) struct StateFile {
    directory: PathBuf,
    state: State,
    _lock: File,
}

impl StateFile {
    /// Opens the state in a directory; makes the directory and a key if there are none.
    pub(crate) fn open(directory: &Path) -> Result<Self, StateFileError> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(failed("make", directory))?;
        let lock = lock(directory)?;
        let path = directory.join(STATE_FILE);
        let known = match fs::read(&path) {
            Ok(text) => Some(
                serde_json::from_slice(&text)
                    .map_err(|source| StateFileError::Malformed { path, source })?,
            ),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed("read", &path)(error)),
        };
        let is_new = known.is_none();
        let file = Self {
            directory: directory.to_owned(),
            state: known.unwrap_or_else(|| State {
                agent_key: made_up_key(),
                identity: None,
            }),
            _lock: lock,
        };
        if is_new {
            file.write()?;
        }
        Ok(file)
    }

    /// What this agent calls itself by before it has an id.
    pub(crate) fn agent_key(&self) -> &str {
        &self.state.agent_key
    }

    /// Who it is, if it was ever registered.
    pub(crate) fn identity(&self) -> Option<&Identity> {
        self.state.identity.as_ref()
    }

    /// Keeps what it was given.
    pub(crate) fn keep(&mut self, identity: Identity) -> Result<(), StateFileError> {
        self.state.identity = Some(identity);
        self.write()
    }

    fn write(&self) -> Result<(), StateFileError> {
        let path = self.directory.join(STATE_FILE);
        let text =
            serde_json::to_vec_pretty(&self.state).map_err(|source| StateFileError::Malformed {
                path: path.clone(),
                source,
            })?;
        let fresh = self.directory.join("agent.json.new");
        write_privately(&fresh, &text).map_err(failed("write", &fresh))?;
        fs::rename(&fresh, &path).map_err(failed("replace", &path))?;
        // Without this the new name could be lost with the power, though its content is on disk.
        File::open(&self.directory)
            .and_then(|directory| directory.sync_all())
            .map_err(failed("flush", &self.directory))
    }
}

fn write_privately(path: &Path, text: &[u8]) -> io::Result<()> {
    // One that a crash left behind may have another mode.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text)?;
    file.sync_all()
}

fn lock(directory: &Path) -> Result<File, StateFileError> {
    let path = directory.join(LOCK_FILE);
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path)
        .map_err(failed("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StateFileError::InUse(directory.to_owned())),
        Err(TryLockError::Error(error)) => Err(failed("lock", &path)(error)),
    }
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StateFileError {
    let path = path.to_owned();
    move |source| StateFileError::Io {
        action,
        path,
        source,
    }
}

fn made_up_key() -> String {
    rand::random::<[u8; 32]>()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn identity() -> Identity {
        Identity {
            agent_id: ResourceId::new(uuid::Uuid::from_u128(1)),
            host_id: ResourceId::new(uuid::Uuid::from_u128(2)),
            credential: "dra_1_hush".into(),
            former_credential: None,
        }
    }

    #[test]
    fn the_key_and_the_credential_survive_a_restart_and_nobody_else_can_read_them() {
        let directory = tempfile::tempdir().unwrap();
        let below = directory.path().join("a/b");
        let mut file = StateFile::open(&below).unwrap();
        let key = file.agent_key().to_owned();
        assert_eq!(key.len(), 64);
        assert!(file.identity().is_none());
        file.keep(identity()).unwrap();
        drop(file);

        let again = StateFile::open(&below).unwrap();
        assert_eq!(again.agent_key(), key);
        assert_eq!(again.identity().unwrap().credential, "dra_1_hush");
        let mode = fs::metadata(below.join(STATE_FILE))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_second_agent_in_the_same_directory_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let first = StateFile::open(directory.path()).unwrap();
        assert!(matches!(
            StateFile::open(directory.path()),
            Err(StateFileError::InUse(_))
        ));
        drop(first);
        assert!(StateFile::open(directory.path()).is_ok());
    }

    #[test]
    fn a_file_that_is_something_else_is_not_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(STATE_FILE);
        fs::write(&path, "not json").unwrap();
        assert!(matches!(
            StateFile::open(directory.path()),
            Err(StateFileError::Malformed { .. })
        ));
        assert_eq!(fs::read_to_string(path).unwrap(), "not json");
    }

    #[test]
    fn a_credential_is_never_shown() {
        assert!(!format!("{:?}", identity()).contains("hush"));
    }
}
