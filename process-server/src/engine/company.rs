//! Company: what a busy host has done one by one is written together.
//!
//! A host ends what it was asked for one at a time, and the busier it is the longer each takes. Written one by
//! one, each has a transaction, a flight of locks and a look at the change log of its own, which cost about as
//! much as those of twenty; often the host itself could use the processors. So whoever was answered after a long
//! time waits a small part of it for others of the same host, if any are to be expected within it: a host that
//! takes so long while so many ask it answers one each time that so long divided by so many has passed (Little's
//! law).
//!
//! ```text
//!   asks the host --> answered soon, or among few -----------------> goes, and whoever waits goes with it
//!                \--> answered late, among many --> waits --> goes with all who wait:
//!                                                    - the first of them has waited long enough
//!                                                    - somebody goes who does not wait
//!                                                    - nobody is left who asks
//! ```
//!
//! So a lone process waits for nothing, nor does the last of many; and nobody's answer takes longer than
//! [`PART`] more than it did.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use drover_domain::ResourceId;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// One waits for this part of the time that the host took.
const PART: u32 = 8;
/// The longest wait. Of a host that ends twenty a second it gathers five, which cost a fifth each; twice as
/// many would save a tenth more.
const LONGEST: Duration = Duration::from_millis(250);
/// Shorter waits are not begun: hosts that answer so soon answer many within one transaction anyway.
const SHORTEST: Duration = Duration::from_millis(20);

/// Those who ask one host.
#[derive(Default)]
struct Party {
    /// How many ask.
    asking: u32,
    /// Is cancelled when those who wait go.
    departure: CancellationToken,
}

impl Party {
    fn depart(&mut self) {
        std::mem::take(&mut self.departure).cancel();
    }
}

/// Those who ask hosts, and those who wait for one another.
#[derive(Default)]
pub(crate) struct Company {
    parties: Mutex<HashMap<ResourceId, Party>>,
}

/// One who asks a host, or no host at all, as long as it lives.
pub(crate) struct Member {
    company: Arc<Company>,
    /// Which, as long as it is asked and one does not wait.
    host: Option<ResourceId>,
    /// How many asked it then, this one included.
    among: u32,
    since: Instant,
}

/// One who waits for others of a host.
struct Waiting {
    host: ResourceId,
    patience: Duration,
    departure: CancellationToken,
}

impl Company {
    /// From now on a host is asked.
    pub(crate) fn join(self: &Arc<Self>, host: Option<ResourceId>) -> Member {
        let mut among = 0;
        if let Some(host) = host {
            let mut parties = self.parties();
            let party = parties.entry(host).or_default();
            party.asking += 1;
            among = party.asking;
        }
        Member {
            company: self.clone(),
            host,
            among,
            since: Instant::now(),
        }
    }

    fn parties(&self) -> MutexGuard<'_, HashMap<ResourceId, Party>> {
        self.parties.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One who asked does not any more, and goes with all who wait.
    fn leave(&self, host: ResourceId) {
        let mut parties = self.parties();
        if let Some(party) = parties.get_mut(&host) {
            party.asking = party.asking.saturating_sub(1);
            party.depart();
            if party.asking == 0 {
                parties.remove(&host);
            }
        }
    }

    fn depart(&self, host: ResourceId) {
        if let Some(party) = self.parties().get_mut(&host) {
            party.depart();
        }
    }
}

impl Member {
    /// The host has answered: waits for others of it, for a small part of the time that it took.
    pub(crate) async fn gather(mut self) {
        let Some(waiting) = self.wait() else {
            return;
        };
        let departure = waiting.departure.cancelled();
        let departure = tokio::time::timeout(waiting.patience, departure).await;
        if departure.is_err() {
            self.company.depart(waiting.host);
        }
    }

