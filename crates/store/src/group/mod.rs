//! Group commit: what arrives together is committed together.
//!
//! ```text
//!   submit --+
//!   submit --+--> queue --> lane: takes what has gathered, one transaction, an outcome for each
//!   submit --+              lane: the same, while the first waits for its commit
//! ```
//!
//! An idle store commits a lone item at once, a busy one commits as many as came
//! in during the last transaction, up to [`LARGEST`], and whatever the tasks that are ready to run add
//! to it when they have had their turn. While a transaction is under way, a second is begun only for
//! [`WORTH_ANOTHER`] items: fewer wait for more, for the first to end, or for [`PATIENCE`]. Where it is said
//! so ([`Pace::Rests`]), few also wait for company ([`Traffic::company`]) after a transaction of several, as
//! long as that took at most: then no more than half of the time goes to small transactions, and what comes one
//! at a time waits for nothing. Items about
//! one subject are committed one after the other, since the later may build on the earlier. When a
//! transaction is refused for a reason that is not the database's absence, its items are tried one by
//! one, so that an item which cannot be committed spoils nothing for its neighbours.

mod traffic;

use std::collections::HashSet;
use std::future::Future;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use drover_metrics::table::{STORE_BATCH, STORE_BATCHES_REFUSED, STORE_FLUSH_SECONDS};
use drover_metrics::{CounterHandle, HistogramHandle};
use futures::future::BoxFuture;
use sea_orm::DatabaseConnection;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::Instant;

use crate::StoreError;
pub(crate) use traffic::Pace;
use traffic::{PATIENCE, Traffic, WORTH_ANOTHER};

/// The most items of one transaction. A batch of 100 rows costs about what three single writes
/// cost; beyond some hundreds the gain is small and the wait grows.
const LARGEST: usize = 200;
/// A flush that takes longer is given up. PostgreSQL gives up on its locks earlier by itself.
const LONGEST_FLUSH: Duration = Duration::from_secs(20);
/// Items that can wait before those who submit have to.
const QUEUE: usize = 4_096;

/// The outcomes of a batch, once it was flushed.
pub(crate) type Flushing<'a, R> = BoxFuture<'a, Result<Vec<R>, StoreError>>;

type Answer<R> = oneshot::Sender<Result<R, StoreError>>;
type Gathered<T, R> = Arc<Mutex<mpsc::Receiver<(T, Answer<R>)>>>;

/// What is measured of a group.
#[derive(Clone)]
struct Gauges {
    items: HistogramHandle,
    flush_seconds: HistogramHandle,
    refused: CounterHandle,
}

impl Gauges {
    fn of(group: &'static str) -> Self {
        Self {
            items: STORE_BATCH.of([group]),
            flush_seconds: STORE_FLUSH_SECONDS.of([group]),
            refused: STORE_BATCHES_REFUSED.of([group]),
        }
    }
}

/// Gathers items of one kind.
pub(crate) struct Group<T, R> {
    queue: mpsc::Sender<(T, Answer<R>)>,
}

impl<T, R> Clone for Group<T, R> {
    fn clone(&self) -> Self {
        Self {
            queue: self.queue.clone(),
        }
    }
}

impl<T, R> Group<T, R>
where
    T: Clone + Send + Sync + 'static,
    R: Send + 'static,
{
    /// Starts so many lanes that hand batches to `flush`. They end when the last clone of the group
    /// is dropped. `subject` tells what an item is about; `flush` answers each item of the batch,
    /// in order. Metrics bear the `name`.
    pub(crate) fn start<S, F, Flushed>(
        name: &'static str,
        (lanes, pace): (usize, Pace),
        subject: fn(&T) -> S,
        flush: F,
    ) -> Self
    where
        S: Eq + Hash + 'static,
        F: Fn(Arc<Vec<T>>) -> Flushed + Clone + Send + Sync + 'static,
        Flushed: Future<Output = Result<Vec<R>, StoreError>> + Send + 'static,
    {
        let (queue, gathered) = mpsc::channel(QUEUE);
        let gathered = Arc::new(Mutex::new(gathered));
        let gauges = Gauges::of(name);
        let traffic = Traffic::at(pace);
        for _ in 0..lanes {
            let lane = run_lane(
                gathered.clone(),
                traffic.clone(),
                subject,
                flush.clone(),
                gauges.clone(),
            );
            tokio::spawn(lane);
        }
        Self { queue }
    }

    /// Starts a group that waits for no company, and whose batches one function takes to a database.
    pub(crate) fn at_once<S>(
        name: &'static str,
        lanes: usize,
        subject: fn(&T) -> S,
        database: &DatabaseConnection,
        flush: for<'a> fn(&'a DatabaseConnection, &'a [T]) -> Flushing<'a, R>,
    ) -> Self
    where
        S: Eq + Hash + 'static,
    {
        let database = database.clone();
        Self::start(name, (lanes, Pace::AtOnce), subject, move |batch| {
            let database = database.clone();
            async move { flush(&database, &batch).await }
        })
    }

    /// Hands over one item and waits for its outcome.
    pub(crate) async fn submit(&self, item: T) -> Result<R, StoreError> {
        let (answer, outcome) = oneshot::channel();
        self.queue
            .send((item, answer))
            .await
            .map_err(|_| StoreError::Closed)?;
        outcome.await.map_err(|_| StoreError::Closed)?
    }
}

