//! Which agent is connected to which agent server.
//!
//! ```text
//!   agent_server       id, beats, ended_at, address  its server counts; whoever finds it dead ends it
//!   agent_connection   host, number, server, lost    the server of the connection, and no older one
//! ```
//!
//! A connection gets its number when it is written down: one more than the last of its agent. News of a
//! connection name that number and change nothing once there is a higher one, so two servers that
//! disagree about an agent leave the row as the later connection says.
//!
//! An agent is lost if its row says so, or if its server has ended. The second costs no write of its
//! row, so agents that come back through another server cost one write each, committed in groups.

use std::collections::{BTreeSet, HashMap};

use drover_domain::liveness::Loss;
use drover_domain::{ResourceId, ResourceType, ServerId, State, Timestamp};
use sea_orm::entity::prelude::Uuid;
use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{
    ActiveValue, ColumnTrait, Condition, ConnectionTrait, DatabaseConnection, EntityTrait,
    IntoActiveModel, QueryFilter, QueryOrder, QuerySelect,
};

use crate::dialect::Together;
use crate::entities::{agent_connection, agent_server, resource};
use crate::{Store, StoreError, dialect};

/// The states in which a host is looked at whether its agent is back.
const OUT_OF_REACH: [State; 3] = [
    State::Reconnecting,
    State::Disconnecting,
    State::Disconnected,
];

/// What an agent server has to say about an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// It is connected.
    Connected {
        /// The agent.
        agent: ResourceId,
        /// The server that says so.
        server: ServerId,
        /// Since when.
        at: Timestamp,
    },
    /// A connection of it has ended.
    Gone {
        /// The number of the connection.
        number: i64,
        /// When the agent was last heard on it.
        at: Timestamp,
    },
}

/// A host whose agent is lost, or whose state says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfReach {
    /// The host.
    pub host: ResourceId,
    /// Its state, as it was a moment ago.
    pub state: State,
    /// How its agent was lost; none if it is connected.
    pub lost: Option<Loss>,
}

/// Where the agent of a host was seen last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The agent.
    pub agent: ResourceId,
    /// The server that it is, or was, connected to.
    pub server: ServerId,
    /// Where that server is dialled, if it says so.
    pub address: Option<String>,
    /// Whether it is connected, as far as anybody knows.
    pub is_connected: bool,
}

