//! `droverd migrate`: brings the schema of a cluster's database up to date, and on the first run
//! makes the operator's key. What is sealed with an older key of the file of keys is sealed with the first.

use clap::Args;
use drover_api_server::bootstrap;
use drover_configuration::{Settings, flags};
use drover_store::clock::SystemClock;
use drover_store::{Keyring, Store, StoreOptions};
use serde::Serialize;

use crate::wiring;

#[derive(Args, Serialize)]
pub(crate) struct Flags {
    #[command(flatten)]
    #[serde(flatten)]
    data_dir: flags::DataDir,
    #[command(flatten)]
    #[serde(flatten)]
    database: flags::Database,
    #[command(flatten)]
    #[serde(flatten)]
    secrets: flags::Secrets,
}

pub(crate) async fn run(settings: Settings) -> anyhow::Result<()> {
    let keyring = Keyring::read(settings.secrets_key_file.as_deref())?;
    let has_key = keyring.has_key();
    let options = StoreOptions::new(settings.database_url()?).with_keyring(keyring);
    let store = Store::connect(&options).await?;
    store.migrate().await?;
    tracing::info!("the schema is up to date");
    if has_key {
        wiring::reseal(&store).await?;
    }
    wiring::make_data_dir(&settings.data_dir)?;
    let key_file = wiring::operator_key(&settings.data_dir);
    if bootstrap::prepare(&store, &SystemClock, &key_file).await? {
        tracing::info!(file = %key_file.display(), "the operator's key was written");
    }
    Ok(store.close().await?)
}
