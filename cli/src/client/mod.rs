//! The HTTP API as calls. Answers are kept as the JSON that came, and read through lenient
//! [`views`]: a newer server may say more, and `--output json` shows all of it.
//!
//! Calls that only read are repeated a few times when the connection fails, since a server that is
//! being replaced is back within seconds. Calls that change something are not: whether the first
//! one arrived cannot be known.

mod problem;
mod reference;
mod stream;
pub mod views;

use std::path::Path;
use std::time::Duration;

use rand::RngExt as _;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Certificate, Method, Response, StatusCode};
use serde_json::Value;

pub use problem::Problem;
pub use reference::Kind;
pub use stream::{Reading, Told, Writing};

use crate::configuration::ApiKey;
use crate::failure::Failure;

/// How long to try for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an answer may take beyond what it was asked to wait.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
/// The largest page that is asked for.
const PAGE: u32 = 100;
/// The most pages that are read, against a server whose pages never end.
const MOST_PAGES: u32 = 10_000;

/// A server, and the key to it.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    server: String,
}

impl Client {
    /// Makes a client; nothing is sent yet. A TLS provider must be installed in the process.
    ///
    /// # Errors
    /// When the key holds characters that no header can carry, the file holds no certificates, or
    /// TLS cannot be set up.
    pub fn new(
        server: &str,
        api_key: Option<ApiKey>,
        ca_file: Option<&Path>,
    ) -> Result<Self, Failure> {
        let mut headers = HeaderMap::new();
        if let Some(key) = api_key {
            let mut value =
                HeaderValue::from_str(&format!("Bearer {}", key.reveal())).map_err(|_| {
                    Failure::Configuration {
                        what: "API key".to_owned(),
                        reason: "holds characters that no key has".to_owned(),
                    }
                })?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("drover/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .connect_timeout(CONNECT_TIMEOUT)
            // A WebSocket begins as a request of HTTP/1.1.
            .http1_only()
            // The key goes to the server that was named, and nowhere else.
            .redirect(reqwest::redirect::Policy::none());
        if let Some(path) = ca_file {
            builder = builder.tls_certs_only(certificates_in(path)?);
        }
        if is_loopback(server) {
            // A proxy cannot reach this machine's own addresses.
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(|source| Failure::Unreachable {
            server: server.to_owned(),
            source,
        })?;
        Ok(Self {
            http,
            server: server.to_owned(),
        })
    }

    /// Reads one object, as `/v1/containers/ID`.
    ///
    /// # Errors
    /// [`Failure::Refused`] for a problem, [`Failure::Unreachable`] when no answer came.
    pub async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Value, Failure> {
        self.get_waiting(path, query, Duration::ZERO).await
    }

    /// Reads one object of which the server holds back the answer for up to `wait`.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn get_waiting(
        &self,
        path: &str,
        query: &[(&str, &str)],
        wait: Duration,
    ) -> Result<Value, Failure> {
        const TRIES: u32 = 3;
        let mut tried = 0;
        loop {
            let request = self
                .http
                .get(self.address(path))
                .query(query)
                .timeout(ANSWER_TIMEOUT + wait);
            tried += 1;
            match request.send().await {
                Ok(response) => return self.object(response).await,
                // Nobody listens there: repeating it would only delay the news.
                Err(error) if tried == TRIES || error.is_connect() => {
                    return Err(self.unreachable(error));
                }
                Err(_) => tokio::time::sleep(jittered(Duration::from_millis(200))).await,
            }
        }
    }

    /// Sends an object to a collection or an action.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.send(Method::POST, path, &[], Some(body)).await
    }

    /// Changes what an object says of itself, by a merge patch.
    ///
    /// # Errors
    /// As [`Client::post`].
    pub async fn patch(&self, path: &str, patch: &Value) -> Result<Value, Failure> {
        self.send(Method::PATCH, path, &[], Some(patch)).await
    }

    /// Deletes an object.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn delete(&self, path: &str, query: &[(&str, &str)]) -> Result<Value, Failure> {
        self.send(Method::DELETE, path, query, None).await
    }

