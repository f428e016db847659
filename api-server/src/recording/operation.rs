//! What a request asks for, in a word, as `container.start`: read off its method and its address.

use drover_domain::ResourceType;
use uuid::Uuid;

/// What a request asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Operation {
    pub(super) name: String,
    /// The type of what it is asked of.
    pub(super) resource_type: Option<&'static str>,
    /// What it is asked of, if it exists already.
    pub(super) resource: Option<Uuid>,
}

/// Collections beside those of resources.
const BESIDE: [(&str, &str); 5] = [
    ("processes", "process"),
    ("settings", "setting"),
    ("sessions", "session"),
    ("logins", "login"),
    ("auditLogs", "auditLog"),
];

/// The operation of a request whose address has the template `/v1/containers/{id}/start`; a request
/// that nothing answers to is named after its method.
pub(super) fn of(method: &str, path: &str, template: Option<&str>) -> Operation {
    let mut path = path.trim_start_matches("/v1").trim_matches('/').split('/');
    let mut template = template
        .unwrap_or_default()
        .trim_start_matches("/v1")
        .trim_matches('/')
        .split('/');
    let collection = template.next().unwrap_or_default();
    let Some(resource_type) = singular(collection) else {
        return Operation {
            name: method.to_ascii_lowercase(),
            resource_type: None,
            resource: None,
        };
    };
    let member = template.next();
    let rest: Vec<&str> = template.collect();
    let verb = match (method, rest.as_slice()) {
        ("POST", []) => "create",
        ("PATCH", []) => "update",
        ("PUT", []) => "set",
        ("DELETE", []) if resource_type == "setting" => "reset",
        ("DELETE", []) => "remove",
        (_, [action]) => action,
        _ => "unknown",
    };
    let id = member.and_then(|_| path.nth(1));
    Operation {
        name: format!("{resource_type}.{verb}"),
        resource_type: Some(resource_type),
        resource: id.and_then(|id| Uuid::try_parse(id).ok()),
    }
}

fn singular(plural: &str) -> Option<&'static str> {
    let known = ResourceType::ALL.iter();
    let mut known = known.map(|known| (known.plural(), known.as_str()));
    let known = known.find(|(name, _)| *name == plural);
    let beside = || BESIDE.into_iter().find(|(name, _)| *name == plural);
    known.or_else(beside).map(|(_, singular)| singular)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "01a1fbae-b524-750c-b7b5-f853a174e0a7";

    #[test]
    fn an_operation_is_named_after_what_is_asked_of_what() {
        let container = format!("/v1/containers/{ID}");
        let start = format!("{container}/start");
        let cancel = format!("/processes/{ID}/cancel");
        let known = Uuid::try_parse(ID).ok();
        for (method, path, template, name, resource) in [
            (
                "POST",
                "/v1/containers",
                "/v1/containers",
                "container.create",
                None,
            ),
            (
                "DELETE",
                &container,
                "/v1/containers/{id}",
                "container.remove",
                known,
            ),
            (
                "PATCH",
                &container,
                "/v1/containers/{id}",
                "container.update",
                known,
            ),
            (
                "POST",
                &start,
                "/v1/containers/{id}/start",
                "container.start",
                known,
            ),
            (
                "POST",
                &cancel,
                "/processes/{id}/cancel",
                "process.cancel",
                known,
            ),
            (
                "PUT",
                "/v1/settings/x",
                "/v1/settings/{name}",
                "setting.set",
                None,
            ),
            (
                "DELETE",
                "/v1/settings/x",
                "/v1/settings/{name}",
                "setting.reset",
                None,
            ),
        ] {
            let operation = of(method, path, Some(template));
            assert_eq!(operation.name, name, "{method} {path}");
            assert_eq!(operation.resource, resource, "{method} {path}");
        }
        let none = of("POST", "/v1/nothing", None);
        assert_eq!((none.name.as_str(), none.resource_type), ("post", None));
    }
}
