//! The credential of this agent, while it works: shown at each connection, and exchanged when a server
//! gives another one.
//!
//! ```text
//!   a server gives a new one ---> written down, with the former beside it
//!   a server accepts it      ---> the former is forgotten
//!   a server refuses it      ---> the former is shown again, if it was never accepted
//! ```
//!
//! The new one is on disk before anybody is told that it is kept. The former one stays until the new one
//! has opened a connection, for the server may have lost, or never have learnt, that it was kept.

use std::sync::{Mutex, MutexGuard, PoisonError};

use drover_domain::ResourceId;

use crate::identity::{Identity, StateFile, StateFileError};

/// What every credential of an agent begins with, and the longest that is taken for one, in bytes.
const PREFIX: &str = "dra_";
const LONGEST: usize = 512;

/// The state file of an agent that works.
pub(crate) struct Credentials {
    file: Mutex<StateFile>,
}

/// Why another credential was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotKept {
    /// The command is for another agent.
    #[error("the credential is another agent's")]
    Foreign,
    /// It is of no form that a server would take.
    #[error("it is no credential of an agent")]
    Unsound,
    /// It could not be written down.
    #[error("it cannot be written down: {0}")]
    File(#[from] StateFileError),
}

impl Credentials {
    pub(crate) fn new(file: StateFile) -> Self {
        Self {
            file: Mutex::new(file),
        }
    }

    /// The file is written while it is locked: that is rare, and nobody else may write then.
    fn file(&self) -> MutexGuard<'_, StateFile> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the agent calls itself by before it has an id.
    pub(crate) fn agent_key(&self) -> String {
        self.file().agent_key().to_owned()
    }

    /// Who the agent is, if it was ever registered.
    pub(crate) fn identity(&self) -> Option<Identity> {
        self.file().identity().cloned()
    }

    /// Keeps what the agent was given when it registered.
    pub(crate) fn keep(&self, identity: Identity) -> Result<(), StateFileError> {
        self.file().keep(identity)
    }

    /// What is to be shown; empty before the agent is registered.
    pub(crate) fn shown(&self) -> String {
        let identity = self.identity();
        identity.map_or_else(String::new, |identity| identity.credential)
    }

    /// Takes another credential, and keeps the one that there was until the new one is accepted.
    pub(crate) fn exchange(&self, agent: ResourceId, credential: &str) -> Result<(), NotKept> {
        let mut file = self.file();
        let known = file.identity().filter(|known| known.agent_id == agent);
        let mut identity = known.cloned().ok_or(NotKept::Foreign)?;
        let is_sound = credential.len() <= LONGEST
            && credential.starts_with(PREFIX)
            && credential.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_sound {
            return Err(NotKept::Unsound);
        }
        if identity.credential != credential {
            // Of several that were never accepted, the first before them is the one that was.
            let former = std::mem::replace(&mut identity.credential, credential.to_owned());
            identity.former_credential.get_or_insert(former);
            file.keep(identity)?;
        }
        Ok(())
    }

    /// A server has accepted a credential: whatever came before it is of no use any more.
    pub(crate) fn accepted(&self, credential: &str) -> Result<(), StateFileError> {
        let mut file = self.file();
        let known = file
            .identity()
            .filter(|known| known.credential == credential && known.former_credential.is_some());
        match known.cloned() {
            Some(known) => file.keep(Identity {
                former_credential: None,
                ..known
            }),
            None => Ok(()),
        }
    }

    /// A server has refused a credential. True if there is a former one to show instead.
    pub(crate) fn refused(&self, credential: &str) -> Result<bool, StateFileError> {
        let mut file = self.file();
        let Some(mut known) = file.identity().cloned() else {
            return Ok(false);
        };
        if known.credential != credential {
            // It was exchanged meanwhile.
            return Ok(true);
        }
        match known.former_credential.take() {
            Some(former) => {
                known.credential = former;
                file.keep(known)?;
                Ok(true)
            }
            None => Ok(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use uuid::Uuid;

    use super::*;

    fn agent() -> ResourceId {
        ResourceId::new(Uuid::from_u128(1))
    }

    fn opened(folder: &Path) -> Credentials {
        Credentials::new(StateFile::open(folder).unwrap())
    }

    fn registered(folder: &Path) -> Credentials {
        let credentials = opened(folder);
        let identity = Identity {
            agent_id: agent(),
            host_id: ResourceId::new(Uuid::from_u128(2)),
            credential: "dra_1_old".into(),
            former_credential: None,
        };
        credentials.keep(identity).unwrap();
        credentials
    }

    #[test]
    fn another_credential_is_shown_from_the_next_start_on_too() {
        let folder = tempfile::tempdir().unwrap();
        let credentials = registered(folder.path());
        credentials.exchange(agent(), "dra_1_new").unwrap();
        assert_eq!(credentials.shown(), "dra_1_new");
        drop(credentials);
        assert_eq!(opened(folder.path()).shown(), "dra_1_new");
    }

    #[test]
    fn one_that_is_refused_before_it_was_accepted_gives_way_to_the_former() {
        let folder = tempfile::tempdir().unwrap();
        let credentials = registered(folder.path());
        credentials.exchange(agent(), "dra_1_new").unwrap();
        credentials.exchange(agent(), "dra_1_newer").unwrap();
        assert!(credentials.refused("dra_1_newer").unwrap());
        assert_eq!(credentials.shown(), "dra_1_old");
        assert!(!credentials.refused("dra_1_old").unwrap());
        assert_eq!(credentials.shown(), "dra_1_old");
    }

    #[test]
    fn one_that_was_accepted_has_no_former_any_more() {
        let folder = tempfile::tempdir().unwrap();
        let credentials = registered(folder.path());
        credentials.exchange(agent(), "dra_1_new").unwrap();
        credentials.accepted("dra_1_new").unwrap();
        let text = std::fs::read_to_string(folder.path().join("agent.json")).unwrap();
        assert!(!text.contains("dra_1_old"));
        assert!(!credentials.refused("dra_1_new").unwrap());
        // A refusal that was on its way while it was exchanged changes nothing.
        credentials.exchange(agent(), "dra_1_newer").unwrap();
        assert!(credentials.refused("dra_1_new").unwrap());
        assert_eq!(credentials.shown(), "dra_1_newer");
    }

    #[test]
    fn what_is_for_another_agent_or_no_credential_is_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        let credentials = registered(folder.path());
        let other = ResourceId::new(Uuid::from_u128(9));
        let refused = credentials.exchange(other, "dra_1_new");
        assert!(matches!(refused, Err(NotKept::Foreign)));
        for text in [
            "",
            "drv_1_x",
            "dra_1_a b",
            &format!("dra_{}", "x".repeat(600)),
        ] {
            let refused = credentials.exchange(agent(), text);
            assert!(matches!(refused, Err(NotKept::Unsound)), "{text}");
        }
        assert_eq!(credentials.shown(), "dra_1_old");
    }
}
