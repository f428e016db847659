//! From what a person typed to one resource: an id, a name, or the beginning or end of an id.
//!
//! A whole id is asked for directly. Otherwise a name goes before a part of an id, and what lives
//! before what was removed. Several that fit are an error that lists them: a guess would act on the
//! wrong one.

use drover_domain::ResourceId;
use serde_json::Value;

use super::Client;
use crate::failure::Failure;

/// Fewer characters of an id are no reference to anything.
const SHORTEST_PART: usize = 4;
/// The most candidates that an error lists.
const MOST_CANDIDATES: usize = 10;

/// A type of resource that can be named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Containers.
    Container,
    /// Hosts.
    Host,
    /// Volumes.
    Volume,
    /// Networks.
    Network,
    /// Images.
    Image,
    /// Credentials for registries.
    RegistryCredential,
}

impl Kind {
    /// The name in the singular.
    pub fn singular(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::Host => "host",
            Self::Volume => "volume",
            Self::Network => "network",
            Self::Image => "image",
            Self::RegistryCredential => "credential",
        }
    }

    /// What people know one by.
    fn known_by(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::RegistryCredential => "registry",
            _ => "name",
        }
    }

    /// The address of the collection.
    pub fn collection(self) -> &'static str {
        match self {
            Self::Container => "/v1/containers",
            Self::Host => "/v1/hosts",
            Self::Volume => "/v1/volumes",
            Self::Network => "/v1/networks",
            Self::Image => "/v1/images",
            Self::RegistryCredential => "/v1/registryCredentials",
        }
    }
}

impl Client {
    /// Finds the one resource that is meant.
    ///
    /// # Errors
    /// [`Failure::NotFound`], [`Failure::Ambiguous`], or that of the call.
    pub async fn find(&self, kind: Kind, reference: &str) -> Result<Value, Failure> {
        self.find_any(&[kind], reference).await
    }

    /// As [`Client::find`], among several types in order.
    ///
    /// # Errors
    /// As [`Client::find`].
    pub async fn find_any(&self, kinds: &[Kind], reference: &str) -> Result<Value, Failure> {
        let is_whole_id = reference.parse::<ResourceId>().is_ok();
        for kind in kinds {
            let found = if is_whole_id {
                self.by_id(*kind, reference).await?
            } else {
                self.by_name_or_part(*kind, reference).await?
            };
            if let Some(found) = found {
                return Ok(found);
            }
        }
        let kinds: Vec<&str> = kinds.iter().map(|kind| kind.singular()).collect();
        Err(Failure::NotFound {
            kind: kinds.join(" or "),
            reference: reference.to_owned(),
        })
    }

    async fn by_id(&self, kind: Kind, id: &str) -> Result<Option<Value>, Failure> {
        match self.get(&format!("{}/{id}", kind.collection()), &[]).await {
            Ok(resource) => Ok(Some(resource)),
            Err(Failure::Refused(problem)) if problem.status == 404 => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    async fn by_name_or_part(&self, kind: Kind, reference: &str) -> Result<Option<Value>, Failure> {
        for removed in [&[][..], &[("removed", "true")]] {
            let query: Vec<_> = removed
                .iter()
                .copied()
                .chain([(kind.known_by(), reference)])
                .collect();
            let named = self.list(kind.collection(), &query).await?;
            if let Some(found) = the_only(reference, named)? {
                return Ok(Some(found));
            }
            if !is_part_of_an_id(reference) {
                continue;
            }
            let all = self.list(kind.collection(), removed).await?;
            if let Some(found) = the_only(reference, fitting(reference, all))? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}

fn is_part_of_an_id(text: &str) -> bool {
    text.len() >= SHORTEST_PART
        && text
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

fn fitting(part: &str, resources: Vec<Value>) -> Vec<Value> {
    let part = part.to_ascii_lowercase();
    let fits = |id: &str| id.starts_with(&part) || id.ends_with(&part);
    resources
        .into_iter()
        .filter(|resource| resource["id"].as_str().is_some_and(fits))
        .collect()
}

fn the_only(reference: &str, mut found: Vec<Value>) -> Result<Option<Value>, Failure> {
    if found.len() < 2 {
        return Ok(found.pop());
    }
    let text =
        |resource: &Value, field: &str| resource[field].as_str().unwrap_or_default().to_owned();
    let mut candidates: Vec<String> = found
        .iter()
        .take(MOST_CANDIDATES)
        .map(|resource| {
            ["id", "name", "state"]
                .map(|field| text(resource, field))
                .join("  ")
        })
        .collect();
    if found.len() > MOST_CANDIDATES {
        candidates.push(format!("and {} more", found.len() - MOST_CANDIDATES));
    }
    Err(Failure::Ambiguous {
        reference: reference.to_owned(),
        candidates,
    })
}
