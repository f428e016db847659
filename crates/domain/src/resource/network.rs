//! Networks: which containers of a project find one another by name, and how containers join them.
//!
//! A network of a project is a definition that spans hosts; each host has a bridge of its own for it, as
//! long as containers there are in it. Containers on different hosts do not reach one another by it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ContainerSpec;
use super::limits;
use super::validation::Invalid;

/// The most networks of a container.
const NETWORKS_LIMIT: usize = 16;
/// The most aliases of a container in a network.
const ALIASES_LIMIT: usize = 16;
/// The most characters of an alias: a label of a host name.
const ALIAS_LIMIT: usize = 63;
/// The networks that every host has.
const BUILT_IN: [&str; 3] = ["bridge", "host", "none"];

/// What was asked of a network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NetworkSpec {
    /// Whether it leads nowhere but to the containers in it.
    #[serde(default)]
    pub internal: bool,
}

/// A network that a container joins.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NetworkAttachment {
    /// The name of a network of its project; or `bridge`, `host` or `none`, and then no other one.
    #[schemars(schema_with = "limits::reference_schema")]
    pub network: String,
    /// By which names others in the network find it, beside its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "limits::aliases_schema")]
    pub aliases: Vec<String>,
}

impl NetworkAttachment {
    /// Whether it is one that every host has.
    pub fn is_built_in(&self) -> bool {
        is_built_in(&self.network)
    }
}

impl ContainerSpec {
    /// The names of the networks of its project that it joins.
    pub fn network_names(&self) -> impl Iterator<Item = &str> {
        let own = self.networks.iter();
        own.filter(|attachment| !attachment.is_built_in())
            .map(|attachment| attachment.network.as_str())
    }
}

/// Checks the name of something that containers refer to by its name.
///
/// # Errors
/// What is wrong with it.
pub fn validate_reference(name: &str) -> Result<(), Invalid> {
    limits::check_reference("name", name)?;
    if is_built_in(name) {
        let reason = "is the name of a network that every host has";
        return Err(Invalid::new("name", reason));
    }
    Ok(())
}

fn is_built_in(name: &str) -> bool {
    BUILT_IN.contains(&name)
}

/// Checks which networks a container joins.
pub(super) fn validate_networks(spec: &ContainerSpec) -> Result<(), Invalid> {
    let attachments = &spec.networks;
    if attachments.len() > NETWORKS_LIMIT {
        let reason = format!("are more than {NETWORKS_LIMIT}");
        return Err(Invalid::new("networks", reason));
    }
    for (index, attachment) in attachments.iter().enumerate() {
        let field = |name: &str| format!("networks[{index}].{name}");
        let network = &attachment.network;
        limits::check_reference(&field("network"), network)?;
        let is_same = |other: &NetworkAttachment| other.network == *network;
        if attachments[..index].iter().any(is_same) {
            return Err(Invalid::new(field("network"), "is joined twice"));
        }
        if attachment.is_built_in() && attachments.len() > 1 {
            let reason = format!("`{network}` cannot be joined beside others");
            return Err(Invalid::new(field("network"), reason));
        }
        if attachment.is_built_in() && !attachment.aliases.is_empty() {
            let reason = format!("network `{network}` knows no names");
            return Err(Invalid::new(field("aliases"), reason));
        }
        check_aliases(&field("aliases"), &attachment.aliases)?;
        if matches!(network.as_str(), "host" | "none") && !spec.ports.is_empty() {
            let reason = format!("cannot be published in network `{network}`");
            return Err(Invalid::new("ports", reason));
        }
    }
    Ok(())
}

fn check_aliases(field: &str, aliases: &[String]) -> Result<(), Invalid> {
    if aliases.len() > ALIASES_LIMIT {
        let reason = format!("are more than {ALIASES_LIMIT}");
        return Err(Invalid::new(field, reason));
    }
    let is_sound = |alias: &String| {
        (1..=ALIAS_LIMIT).contains(&alias.len())
            && !alias.starts_with('-')
            && !alias.ends_with('-')
            && alias
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    match aliases.iter().all(is_sound) {
        true => Ok(()),
        false => {
            let reason = format!(
                "are letters, digits and hyphens inside, at most {ALIAS_LIMIT} characters each"
            );
            Err(Invalid::new(field, reason))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joins(networks: serde_json::Value) -> ContainerSpec {
        let spec = serde_json::json!({ "image": "x", "networks": networks });
        serde_json::from_value(spec).unwrap()
    }

    fn refused(networks: serde_json::Value) -> String {
        validate_networks(&joins(networks)).unwrap_err().field
    }

    #[test]
    fn several_networks_of_the_project_can_be_joined() {
        let spec = joins(serde_json::json!([
            { "network": "front" },
            { "network": "back", "aliases": ["db", "db-1"] },
        ]));
        assert_eq!(validate_networks(&spec), Ok(()));
        assert_eq!(spec.network_names().collect::<Vec<_>>(), ["front", "back"]);
    }

    #[test]
    fn what_every_host_has_is_joined_alone_and_knows_no_names() {
        let beside = serde_json::json!([{ "network": "host" }, { "network": "back" }]);
        assert_eq!(refused(beside), "networks[0].network");
        let named = serde_json::json!([{ "network": "bridge", "aliases": ["db"] }]);
        assert_eq!(refused(named), "networks[0].aliases");
        assert!(validate_reference("host").is_err());
        assert!(validate_reference("data-1").is_ok());
    }

    #[test]
    fn an_alias_is_a_name_that_dns_knows() {
        for alias in ["", "-a", "a-", "a b", "a.b", &"a".repeat(64)] {
            let networks = serde_json::json!([{ "network": "n", "aliases": [alias] }]);
            assert_eq!(refused(networks), "networks[0].aliases", "{alias}");
        }
        let twice = serde_json::json!([{ "network": "n" }, { "network": "n" }]);
        assert_eq!(refused(twice), "networks[1].network");
    }
}
