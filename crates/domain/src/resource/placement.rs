//! What can be asked about the host of a container: where it may stand, and where it had better.
//!
//! ```json
//! "placement": {
//!   "strategy": "binpack",
//!   "hostLabels": { "disk": "ssd" },
//!   "near":  [ { "containers": "app=db" }, { "hosts": "zone in (a,b)", "weight": 10 } ],
//!   "apart": [ { "containers": "app=web" } ]
//! }
//! ```
//!
//! An affinity with a weight is a wish, one without is a demand. Containers are those of the same
//! project. Whoever asks to be near containers like itself, and is the first of them, may stand
//! anywhere.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, json_schema};
use serde::{Deserialize, Deserializer, Serialize};

use super::limits;
use super::validation::Invalid;
use crate::{ResourceId, Selector};

/// The most affinities of either kind.
const MOST_AFFINITIES: usize = 16;
/// The most requirements of one selector.
const MOST_REQUIREMENTS: usize = 16;
/// The greatest weight of a wish.
const GREATEST_WEIGHT: u8 = 100;

/// Wishes about the host of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ContainerPlacement {
    /// The one host that may take it.
    #[serde(default)]
    pub host_id: Option<ResourceId>,
    /// Labels that its host must have.
    #[serde(default)]
    #[schemars(schema_with = "limits::host_labels_schema")]
    pub host_labels: BTreeMap<String, String>,
    /// Hosts that it is to be on, each as required or wished for.
    #[serde(default)]
    #[schemars(length(max = 16))]
    pub near: Vec<Affinity>,
    /// Hosts that it is not to be on, each as required or wished for.
    #[serde(default)]
    #[schemars(length(max = 16))]
    pub apart: Vec<Affinity>,
    /// Which host is best among those that meet the most of the wishes.
    #[serde(default)]
    pub strategy: Strategy,
    /// What becomes of it when its host is lost or evacuated.
    #[serde(default)]
    pub on_host_loss: OnHostLoss,
}

/// What becomes of a container whose host is lost or evacuated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OnHostLoss {
    /// It waits for its host, and stays there.
    #[default]
    Wait,
    /// It is brought up on another host, without what it has written. A host that lives on while nobody can
    /// reach it goes on running it until its agent is back.
    Replace,
}

/// Which host is best among those that meet the most wishes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Strategy {
    /// The one that has the most left, so that load is even.
    #[default]
    Spread,
    /// The one that has the least left and room enough, so that others stay free.
    Binpack,
}

/// Hosts of some kind: by their own labels, or by a container that is on them. Exactly one of `hosts`,
/// `containers` and `container` is given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = exactly_one)]
pub struct Affinity {
    /// Hosts whose labels are selected.
    #[serde(
        default,
        deserialize_with = "not_null",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Selector")]
    pub hosts: Option<Selector>,
    /// Hosts with a container of the same project whose labels are selected.
    #[serde(
        default,
        deserialize_with = "not_null",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Selector")]
    pub containers: Option<Selector>,
    /// Hosts with a container of the same project that has this name.
    #[serde(
        default,
        deserialize_with = "not_null",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(schema_with = "limits::name_schema")]
    pub container: Option<String>,
    /// How much it is wished for, beside other wishes; required if absent.
    #[serde(default)]
    #[schemars(range(min = 1, max = 100))]
    pub weight: Option<u8>,
}

/// Containers of one project that affinities can be about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Neighbours {
    /// Those whose labels are selected.
    Labelled(Selector),
    /// Those of a name.
    Named(String),
}

impl Neighbours {
    /// Whether a container of this name and these labels is one of them.
    pub fn include(&self, name: &str, labels: &BTreeMap<String, String>) -> bool {
        match self {
            Self::Labelled(selector) => selector.selects(labels),
            Self::Named(wanted) => wanted == name,
        }
    }
}

/// What is named is something: null is not.
fn not_null<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

fn exactly_one(schema: &mut Schema) {
    let one =
        ["hosts", "containers", "container"].map(|field| json_schema!({ "required": [field] }));
    schema.insert(
        "oneOf".to_owned(),
        one.map(Schema::to_value).to_vec().into(),
    );
}

impl ContainerPlacement {
    /// Checks what the types alone do not say.
    pub(super) fn validate(&self) -> Result<(), Invalid> {
        for (kind, affinities) in [("near", &self.near), ("apart", &self.apart)] {
            if affinities.len() > MOST_AFFINITIES {
                return Err(Invalid::new(
                    format!("placement.{kind}"),
                    format!("has at most {MOST_AFFINITIES} of them"),
                ));
            }
            for (index, affinity) in affinities.iter().enumerate() {
                affinity
                    .validate()
                    .map_err(|reason| Invalid::new(format!("placement.{kind}[{index}]"), reason))?;
            }
        }
        Ok(())
    }
}

impl Affinity {
    /// The containers that it is about, if it is about containers.
    pub fn neighbours(&self) -> Option<Neighbours> {
        match (&self.containers, &self.container) {
            (Some(selector), _) => Some(Neighbours::Labelled(selector.clone())),
            (None, Some(name)) => Some(Neighbours::Named(name.clone())),
            (None, None) => None,
        }
    }

    fn validate(&self) -> Result<(), String> {
        let given = [
            self.hosts.is_some(),
            self.containers.is_some(),
            self.container.is_some(),
        ];
        if given.into_iter().filter(|given| *given).count() != 1 {
            return Err("names exactly one of `hosts`, `containers` and `container`".to_owned());
        }
        let selectors = [&self.hosts, &self.containers];
        if selectors
            .into_iter()
            .flatten()
            .any(|selector| selector.len() > MOST_REQUIREMENTS)
        {
            return Err(format!("has at most {MOST_REQUIREMENTS} requirements"));
        }
        if self
            .weight
            .is_some_and(|weight| !(1..=GREATEST_WEIGHT).contains(&weight))
        {
            return Err(format!("has a `weight` from 1 to {GREATEST_WEIGHT}"));
        }
        match &self.container {
            Some(name) => super::validate_name(name).map_err(|invalid| invalid.reason),
            None => Ok(()),
        }
    }
}