impl Store {
    /// Where the agent of a host was seen last; none if it never connected. Two reads by their keys.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn agent_of(&self, host: ResourceId) -> Result<Option<Seen>, StoreError> {
        let connection = agent_connection::Entity::find_by_id(host.uuid())
            .one(&self.lookups)
            .await?;
        let Some(connection) = connection else {
            return Ok(None);
        };
        let server = agent_server::Entity::find_by_id(connection.server_id)
            .one(&self.lookups)
            .await?;
        let lives = server
            .as_ref()
            .is_some_and(|server| server.ended_at.is_none());
        Ok(Some(Seen {
            agent: ResourceId::new(connection.agent_id),
            server: ServerId::new(connection.server_id),
            address: server.and_then(|server| server.address),
            is_connected: connection.lost_at.is_none() && lives,
        }))
    }

    /// Writes down what is heard of the agent of a host, together with others. Gives the number of the
    /// connection that the row is about then: that of a new connection, or of the one that is gone. None
    /// if the host is not there any more, or if there is a newer connection than the one that is gone.
    ///
    /// # Errors
    /// As [`Store::accept`].
    pub async fn tell_presence(
        &self,
        host: ResourceId,
        news: News,
    ) -> Result<Option<i64>, StoreError> {
        self.presence.submit((host, news)).await
    }

    /// Counts a heartbeat of an agent server. The first one makes its row, with the address where it is
    /// dialled for streams; one that was taken for dead is alive again, and whoever is still connected to
    /// it is so again.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn beat(
        &self,
        server: ServerId,
        address: Option<&str>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        use agent_server::Column;
        let counted = agent_server::Entity::update_many()
            .col_expr(Column::Beats, Expr::col(Column::Beats).add(1))
            .col_expr(Column::EndedAt, Expr::value(None::<i64>))
            .filter(Column::Id.eq(server.uuid()))
            .exec(&self.relaxed)
            .await?;
        if counted.rows_affected > 0 {
            return Ok(());
        }
        let row = agent_server::Model {
            id: server.uuid(),
            beats: 0,
            started_at: now.millis(),
            ended_at: None,
            address: address.map(str::to_owned),
        };
        agent_server::Entity::insert(row.into_active_model())
            .exec_without_returning(&self.writer)
            .await?;
        Ok(())
    }

    /// The agent servers that have not ended, with the heartbeats that each has counted.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn agent_servers(&self) -> Result<Vec<(ServerId, i64)>, StoreError> {
        use agent_server::Column;
        let rows: Vec<(Uuid, i64)> = agent_server::Entity::find()
            .select_only()
            .columns([Column::Id, Column::Beats])
            .filter(Column::EndedAt.is_null())
            .into_tuple()
            .all(&self.reader)
            .await?;
        let servers = rows.into_iter();
        Ok(servers
            .map(|(id, beats)| (ServerId::new(id), beats))
            .collect())
    }

    /// Says that an agent server has ended; where a count is given, only if it has not counted on since.
    /// False if it has, or had ended already.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn end_agent_server(
        &self,
        server: ServerId,
        beats: Option<i64>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        use agent_server::Column;
        let mut ended = agent_server::Entity::update_many()
            .col_expr(Column::EndedAt, Expr::value(now.millis()))
            .filter(Column::Id.eq(server.uuid()))
            .filter(Column::EndedAt.is_null());
        if let Some(beats) = beats {
            ended = ended.filter(Column::Beats.eq(beats));
        }
        Ok(ended.exec(&self.writer).await?.rows_affected > 0)
    }

    /// Forgets agent servers that ended before a moment, and that no host was last connected to.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn forget_agent_servers(&self, before: Timestamp) -> Result<u64, StoreError> {
        use agent_server::Column;
        let needed = Query::select()
            .column(agent_connection::Column::ServerId)
            .from(agent_connection::Entity)
            .to_owned();
        let deleted = agent_server::Entity::delete_many()
            .filter(Column::EndedAt.lt(before.millis()))
            .filter(Column::Id.not_in_subquery(needed))
            .exec(&self.writer)
            .await?;
        Ok(deleted.rows_affected)
    }

    /// Forgets the connection of a host that is removed.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn forget_presence(&self, host: ResourceId) -> Result<(), StoreError> {
        agent_connection::Entity::delete_by_id(host.uuid())
            .exec(&self.writer)
            .await?;
        Ok(())
    }

    /// Every host whose agent is lost, or whose state says that it was. Cost: three queries, which answer
    /// as many rows as there are such hosts, and look at the states of all.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn out_of_reach(&self) -> Result<Vec<OutOfReach>, StoreError> {
        let lost = self.lost().await?;
        let backend = self.reader.get_database_backend();
        let states = OUT_OF_REACH.map(State::as_str);
        let concerned = Condition::any()
            .add(resource::Column::State.is_in(states))
            .add(dialect::is_one_of(
                backend,
                resource::Column::Id,
                lost.keys().map(|host| host.uuid()),
            ));
        let rows: Vec<(Uuid, String)> = resource::Entity::find()
            .select_only()
            .columns([resource::Column::Id, resource::Column::State])
            .filter(resource::Column::ResourceType.eq(ResourceType::Host.as_str()))
            .filter(resource::Column::RemovedAt.is_null())
            .filter(concerned)
            .into_tuple()
            .all(&self.reader)
            .await?;
        let read = rows.into_iter().map(|(id, state)| {
            let unreadable = |error| StoreError::unreadable("resource", error);
            let host = ResourceId::new(id);
            Ok(OutOfReach {
                host,
                state: state.parse().map_err(unreadable)?,
                lost: lost.get(&host).copied(),
            })
        });
        read.collect()
    }

    /// The hosts whose agents are lost.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn lost(&self) -> Result<HashMap<ResourceId, Loss>, StoreError> {
        use agent_connection::Column;
        let ended: Vec<(Uuid, i64)> = agent_server::Entity::find()
            .select_only()
            .columns([agent_server::Column::Id, agent_server::Column::EndedAt])
            .filter(agent_server::Column::EndedAt.is_not_null())
            .into_tuple()
            .all(&self.reader)
            .await?;
        let ended: HashMap<Uuid, i64> = ended.into_iter().collect();
        let backend = self.reader.get_database_backend();
        let on_ended = dialect::is_one_of(backend, Column::ServerId, ended.keys().copied());
        let rows: Vec<(Uuid, Uuid, Option<i64>)> = agent_connection::Entity::find()
            .select_only()
            .columns([Column::HostId, Column::ServerId, Column::LostAt])
            .filter(Column::LostAt.is_not_null().or(on_ended))
            .into_tuple()
            .all(&self.reader)
            .await?;
        let lost = rows.into_iter().filter_map(|(host, server, lost)| {
            let loss = match (lost, ended.get(&server)) {
                (Some(at), _) => Loss::Connection(Timestamp::from_millis(at)),
                (None, Some(at)) => Loss::Server(Timestamp::from_millis(*at)),
                (None, None) => return None,
            };
            Some((ResourceId::new(host), loss))
        });
        Ok(lost.collect())
    }
}