async fn run_lane<T, R, S, F, Flushed>(
    gathered: Gathered<T, R>,
    traffic: Traffic,
    subject: fn(&T) -> S,
    flush: F,
    gauges: Gauges,
) where
    T: Clone,
    S: Eq + Hash,
    F: Fn(Arc<Vec<T>>) -> Flushed,
    Flushed: Future<Output = Result<Vec<R>, StoreError>>,
{
    loop {
        let (mut batch, _under_way) = {
            let mut queue = gathered.lock().await;
            let batch = gather(&mut queue, &traffic).await;
            // Before another lane may look.
            let under_way = traffic.begin(batch.len());
            (batch, under_way)
        };
        if batch.is_empty() {
            return;
        }
        while !batch.is_empty() {
            let later = batch.split_off(apart(&batch, subject));
            flush_and_answer(batch, &flush, &gauges).await;
            batch = later;
        }
    }
}

/// Waits for items that are worth a transaction, while the other lanes that are free wait for their turn
/// to do so. None will come if there are none.
async fn gather<I>(queue: &mut mpsc::Receiver<I>, traffic: &Traffic) -> Vec<I> {
    let mut batch = Vec::new();
    queue.recv_many(&mut batch, LARGEST).await;
    // On an idle server nobody else is ready, and this costs nothing.
    tokio::task::yield_now().await;
    while batch.len() < LARGEST
        && let Ok(item) = queue.try_recv()
    {
        batch.push(item);
    }
    if batch.is_empty() {
        return batch;
    }
    let end = tokio::time::timeout(PATIENCE, traffic.rests());
    wait_for_company(queue, &mut batch, WORTH_ANOTHER, end).await;
    if let Some((wanted, until)) = traffic.company(batch.len()) {
        let end = tokio::time::sleep_until(until);
        wait_for_company(queue, &mut batch, wanted, end).await;
    }
    batch
}

/// Takes in what comes, until there are so many or the wait is at its end.
async fn wait_for_company<I, E>(
    queue: &mut mpsc::Receiver<I>,
    batch: &mut Vec<I>,
    wanted: usize,
    end: impl Future<Output = E>,
) {
    tokio::pin!(end);
    while batch.len() < wanted {
        let room = LARGEST - batch.len();
        tokio::select! {
            biased;
            _ = &mut end => return,
            more = queue.recv_many(batch, room) => if more == 0 { return },
        }
    }
}

/// The subject of items that can always share a batch: each has one of its own.
pub(crate) fn nothing_in_common<T>(_: &T) -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// How many items at the head of a batch are about subjects of their own.
fn apart<T, A, S: Eq + Hash>(batch: &[(T, A)], subject: fn(&T) -> S) -> usize {
    let mut subjects = HashSet::with_capacity(batch.len());
    batch
        .iter()
        .position(|(item, _)| !subjects.insert(subject(item)))
        .unwrap_or(batch.len())
}

async fn flush_and_answer<T, R, F, Flushed>(batch: Vec<(T, Answer<R>)>, flush: &F, gauges: &Gauges)
where
    T: Clone,
    F: Fn(Arc<Vec<T>>) -> Flushed,
    Flushed: Future<Output = Result<Vec<R>, StoreError>>,
{
    let (items, answers): (Vec<T>, Vec<Answer<R>>) = batch.into_iter().unzip();
    gauges.items.record(items.len() as f64);
    let began = Instant::now();
    let items = Arc::new(items);
    let flushed = within_bound(flush(Arc::clone(&items))).await;
    gauges.flush_seconds.record(began.elapsed());
    match flushed {
        Ok(outcomes) => {
            // Whoever goes on with an item goes on with all of it.
            drop(items);
            for (answer, outcome) in answers.into_iter().zip(outcomes) {
                // Whoever asked may have gone; what was committed stays committed.
                drop(answer.send(Ok(outcome)));
            }
        }
        Err(error) if answers.len() == 1 || error.is_unavailable() => {
            for answer in answers {
                drop(answer.send(Err(error.clone())));
            }
        }
        Err(error) => {
            gauges.refused.increment(1);
            tracing::warn!(%error, items = items.len(), "batch refused, tried one by one");
            for (item, answer) in Arc::unwrap_or_clone(items).into_iter().zip(answers) {
                let outcome = within_bound(flush(Arc::new(vec![item])))
                    .await
                    .and_then(|mut outcomes| outcomes.pop().ok_or(StoreError::Closed));
                drop(answer.send(outcome));
            }
        }
    }
}

