//! How many requests a second each key may make of each server.
//!
//! Each key has a bucket of tokens that fills at the rate of the settings and holds as many as may
//! come at once; a request takes one. Buckets are kept in memory, each server its own, and forgotten
//! once they would be full again, which nobody can tell. What is limited by default is nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::time::Instant;
use uuid::Uuid;

use crate::Shared;
use crate::authorization::Caller;
use crate::problem::{Problem, catalogue};

/// The most buckets. Beyond that, and if none is full again, the fullest is forgotten.
const MOST: usize = 100_000;

/// The buckets of all keys.
#[derive(Default)]
pub(crate) struct Buckets(Mutex<HashMap<Uuid, Bucket>>);

#[derive(Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

/// How fast a bucket fills, and how much it holds.
#[derive(Clone, Copy)]
struct Rate {
    per_second: f64,
    burst: f64,
}

impl Bucket {
    fn full(rate: Rate, now: Instant) -> Self {
        Self {
            tokens: rate.burst,
            at: now,
        }
    }

    fn at(self, rate: Rate, now: Instant) -> Self {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        let tokens = self.tokens + passed * rate.per_second;
        Self {
            tokens: tokens.min(rate.burst),
            at: now,
        }
    }
}

impl Buckets {
    /// Takes a token of a key, or tells how long it takes until there is one.
    fn take(&self, key: Uuid, rate: Rate, now: Instant) -> Result<(), Duration> {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MOST && !buckets.contains_key(&key) {
            make_room(&mut buckets, rate, now);
        }
        let bucket = buckets
            .entry(key)
            .or_insert_with(|| Bucket::full(rate, now));
        *bucket = bucket.at(rate, now);
        if bucket.tokens < 1.0 {
            let wait = (1.0 - bucket.tokens) / rate.per_second;
            return Err(Duration::from_secs_f64(wait));
        }
        bucket.tokens -= 1.0;
        Ok(())
    }
}

fn make_room(buckets: &mut HashMap<Uuid, Bucket>, rate: Rate, now: Instant) {
    buckets.retain(|_, bucket| bucket.at(rate, now).tokens < rate.burst);
    if buckets.len() >= MOST {
        let fullest = buckets.iter().max_by(|(_, one), (_, other)| {
            let [one, other] = [one, other].map(|bucket| bucket.at(rate, now).tokens);
            one.total_cmp(&other)
        });
        if let Some(fullest) = fullest.map(|(key, _)| *key) {
            buckets.remove(&fullest);
        }
    }
}

/// Refuses what a key asks too often.
pub(crate) async fn limit(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Response {
    let settings = shared.live.values().await;
    let per_second = settings.rate_limit_per_second.unwrap_or_default();
    if per_second <= 0 {
        return next.run(request).await;
    }
    let Some(caller) = request.extensions().get::<Caller>() else {
        return next.run(request).await;
    };
    let rate = Rate {
        per_second: per_second as f64,
        burst: settings.rate_limit_burst.unwrap_or(1).max(1) as f64,
    };
    match shared.buckets.take(caller.credential, rate, Instant::now()) {
        Ok(()) => next.run(request).await,
        Err(wait) => refuse(wait),
    }
}

fn refuse(wait: Duration) -> Response {
    let seconds = wait.as_secs_f64().ceil().max(1.0) as u64;
    let problem = Problem::new(
        &catalogue::RATE_LIMIT,
        "the key has made more requests than it may",
    )
    .with_hint(format!("repeat the request in {seconds} s"));
    problem
        .retry_after(Duration::from_secs(seconds))
        .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate {
        per_second: 10.0,
        burst: 3.0,
    };

    #[test]
    fn a_key_may_make_a_burst_and_then_so_many_a_second() {
        let buckets = Buckets::default();
        let (key, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let now = Instant::now();
        for _ in 0..3 {
            assert_eq!(buckets.take(key, RATE, now), Ok(()));
        }
        let wait = buckets.take(key, RATE, now).unwrap_err();
        assert!(wait <= Duration::from_millis(101), "{wait:?}");
        assert_eq!(buckets.take(other, RATE, now), Ok(()), "keys are apart");
        let later = now + Duration::from_millis(110);
        assert_eq!(buckets.take(key, RATE, later), Ok(()));
        assert!(buckets.take(key, RATE, later).is_err());
    }

    #[test]
    fn buckets_that_are_full_again_are_forgotten_when_there_are_too_many() {
        let buckets = Buckets::default();
        let now = Instant::now();
        for number in 0..MOST {
            let key = Uuid::from_u128(number as u128);
            buckets.take(key, RATE, now).unwrap();
        }
        let later = now + Duration::from_secs(1);
        buckets
            .take(Uuid::from_u128(u128::MAX), RATE, later)
            .unwrap();
        assert_eq!(buckets.0.lock().unwrap().len(), 1);
    }
}
