//! Resources that are read straight from a row into what the domain knows.
//!
//! A row of the entity holds its JSON as trees of values, which are made of text and then taken apart
//! again. Where many resources are read, that is most of the work; here the text becomes the types of the
//! domain at once.

use std::collections::BTreeMap;

use drover_domain::resource::Details;
use drover_domain::{Resource, ResourceId, ResourceType, Timestamp};
use sea_orm::entity::prelude::Uuid;
use sea_orm::{DbErr, FromQueryResult, QueryResult, TryGetable, TryGetableFromJson};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::StoreError;

/// A resource, or why its row cannot be read: one that is broken spoils nothing for its neighbours.
pub(crate) struct Direct {
    pub(crate) id: ResourceId,
    pub(crate) read: Result<Resource, StoreError>,
}

impl FromQueryResult for Direct {
    fn from_query_result(row: &QueryResult, prefix: &str) -> Result<Self, DbErr> {
        let id = ResourceId::new(row.try_get(prefix, "id")?);
        let read = resource(row, prefix, id);
        Ok(Self {
            id,
            read: read.map_err(|reason| StoreError::unreadable("resource", reason)),
        })
    }
}

/// A column of JSON as a type.
#[derive(Deserialize)]
#[serde(transparent)]
struct Typed<T>(T);

impl<T: DeserializeOwned> TryGetableFromJson for Typed<T> {}

fn resource(row: &QueryResult, prefix: &str, own: ResourceId) -> Result<Resource, String> {
    let resource_type: String = plain(row, prefix, "type")?;
    let resource_type: ResourceType = resource_type.parse().map_err(|error| format!("{error}"))?;
    let state: String = plain(row, prefix, "state")?;
    let id =
        |column| Ok::<_, String>(plain::<Option<Uuid>>(row, prefix, column)?.map(ResourceId::new));
    let moment = |column| Ok::<_, String>(Timestamp::from_millis(plain(row, prefix, column)?));
    let removed: Option<i64> = plain(row, prefix, "removed_at")?;
    Ok(Resource {
        id: own,
        project: id("project_id")?,
        name: plain(row, prefix, "name")?,
        description: plain(row, prefix, "description")?,
        labels: typed::<BTreeMap<String, String>>(row, prefix, "labels")?,
        metadata: typed::<Map<String, Value>>(row, prefix, "metadata")?,
        state: state.parse().map_err(|error| format!("{error}"))?,
        version: plain(row, prefix, "version")?,
        host: id("host_id")?,
        created: moment("created_at")?,
        updated: moment("updated_at")?,
        removed: removed.map(Timestamp::from_millis),
        details: details(row, prefix, resource_type)?,
    })
}

fn details(
    row: &QueryResult,
    prefix: &str,
    resource_type: ResourceType,
) -> Result<Details, String> {
    macro_rules! both {
        ($variant:ident) => {
            Details::$variant {
                spec: typed(row, prefix, "spec")?,
                status: typed(row, prefix, "status")?,
            }
        };
    }
    Ok(match resource_type {
        ResourceType::Container => both!(Container),
        ResourceType::Host => both!(Host),
        ResourceType::Agent => both!(Agent),
        ResourceType::RegistrationToken => both!(RegistrationToken),
        ResourceType::Project => Details::Project {
            spec: typed(row, prefix, "spec")?,
        },
        ResourceType::Account => both!(Account),
        ResourceType::ApiKey => both!(ApiKey),
        ResourceType::Volume => both!(Volume),
        ResourceType::Network => Details::Network {
            spec: typed(row, prefix, "spec")?,
        },
        ResourceType::RegistryCredential => Details::RegistryCredential {
            spec: typed(row, prefix, "spec")?,
        },
        ResourceType::Image => both!(Image),
    })
}

fn plain<T: TryGetable>(row: &QueryResult, prefix: &str, column: &str) -> Result<T, String> {
    row.try_get(prefix, column)
        .map_err(|error| error.to_string())
}

fn typed<T: DeserializeOwned>(row: &QueryResult, prefix: &str, column: &str) -> Result<T, String> {
    let Typed(value) = plain(row, prefix, column)?;
    Ok(value)
}
