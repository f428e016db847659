//! Removing at once what needs no work to go: what is the same for every type of it.
//!
//! ```text
//!   begin    is it there, may the caller, is it what was read?
//!            -> what the database is to remove, with what is written down along with it
//!   end      gone: the answer. Not gone: it is looked once more, to say why
//! ```

use axum::http::StatusCode;
use drover_domain::{Resource, ResourceId, ResourceType, Timestamp};
use drover_store::{Attached, Target};

use super::removable;
use crate::Shared;
use crate::answer::NoContent;
use crate::authorization::Caller;
use crate::conditional::Precondition;
use crate::problem::Problem;

/// See the module.
pub(super) struct Removal<'a> {
    shared: &'a Shared,
    caller: &'a Caller,
    read: &'a Precondition,
    /// It, as it was found.
    pub(super) found: Resource,
    /// What is to be removed.
    pub(super) target: Target,
    /// The moment of it.
    pub(super) now: Timestamp,
}

impl<'a> Removal<'a> {
    /// Looks for what is to be removed.
    ///
    /// # Errors
    /// That it is not there, that the caller may not, or that it is not what was read.
    pub(super) async fn begin(
        (shared, caller): (&'a Shared, &'a Caller),
        (resource_type, id): (ResourceType, ResourceId),
        read: &'a Precondition,
    ) -> Result<Self, Problem> {
        let found = removable(shared, caller, resource_type, id).await?;
        Ok(Self {
            shared,
            caller,
            read,
            target: read.target(&found)?,
            found,
            now: shared.clock.now(),
        })
    }

    /// What is written down along with it.
    pub(super) fn attached(&self) -> Attached {
        let (now, found) = (self.now, &self.found);
        self.caller.attached(now, found, StatusCode::NO_CONTENT)
    }

    /// Has it removed by what tells what it removed, if anything, and gives the answer.
    ///
    /// # Errors
    /// Those of the database, and of [`end`](Self::end).
    pub(super) async fn by<Removed, Error, Removing>(
        self,
        remove: impl FnOnce(Target, Timestamp, Attached) -> Removing,
    ) -> Result<NoContent, Problem>
    where
        Removing: Future<Output = Result<Option<Removed>, Error>>,
        Problem: From<Error>,
    {
        let removed = remove(self.target, self.now, self.attached()).await?;
        self.end(removed.is_some()).await
    }

    /// The answer, once the database has removed it or has not.
    ///
    /// # Errors
    /// That it is gone, or not what was read any more.
    pub(super) async fn end(self, is_removed: bool) -> Result<NoContent, Problem> {
        if is_removed {
            self.shared.announcer.changed().await;
            return Ok(NoContent);
        }
        let resource_type = self.found.resource_type();
        let now = removable(self.shared, self.caller, resource_type, self.found.id).await;
        let refused = now.and_then(|now| self.read.check(now.version));
        let gone = || Problem::not_found(resource_type.as_str());
        Err(refused.err().unwrap_or_else(gone))
    }
}
