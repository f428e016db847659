//! What is done to simulated containers behind Drover's back, as somebody does it with `docker` on a
//! real host: for tests.

use drover_domain::ResourceId;

use super::SimulatedRuntime;
use crate::runtime::RuntimeEvent;

impl SimulatedRuntime {
    /// Ends a run, as by itself. False if it did not run.
    pub fn end_by_itself(&self, id: ResourceId, exit_code: i32) -> bool {
        let has_ended = self.machine().end(id, exit_code);
        self.tell(has_ended, RuntimeEvent::Ended(id))
    }

    /// Takes a container away. False if it was not there.
    pub fn remove_by_hand(&self, id: ResourceId) -> bool {
        let was_there = self.machine().remove(id);
        self.tell(was_there, RuntimeEvent::Ended(id))
    }

    /// Starts a container. False if it is not there, runs already, or cannot.
    pub fn start_by_hand(&self, id: ResourceId) -> bool {
        self.begin(id).unwrap_or_default()
    }

    fn tell(&self, has_happened: bool, event: RuntimeEvent) -> bool {
        if has_happened {
            // Nobody may be watching.
            drop(self.events.send(event));
        }
        has_happened
    }
}
