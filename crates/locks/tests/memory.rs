//! The lock manager inside one process does what every lock manager does.

use async_trait::async_trait;
use drover_domain::Fence;
use drover_locks::conformance::{self, Pair, acquired, container};
use drover_locks::{LockManager, MemoryLocks};

struct Both {
    first: MemoryLocks,
    second: MemoryLocks,
}

#[async_trait]
impl Pair for Both {
    fn first(&self) -> &dyn LockManager {
        &self.first
    }

    fn second(&self) -> &dyn LockManager {
        &self.second
    }

    async fn lose_first_session(&self) {
        self.first.lose_session();
    }
}

macro_rules! hold {
    ($($fact:ident)*) => {$(
        #[tokio::test]
        async fn $fact() {
            let first = MemoryLocks::new(1);
            let second = first.another();
            conformance::$fact(&Both { first, second }).await;
        }
    )*};
}

drover_locks::every_lock_fact!(hold);

#[tokio::test]
async fn a_later_epoch_has_higher_fences() {
    let before = acquired(&MemoryLocks::new(1), container(1)).await;
    let after = acquired(&MemoryLocks::new(2), container(1)).await;
    assert!(after.fence() > before.fence());
    assert_eq!(after.fence(), Fence::compose(2, 1));
}