/// A flush that is given up when the database neither answers nor closes the connection: one that
/// hangs must not hold up every later item with it.
async fn within_bound<R>(
    flush: impl Future<Output = Result<Vec<R>, StoreError>>,
) -> Result<Vec<R>, StoreError> {
    tokio::time::timeout(LONGEST_FLUSH, flush)
        .await
        .unwrap_or(Err(StoreError::TimedOut(LONGEST_FLUSH)))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[tokio::test]
    async fn what_arrives_together_is_flushed_together_and_answered_apart() {
        let flushes = Arc::new(AtomicUsize::new(0));
        let counter = flushes.clone();
        let group = Group::start(
            "tests",
            (1, Pace::AtOnce),
            |item| *item,
            move |batch: Arc<Vec<usize>>| {
                counter.fetch_add(1, Ordering::Relaxed);
                async move {
                    tokio::task::yield_now().await;
                    Ok(batch.iter().map(|item| item * 2).collect())
                }
            },
        );
        let answers = futures::future::join_all((0..100).map(|item| group.submit(item))).await;
        for (item, answer) in answers.into_iter().enumerate() {
            assert_eq!(answer.unwrap(), item * 2);
        }
        assert!(flushes.load(Ordering::Relaxed) < 50);
    }

    #[tokio::test]
    async fn few_wait_for_the_end_of_what_is_under_way_and_many_do_not() {
        let (queue, mut gathered) = mpsc::channel(QUEUE);
        let put = |items: usize| (0..items).for_each(|item| queue.try_send(item).unwrap());
        let traffic = Traffic::at(Pace::AtOnce);

        put(1);
        assert_eq!(gather(&mut gathered, &traffic).await.len(), 1);

        let under_way = traffic.begin(1);
        put(2);
        let mut few = Box::pin(gather(&mut gathered, &traffic));
        // What has come is taken in, then others have their turn, then it waits.
        assert!(futures::poll!(&mut few).is_pending());
        assert!(futures::poll!(&mut few).is_pending());
        put(WORTH_ANOTHER - 2);
        assert_eq!(few.await.len(), WORTH_ANOTHER);

        put(2);
        let mut few = Box::pin(gather(&mut gathered, &traffic));
        assert!(futures::poll!(&mut few).is_pending());
        assert!(futures::poll!(&mut few).is_pending());
        drop(under_way);
        assert_eq!(few.await.len(), 2);
    }

    #[tokio::test]
    async fn what_is_under_way_for_long_holds_nobody_up() {
        let (queue, mut gathered) = mpsc::channel(QUEUE);
        let traffic = Traffic::at(Pace::AtOnce);
        let _under_way = traffic.begin(1);
        queue.try_send(1).unwrap();
        assert_eq!(gather(&mut gathered, &traffic).await, [1]);
    }

    /// A batch of so many that took a while.
    async fn end_a_batch(traffic: &Traffic, items: usize) {
        let under_way = traffic.begin(items);
        tokio::time::sleep(TOOK).await;
        drop(under_way);
    }

    const TOOK: Duration = Duration::from_millis(10);

    #[tokio::test(start_paused = true)]
    async fn few_wait_after_a_batch_of_several_as_long_as_that_took_and_after_a_lone_one_not_at_all()
     {
        let (queue, mut gathered) = mpsc::channel(QUEUE);
        let traffic = Traffic::at(Pace::Rests);
        for (items, rests) in [(1, Duration::ZERO), (2, TOOK)] {
            end_a_batch(&traffic, items).await;
            let ended = Instant::now();
            queue.try_send(1).unwrap();
            assert_eq!(gather(&mut gathered, &traffic).await.len(), 1);
            assert_eq!(ended.elapsed(), rests, "after {items}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn few_wait_no_longer_once_as_many_are_there_as_before() {
        let (queue, mut gathered) = mpsc::channel(QUEUE);
        let traffic = Traffic::at(Pace::Rests);
        end_a_batch(&traffic, 6).await;
        queue.try_send(1).unwrap();
        let mut few = Box::pin(gather(&mut gathered, &traffic));
        // Others have their turn first.
        assert!(futures::poll!(&mut few).is_pending());
        assert!(futures::poll!(&mut few).is_pending());
        (0..5).for_each(|item| queue.try_send(item).unwrap());
        assert!(futures::poll!(&mut few).is_ready());
    }

    #[tokio::test]
    async fn one_that_is_refused_spoils_nothing_for_the_others() {
        let group = Group::start(
            "tests",
            (1, Pace::AtOnce),
            |item| *item,
            |batch: Arc<Vec<usize>>| async move {
                if batch.contains(&3) {
                    return Err(StoreError::unreadable("test", "three"));
                }
                Ok(batch.to_vec())
            },
        );
        let answers = futures::future::join_all((0..10).map(|item| group.submit(item))).await;
        for (item, answer) in answers.into_iter().enumerate() {
            assert_eq!(answer.is_ok(), item != 3);
        }
    }

    #[tokio::test]
    async fn items_about_one_subject_never_share_a_batch() {
        let group = Group::start(
            "tests",
            (1, Pace::AtOnce),
            |item| item % 10,
            |batch: Arc<Vec<usize>>| async move {
                let subjects: HashSet<usize> = batch.iter().map(|item| item % 10).collect();
                Ok(vec![subjects.len() == batch.len(); batch.len()])
            },
        );
        let answers = futures::future::join_all((0..100).map(|item| group.submit(item))).await;
        assert!(answers.into_iter().all(|is_alone| is_alone.unwrap()));
    }
}
