//! What facts are made of: databases, stores over them, resources, intents and their work.

mod build;
mod database;
mod people;
mod world;

pub(crate) use build::{
    LEASE, NOW, asked, at, capacity, container, host, next_write, port, resource, to_change,
    to_create,
};
pub(crate) use database::Database;
pub(crate) use people::{account, key, operator};
pub(crate) use world::World;

use std::any::Any;
use std::future::Future;

/// Checks one fact on SQLite.
pub(crate) async fn check_on_sqlite<Fact, Checked>(fact: Fact)
where
    Fact: FnOnce(World) -> Checked,
    Checked: Future<Output = ()>,
{
    let world = World::over(Database::sqlite()).await;
    let (database, store) = (world.database.clone(), world.store.clone());
    fact(world).await;
    store.close().await.unwrap();
    drop(database);
}

/// Checks facts on one PostgreSQL server, each in a database of its own.
pub(crate) struct Checks {
    server: Database,
    broken: Vec<String>,
}

impl Checks {
    /// Starts the server.
    pub(crate) async fn on_postgres() -> Self {
        Self {
            server: Database::postgres().await,
            broken: Vec::new(),
        }
    }

    /// Checks one fact, and goes on when it does not hold.
    pub(crate) async fn check<Fact, Checked>(&mut self, name: &str, fact: Fact)
    where
        Fact: FnOnce(World) -> Checked,
        Checked: Future<Output = ()> + Send + 'static,
    {
        let world = World::over(self.server.another().await).await;
        let store = world.store.clone();
        if let Err(failure) = tokio::spawn(fact(world)).await {
            let why = match failure.try_into_panic() {
                Ok(panic) => message(panic.as_ref()),
                Err(failure) => failure.to_string(),
            };
            self.broken.push(format!("{name}: {why}"));
        }
        store.close().await.unwrap();
    }

    /// Fails if any fact did not hold.
    pub(crate) async fn finish(self) {
        assert!(
            self.broken.is_empty(),
            "these do not hold on PostgreSQL:\n{}",
            self.broken.join("\n")
        );
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    let literal = || panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(literal).unwrap_or_default()
}