    /// Reads a collection, page by page, to its end.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn list(&self, path: &str, query: &[(&str, &str)]) -> Result<Vec<Value>, Failure> {
        let mut found = Vec::new();
        self.each_page(path, query, |page| {
            found.extend(page);
        })
        .await?;
        Ok(found)
    }

    /// Reads the `most` objects of a collection that were made last, the newest at the end. The
    /// API lists the oldest first, so that this reads all pages and keeps the end of them.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn newest(
        &self,
        path: &str,
        query: &[(&str, &str)],
        most: usize,
    ) -> Result<Vec<Value>, Failure> {
        let made = |object: &Value| object["created"].as_str().unwrap_or_default().to_owned();
        let mut found: Vec<Value> = Vec::new();
        self.each_page(path, query, |page| {
            found.extend(page);
            found.sort_by_key(made);
            found.drain(..found.len().saturating_sub(most));
        })
        .await?;
        Ok(found)
    }

    /// Hands over page after page.
    async fn each_page(
        &self,
        path: &str,
        query: &[(&str, &str)],
        mut take: impl FnMut(Vec<Value>),
    ) -> Result<(), Failure> {
        let limit = PAGE.to_string();
        let mut marker: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let mut query = query.to_vec();
            query.push(("limit", &limit));
            if let Some(marker) = &marker {
                query.push(("marker", marker));
            }
            let mut page = self.get(path, &query).await?;
            marker = next_marker(&page);
            let Some(Value::Array(data)) = page.get_mut("data").map(Value::take) else {
                return Err(self.not_the_api("a collection has no `data`"));
            };
            take(data);
            if marker.is_none() {
                break;
            }
        }
        Ok(())
    }

    /// Opens the stream of changes, one JSON object a line. It has no time limit.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn watch(&self, query: &[(&str, &str)]) -> Result<Response, Failure> {
        self.lines("/v1/watch", query).await
    }

    /// Opens any stream of JSON objects, one a line. It has no time limit.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn lines(
        &self,
        path: &str,
        query: &[(&str, impl serde::Serialize)],
    ) -> Result<Response, Failure> {
        let response = self
            .http
            .get(self.address(path))
            .query(query)
            .header(reqwest::header::ACCEPT, "application/x-ndjson")
            .send()
            .await
            .map_err(|error| self.unreachable(error))?;
        if response.status().is_success() {
            Ok(response)
        } else {
            Err(self.refusal(response).await)
        }
    }

    /// An answer of this server is not of the API's form.
    pub(crate) fn not_the_api(&self, reason: &str) -> Failure {
        Failure::NotTheApi {
            server: self.server.clone(),
            reason: reason.to_owned(),
        }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Value, Failure> {
        let mut request = self
            .http
            .request(method, self.address(path))
            .query(query)
            .timeout(ANSWER_TIMEOUT);
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request
            .send()
            .await
            .map_err(|error| self.unreachable(error))?;
        self.object(response).await
    }

    async fn object(&self, response: Response) -> Result<Value, Failure> {
        if !response.status().is_success() {
            return Err(self.refusal(response).await);
        }
        if response.status() == StatusCode::NO_CONTENT {
            return Ok(Value::Null);
        }
        let text = response
            .text()
            .await
            .map_err(|error| self.unreachable(error))?;
        serde_json::from_str(&text).map_err(|_| self.not_the_api("it is not JSON"))
    }

    async fn refusal(&self, response: Response) -> Failure {
        let status = response.status().as_u16();
        let body = response.text().await.unwrap_or_default();
        Failure::Refused(Box::new(Problem::from_answer(status, &body)))
    }

    fn address(&self, path: &str) -> String {
        format!("{}{path}", self.server)
    }

    fn unreachable(&self, error: reqwest::Error) -> Failure {
        Failure::Unreachable {
            server: self.server.clone(),
            // The address is said once, and may hold what was searched for.
            source: error.without_url(),
        }
    }
}

/// A span of time, spread by half of itself to either side, so that many clients do not knock
/// together.
pub(crate) fn jittered(span: Duration) -> Duration {
    span.mul_f64(rand::rng().random_range(0.5..1.5))
}

/// The marker of the next page, out of its address; none behind the last.
fn next_marker(page: &Value) -> Option<String> {
    page.pointer("/links/next")
        .or_else(|| page.pointer("/pagination/next"))
        .and_then(Value::as_str)
        .and_then(marker_in)
}

fn marker_in(address: &str) -> Option<String> {
    // The link may be relative; any base makes it an address whose query can be read.
    let base = reqwest::Url::parse("http://relative.invalid").ok()?;
    base.join(address)
        .ok()?
        .query_pairs()
        .find(|(key, _)| key == "marker")
        .map(|(_, value)| value.into_owned())
}

/// The certificates of a file in PEM.
fn certificates_in(path: &Path) -> Result<Vec<Certificate>, Failure> {
    let text = std::fs::read(path).map_err(|source| Failure::File {
        action: "read",
        path: path.to_owned(),
        source,
    })?;
    let unusable = |reason: String| Failure::Configuration {
        what: path.display().to_string(),
        reason,
    };
    let found = Certificate::from_pem_bundle(&text).map_err(|error| unusable(error.to_string()))?;
    if found.is_empty() {
        return Err(unusable("holds no certificate in PEM".to_owned()));
    }
    Ok(found)
}

fn is_loopback(server: &str) -> bool {
    let Ok(address) = reqwest::Url::parse(server) else {
        return false;
    };
    let host = address.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || bare
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests;
