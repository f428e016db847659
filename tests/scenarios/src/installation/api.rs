//! A client of the HTTP API that hides nothing: an answer is its status, its headers and its JSON.

use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, ensure};
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{Method, RequestBuilder};
use serde_json::Value;

use crate::http;

/// The API of an installation. Requests go to its servers in turn.
#[derive(Debug)]
pub struct Api {
    http: reqwest::Client,
    servers: Vec<String>,
    key: String,
    turn: AtomicUsize,
}

/// What the API answered.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body; null if it is empty or no JSON.
    pub body: Value,
}

impl Api {
    /// A client of some servers, which shows a key.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new(servers: Vec<String>, key: impl Into<String>) -> Result<Self> {
        Ok(Self {
            http: http::client()?,
            servers,
            key: key.into(),
            turn: AtomicUsize::new(0),
        })
    }

    /// A client of the same servers, which shows another key.
    #[must_use]
    pub fn holding(&self, key: impl Into<String>) -> Self {
        Self {
            http: self.http.clone(),
            servers: self.servers.clone(),
            key: key.into(),
            turn: AtomicUsize::new(0),
        }
    }

    /// The addresses of the servers.
    #[must_use]
    pub fn servers(&self) -> &[String] {
        &self.servers
    }

    /// A request to the next server, with the key, to be completed by the caller.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.without_key(method, path).bearer_auth(&self.key)
    }

    /// A request to the next server that shows no key.
    pub fn without_key(&self, method: Method, path: &str) -> RequestBuilder {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let server = &self.servers[turn % self.servers.len()];
        self.http.request(method, format!("{server}{path}"))
    }

    /// Reads something.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn get(&self, path: &str) -> Result<Reply> {
        send(self.request(Method::GET, path)).await
    }

    /// Posts JSON.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Reply> {
        send(self.request(Method::POST, path).json(body)).await
    }

    /// Patches something with JSON.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn patch(&self, path: &str, body: &Value) -> Result<Reply> {
        send(self.request(Method::PATCH, path).json(body)).await
    }

    /// Deletes something.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn delete(&self, path: &str) -> Result<Reply> {
        send(self.request(Method::DELETE, path)).await
    }

    /// The items of a collection, of its first page.
    ///
    /// # Errors
    /// When there is no answer or no collection.
    pub async fn list(&self, path: &str) -> Result<Vec<Value>> {
        let body = self.get(path).await?.expect(200)?;
        ensure!(
            body["type"] == "collection",
            "{path} is no collection: {body}"
        );
        let data = body["data"].as_array().cloned();
        data.with_context(|| format!("{path} has no data: {body}"))
    }
}

/// Sends a request and takes the answer in.
///
/// # Errors
/// When no answer comes.
pub async fn send(request: RequestBuilder) -> Result<Reply> {
    let response = request.send().await.context("no answer")?;
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    let bytes = response.bytes().await.context("the answer broke off")?;
    Ok(Reply {
        status,
        headers,
        body: serde_json::from_slice(&bytes).unwrap_or_default(),
    })
}

impl Reply {
    /// The body, if the status is this one.
    ///
    /// # Errors
    /// When it is another, with the body.
    pub fn expect(self, status: u16) -> Result<Value> {
        let Self {
            status: given,
            body,
            ..
        } = self;
        ensure!(
            given == status,
            "the answer is {given}, not {status}: {body}"
        );
        Ok(body)
    }

    /// A header as text; empty if it is missing.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// The body, if it is a problem of this status and code with all that a problem has to say.
    ///
    /// # Errors
    /// When it is not, with what it is.
    pub fn problem(self, status: u16, code: &str) -> Result<Value> {
        let content_type = self.header(CONTENT_TYPE.as_str()).to_owned();
        let body = self.expect(status)?;
        ensure!(
            content_type == "application/problem+json",
            "the problem is of type `{content_type}`: {body}"
        );
        ensure!(body["code"] == code, "the code is not `{code}`: {body}");
        ensure!(
            body["status"] == status,
            "the status is not repeated: {body}"
        );
        for field in ["type", "title", "detail", "requestId"] {
            let text = body[field].as_str().unwrap_or_default();
            ensure!(!text.is_empty(), "the problem has no `{field}`: {body}");
        }
        Ok(body)
    }
}