/// Writes down news of different hosts in one transaction.
pub(crate) async fn write(
    database: &DatabaseConnection,
    batch: &[(ResourceId, News)],
) -> Result<Vec<Option<i64>>, StoreError> {
    use agent_connection::Column;
    let transaction = dialect::begin(database).await?;
    let backend = transaction.get_database_backend();
    let ids: BTreeSet<Uuid> = batch.iter().map(|(host, _)| host.uuid()).collect();
    let there: Vec<Uuid> = resource::Entity::find()
        .select_only()
        .column(resource::Column::Id)
        .filter(dialect::is_one_of(
            backend,
            resource::Column::Id,
            ids.iter().copied(),
        ))
        .filter(resource::Column::RemovedAt.is_null())
        .into_tuple()
        .all(&transaction)
        .await?;
    let there: BTreeSet<Uuid> = there.into_iter().collect();
    let rows = agent_connection::Entity::find()
        .filter(dialect::is_one_of(backend, Column::HostId, ids))
        .order_by_asc(Column::HostId)
        .lock_exclusive()
        .all(&transaction)
        .await?;
    let known: HashMap<Uuid, agent_connection::Model> =
        rows.into_iter().map(|row| (row.host_id, row)).collect();

    let (mut new, mut changed) = (Vec::new(), Vec::new());
    let mut outcomes = Vec::with_capacity(batch.len());
    for (host, news) in batch {
        let id = host.uuid();
        let row = known.get(&id);
        let written = match news {
            News::Connected { agent, server, at } => {
                there.contains(&id).then(|| agent_connection::Model {
                    host_id: id,
                    agent_id: agent.uuid(),
                    server_id: server.uuid(),
                    number: row.map_or(0, |row| row.number) + 1,
                    connected_at: at.millis(),
                    lost_at: None,
                })
            }
            News::Gone { number, at } => {
                row.filter(|row| row.number == *number)
                    .map(|row| agent_connection::Model {
                        lost_at: Some(at.millis()),
                        ..row.clone()
                    })
            }
        };
        outcomes.push(written.as_ref().map(|written| written.number));
        if let Some(written) = written {
            let is_lost = written.lost_at;
            let mut written = written.into_active_model();
            // Said in any case: all rows of a statement set the same columns.
            written.lost_at = ActiveValue::Set(is_lost);
            match row {
                None => new.push(written),
                Some(_) => changed.push(written),
            }
        }
    }
    let columns = [
        Column::AgentId,
        Column::ServerId,
        Column::Number,
        Column::ConnectedAt,
        Column::LostAt,
    ];
    let mut together = Together::begin(&transaction);
    together.insert::<agent_connection::Entity>(new).await?;
    together
        .rewrite::<agent_connection::Entity>(changed, &columns)
        .await?;
    together.run().await?;
    transaction.commit().await?;
    Ok(outcomes)
}
