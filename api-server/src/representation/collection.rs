//! Pages of collections.

use schemars::JsonSchema;
use serde::Serialize;

/// A page of a collection.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "{T}Collection")]
pub(crate) struct Collection<T> {
    /// Always `collection`.
    #[schemars(extend("const" = "collection"))]
    r#type: &'static str,
    /// The type of its items.
    resource_type: &'static str,
    /// The items of the page.
    data: Vec<T>,
    links: CollectionLinks,
    pagination: Pagination,
}

/// Where the page and the next one are.
#[derive(Serialize, JsonSchema)]
struct CollectionLinks {
    #[serde(rename = "self")]
    own: String,
    /// The next page, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// How the collection is divided.
#[derive(Serialize, JsonSchema)]
struct Pagination {
    /// The most items of a page.
    limit: u64,
    /// The `marker` of the next page; null on the last one.
    next: Option<String>,
}

impl<T> Collection<T> {
    /// A page. `address` is where it was asked for, with its query; `next` is the marker of the
    /// next page.
    pub(crate) fn new(
        resource_type: &'static str,
        data: Vec<T>,
        address: &str,
        limit: u64,
        next: Option<String>,
    ) -> Self {
        Self {
            r#type: "collection",
            resource_type,
            data,
            links: CollectionLinks {
                own: address.to_owned(),
                next: next.as_ref().map(|marker| with_marker(address, marker)),
            },
            pagination: Pagination { limit, next },
        }
    }
}

fn with_marker(address: &str, marker: &str) -> String {
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    let mut parts: Vec<&str> = query
        .split('&')
        .filter(|part| !part.is_empty() && !part.starts_with("marker="))
        .collect();
    let marker = format!("marker={marker}");
    parts.push(&marker);
    format!("{path}?{}", parts.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_keeps_the_filter() {
        assert_eq!(
            with_marker("/v1/hosts?state=active&marker=a", "b"),
            "/v1/hosts?state=active&marker=b"
        );
        assert_eq!(with_marker("/v1/hosts", "b"), "/v1/hosts?marker=b");
    }
}
