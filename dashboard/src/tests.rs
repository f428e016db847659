//! Facts about what is served, and about the files themselves.

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode, header};
use tower::ServiceExt as _;

use super::{Assets, content_type, router};

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

async fn fetch(path: &str, known: Option<&str>) -> Answer {
    let mut request = Request::get(path);
    if let Some(tag) = known {
        request = request.header(header::IF_NONE_MATCH, tag);
    }
    let request = request.body(Body::empty()).unwrap();
    let response = router().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    Answer {
        status: parts.status,
        headers: parts.headers,
        body: to_bytes(body, 1 << 20).await.unwrap().to_vec(),
    }
}

fn text(name: &str) -> String {
    String::from_utf8(Assets::get(name).unwrap().data.to_vec()).unwrap()
}

/// What stands between quotes behind each `marker`.
fn quoted_behind<'a>(text: &'a str, marker: &str) -> Vec<&'a str> {
    text.split(marker)
        .skip(1)
        .filter_map(|rest| rest.split(['"', '\'']).next())
        .collect()
}

#[tokio::test]
async fn the_page_is_served_with_a_policy_that_allows_this_host_only() {
    let page = fetch("/", None).await;
    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(
        page.headers[header::CONTENT_TYPE],
        "text/html; charset=utf-8"
    );
    let policy = page.headers[header::CONTENT_SECURITY_POLICY]
        .to_str()
        .unwrap();
    assert!(policy.starts_with("default-src 'self';"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
}

#[tokio::test]
async fn every_asset_that_the_page_names_is_served_with_its_type() {
    let page = text("index.html");
    let named = [
        quoted_behind(&page, "href=\"/"),
        quoted_behind(&page, "src=\"/"),
    ]
    .concat();
    assert!(named.len() >= 3, "{named:?}");
    for name in named {
        let answer = fetch(&format!("/{name}"), None).await;
        assert_eq!(answer.status, StatusCode::OK, "{name}");
        assert_eq!(answer.headers[header::CONTENT_TYPE], content_type(name));
        assert_ne!(content_type(name), "application/octet-stream", "{name}");
    }
}

#[test]
fn every_module_that_a_script_imports_is_embedded() {
    let scripts: Vec<_> = Assets::iter()
        .filter(|name| name.ends_with(".js"))
        .collect();
    assert!(scripts.iter().any(|name| name == "ui/app.js"));
    for script in scripts {
        for import in quoted_behind(&text(&script), "from \"./") {
            assert!(
                Assets::get(&format!("ui/{import}")).is_some(),
                "{script}: {import}"
            );
        }
    }
}

#[test]
fn no_file_names_another_host_or_builds_markup_from_text() {
    // The namespace of SVG is a name, not an address that anything is loaded from.
    const NAMESPACE: &str = "http://www.w3.org/2000/svg";
    for name in Assets::iter() {
        let text = text(&name).replace(NAMESPACE, "");
        for forbidden in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
        ] {
            assert!(!text.contains(forbidden), "{name}: {forbidden}");
        }
        assert!(!text.contains("https://"), "{name} names another host");
        // Addresses that are put together from parts are those of a container's own ports.
        for host in quoted_behind(&text, "http://") {
            assert!(host.starts_with("${"), "{name}: http://{host}");
        }
    }
}

#[test]
fn the_page_has_no_inline_script_or_style() {
    let page = text("index.html");
    for forbidden in ["<style", " style=", " onclick=", "<script>"] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
}

#[tokio::test]
async fn what_the_browser_has_already_is_not_sent_again() {
    let first = fetch("/ui/app.js", None).await;
    assert_eq!(first.headers[header::CACHE_CONTROL], "no-cache");
    let tag = first.headers[header::ETAG].to_str().unwrap();
    let second = fetch("/ui/app.js", Some(&format!("\"other\", W/{tag}"))).await;
    assert_eq!(second.status, StatusCode::NOT_MODIFIED);
    assert!(second.body.is_empty());
    let changed = fetch("/ui/app.js", Some("\"other\"")).await;
    assert_eq!(changed.status, StatusCode::OK);
    assert_eq!(changed.body, first.body);
}

#[tokio::test]
async fn what_is_not_embedded_is_not_found() {
    for path in [
        "/ui/none.js",
        "/ui/../Cargo.toml",
        "/ui/%2e%2e/index.html",
        "/index.html",
    ] {
        assert_eq!(
            fetch(path, None).await.status,
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
}
