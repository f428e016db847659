//! Every kind of problem that the API answers with. `docs/errors.md` has a line for each, which a
//! test holds.

use axum::http::StatusCode;

/// A kind of problem: what stays the same whenever it happens.
#[derive(Debug)]
pub(crate) struct Kind {
    pub(crate) status: StatusCode,
    /// Never changes its meaning. A `*` stands for a type of resource.
    pub(crate) code: &'static str,
    pub(crate) title: &'static str,
}

macro_rules! kinds {
    ($($name:ident = $status:ident, $code:literal, $title:literal;)*) => {
        $(pub(crate) static $name: Kind = Kind {
            status: StatusCode::$status,
            code: $code,
            title: $title,
        };)*

        /// All of them.
        #[cfg(test)]
        static ALL: &[&Kind] = &[$(&$name,)*];
    };
}

kinds! {
    QUERY = BAD_REQUEST, "query", "Bad query";
    HEADER = BAD_REQUEST, "header", "Bad header";
    BODY = BAD_REQUEST, "body", "Bad body";
    UNAUTHORIZED = UNAUTHORIZED, "unauthorized", "Not authorized";
    ROLE = FORBIDDEN, "role", "Not allowed";
    QUOTA_EXCEEDED = FORBIDDEN, "quota.exceeded", "Over the quota";
    CREDENTIALS = UNAUTHORIZED, "login.refused", "Not logged in";
    CSRF = FORBIDDEN, "csrf", "Not by your own page";
    NOT_FOUND = NOT_FOUND, "notFound", "Not found";
    FOREIGN_ORIGIN = FORBIDDEN, "foreignOrigin", "Another site";
    NOT_ACCEPTABLE = NOT_ACCEPTABLE, "notAcceptable", "No such form";
    METHOD_NOT_ALLOWED = METHOD_NOT_ALLOWED, "methodNotAllowed", "Method not allowed";
    BODY_TOO_SLOW = REQUEST_TIMEOUT, "bodyTooSlow", "Body too slow";
    STATE = CONFLICT, "*.state", "Not in this state";
    CONFLICT = CONFLICT, "conflict", "Conflict";
    NAME_TAKEN = CONFLICT, "nameTaken", "Name taken";
    IN_USE = CONFLICT, "inUse", "In use";
    REGISTRY_TAKEN = CONFLICT, "registryCredential.registryTaken", "One for each registry";
    NO_SECRETS_KEY = CONFLICT, "secrets.noKey", "No key for secrets";
    ACCOUNT_NAME = CONFLICT, "account.nameTaken", "Name taken";
    ACCOUNT_ROLE = CONFLICT, "account.role", "The account is less";
    PROJECT_IN_USE = CONFLICT, "project.inUse", "In use";
    PROJECT_DEFAULT = CONFLICT, "project.default", "There always is one";
    NOT_ON_HOST = CONFLICT, "container.notOnHost", "Not on a host";
    NOT_RUNNING = CONFLICT, "container.notRunning", "Not running";
    HOST_NOT_CONNECTED = CONFLICT, "host.notConnected", "Host not connected";
    STREAM_UNSUPPORTED = CONFLICT, "stream.unsupported", "No such streams";
    STREAM_REFUSED = CONFLICT, "stream.refused", "Refused by the host";
    HOST_UNREACHABLE = CONFLICT, "host.unreachable", "Out of reach";
    HOST_UNSUPPORTED = CONFLICT, "host.unsupported", "Not by this agent";
    REPEATED = CONFLICT, "idempotency.conflict", "Repeated too soon";
    PROCESS_FINISHED = CONFLICT, "process.finished", "Finished";
    WATCH_GONE = GONE, "watch.gone", "Gone";
    PRECONDITION = PRECONDITION_FAILED, "precondition", "Not as it was read";
    BODY_TOO_LARGE = PAYLOAD_TOO_LARGE, "bodyTooLarge", "Body too large";
    QUERY_TOO_LONG = URI_TOO_LONG, "queryTooLong", "Query too long";
    PATH_TOO_LONG = URI_TOO_LONG, "pathTooLong", "Path too long";
    HEADERS_TOO_LARGE = REQUEST_HEADER_FIELDS_TOO_LARGE, "headersTooLarge", "Headers too large";
    KEY_MISMATCH = UNPROCESSABLE_ENTITY, "idempotency.mismatch", "Key used before";
    INVALID = UNPROCESSABLE_ENTITY, "invalid", "Not valid";
    LOGIN_THROTTLED = TOO_MANY_REQUESTS, "login.throttled", "Too many failures";
    UPGRADE_REQUIRED = UPGRADE_REQUIRED, "upgradeRequired", "A WebSocket only";
    STREAMS = TOO_MANY_REQUESTS, "stream.tooMany", "Too many streams";
    WATCHES = TOO_MANY_REQUESTS, "watches", "Too many watches";
    RATE_LIMIT = TOO_MANY_REQUESTS, "rateLimit", "Too many requests";
    INTERNAL = INTERNAL_SERVER_ERROR, "internal", "Internal error";
    UNAVAILABLE = SERVICE_UNAVAILABLE, "unavailable", "Unavailable";
    STREAM_FAILED = SERVICE_UNAVAILABLE, "stream.failed", "No stream";
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const DOCUMENT: &str = include_str!("../../../docs/errors.md");

    #[test]
    fn every_code_is_documented_with_its_status() {
        for kind in ALL {
            let codes = match kind.code.strip_prefix('*') {
                None => vec![kind.code.to_owned()],
                Some(rest) => ["container", "host", "agent", "volume", "image"]
                    .map(|resource_type| format!("{resource_type}{rest}"))
                    .to_vec(),
            };
            for code in codes {
                let line = DOCUMENT
                    .lines()
                    .find(|line| line.starts_with("| `") && line.contains(&format!("`{code}`")));
                let line = line.unwrap_or_else(|| panic!("`{code}` is not in docs/errors.md"));
                let status = format!("| {} |", kind.status.as_u16());
                assert!(line.contains(&status), "`{code}` is {status}: {line}");
            }
        }
    }

    #[test]
    fn no_code_means_two_things() {
        let codes: HashSet<_> = ALL.iter().map(|kind| kind.code).collect();
        assert_eq!(codes.len(), ALL.len());
    }
}
