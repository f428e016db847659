//! Rate limits by key. They hold for everybody who has the key, so this theme wants an installation of
//! its own.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;

use super::settings::put;
use crate::facts;
use crate::installation::Drover;
use crate::until::until;

/// All facts of this theme.
pub async fn hold(drover: &Drover) {
    facts![drover; a_key_that_asks_too_often_is_told_to_wait_and_then_served,]
        .hold()
        .await;
}

async fn a_key_that_asks_too_often_is_told_to_wait_and_then_served(drover: &Drover) -> Result<()> {
    for _ in 0..50 {
        drover.api.get("/v1").await?.expect(200)?;
    }
    put(drover, "rateLimitBurst", json!(5)).await?.expect(200)?;
    put(drover, "rateLimitPerSecond", json!(2))
        .await?
        .expect(200)?;
    // As old as the settings of a server may be.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut refused = None;
    for _ in 0..50 {
        let reply = drover.api.get("/v1").await?;
        if reply.status == 429 {
            refused = Some(reply);
            break;
        }
    }
    let Some(refused) = refused else {
        anyhow::bail!("50 requests were answered");
    };
    let wait: u64 = refused.header("retry-after").parse().unwrap_or(0);
    ensure!((1..=5).contains(&wait), "wait {wait} s");
    refused.problem(429, "rateLimit")?;
    // Health is not of any key.
    let healthy = drover.api.get("/healthz").await?;
    ensure!(healthy.status == 200, "health is {}", healthy.status);
    until("it is served again", super::SOON, || async {
        tokio::time::sleep(Duration::from_secs(wait)).await;
        drover
            .api
            .delete("/v1/settings/rateLimitPerSecond")
            .await?
            .expect(204)
    })
    .await
    .map(drop)
}
