//! Which agents are connected here. An agent that connects again takes the place of its older
//! connection, which is most likely dead without having noticed.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use drover_domain::ResourceId;
use tokio_util::sync::CancellationToken;

/// The sessions of this server.
#[derive(Default)]
pub(crate) struct Sessions {
    by_agent: Mutex<HashMap<ResourceId, (u64, CancellationToken)>>,
}

/// The place of one session, as long as it lives.
pub(crate) struct Place<'a> {
    sessions: &'a Sessions,
    agent: ResourceId,
    turn: u64,
    /// Ends when a newer connection of the agent takes the place.
    pub(crate) replaced: CancellationToken,
}

impl Sessions {
    /// Takes the place of an agent, and ends whoever had it.
    pub(crate) fn enter(&self, agent: ResourceId) -> Place<'_> {
        let replaced = CancellationToken::new();
        let mut by_agent = self.by_agent.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = by_agent.get(&agent).map_or(0, |(turn, _)| turn + 1);
        if let Some((_, older)) = by_agent.insert(agent, (turn, replaced.clone())) {
            older.cancel();
        }
        Place {
            sessions: self,
            agent,
            turn,
            replaced,
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut by_agent = self
            .sessions
            .by_agent
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if by_agent
            .get(&self.agent)
            .is_some_and(|(turn, _)| *turn == self.turn)
        {
            by_agent.remove(&self.agent);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_connection_ends_the_older_and_keeps_its_own_place() {
        let sessions = Sessions::default();
        let agent = ResourceId::new(uuid::Uuid::from_u128(1));
        let older = sessions.enter(agent);
        let newer = sessions.enter(agent);
        assert!(older.replaced.is_cancelled());
        drop(older);
        assert!(!newer.replaced.is_cancelled());
        let newest = sessions.enter(agent);
        assert!(newer.replaced.is_cancelled());
        assert!(!newest.replaced.is_cancelled());
    }
}