    /// Asks no more, and waits for those who still do, if there are any and one is to be expected in time.
    fn wait(&mut self) -> Option<Waiting> {
        let host = self.host?;
        let took = self.since.elapsed();
        let patience = (took / PART).min(LONGEST);
        if patience < SHORTEST {
            return None;
        }
        let mut parties = self.company.parties();
        let party = parties.get_mut(&host)?;
        let among = self.among.max(party.asking);
        if party.asking <= 1 || patience * among < took {
            return None;
        }
        party.asking -= 1;
        self.host = None;
        Some(Waiting {
            host,
            patience,
            departure: party.departure.clone(),
        })
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if let Some(host) = self.host {
            self.company.leave(host);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::future::join_all;
    use tokio::time::sleep;
    use uuid::Uuid;

    use super::*;

    /// So many ask a host that is busy enough to be waited for.
    const MANY: usize = 300;

    fn host(number: u128) -> Option<ResourceId> {
        Some(ResourceId::new(Uuid::from_u128(number)))
    }

    /// So many ask a host, and go on to do so.
    fn crowd(company: &Arc<Company>, size: usize) -> Vec<Member> {
        std::iter::repeat_with(|| company.join(host(1)))
            .take(size)
            .collect()
    }

    /// Asks a host that answers after so many milliseconds; tells after how many it is gone.
    async fn ask(company: &Arc<Company>, host: Option<ResourceId>, answered: u64) -> u128 {
        let asks = company.join(host);
        let began = Instant::now();
        sleep(Duration::from_millis(answered)).await;
        asks.gather().await;
        began.elapsed().as_millis()
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_alone_or_among_few_waits_for_nothing() {
        let company = Arc::default();
        assert_eq!(ask(&company, host(1), 1_600).await, 1_600);
        let mut few = crowd(&company, 6);
        assert_eq!(ask(&company, host(1), 1_600).await, 1_600);
        few.extend(crowd(&company, 1));
        assert_eq!(ask(&company, host(1), 1_600).await, 1_800);
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_are_answered_one_after_the_other_go_together() {
        let company = Arc::default();
        let _crowd = crowd(&company, MANY);
        let answered = [1_600, 1_640, 1_720, 1_840];
        let gone = join_all(answered.map(|at| ask(&company, host(1), at))).await;
        assert_eq!(gone, [1_800, 1_800, 1_800, 2_070]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_waits_for_nobody() {
        let company: Arc<Company> = Arc::default();
        let crowd = crowd(&company, MANY);
        let goes = async {
            sleep(Duration::from_millis(3_100)).await;
            drop(crowd);
        };
        let gone = tokio::join!(
            ask(&company, host(1), 3_200),
            ask(&company, host(1), 3_240),
            goes
        );
        assert_eq!((gone.0, gone.1), (3_240, 3_240));
        assert!(company.parties().is_empty(), "nothing is kept");
    }

    #[tokio::test(start_paused = true)]
    async fn who_was_answered_soon_goes_at_once_and_takes_the_others_along() {
        let company = Arc::default();
        let _crowd = crowd(&company, MANY);
        let soon = async {
            sleep(Duration::from_millis(3_250)).await;
            ask(&company, host(1), 50).await
        };
        let gone = tokio::join!(ask(&company, host(1), 3_200), soon);
        assert_eq!(gone, (3_300, 50));
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_longer_than_the_bound_or_for_those_of_another_host() {
        let company = Arc::default();
        let _crowd = crowd(&company, MANY);
        let gone = tokio::join!(
            ask(&company, host(1), 60_000),
            ask(&company, host(2), 60_000),
            ask(&company, None, 60_000),
        );
        assert_eq!(gone, (60_250, 60_000, 60_000));
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_is_not_waited_for() {
        let company: Arc<Company> = Arc::default();
        let crowd = crowd(&company, MANY);
        let gives_up = async {
            sleep(Duration::from_millis(3_210)).await;
            drop(crowd);
        };
        let (gone, ()) = tokio::join!(ask(&company, host(1), 3_200), gives_up);
        assert_eq!(gone, 3_210);
    }
}
