//! The meter: how many requests of each kind are answered, and how long they take.
//!
//! A request is counted by the template of its route (`/v1/containers/{id}`) and by the class of
//! its status: clients choose paths, but they cannot make up templates.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use drover_metrics::table::{API_REQUEST_SECONDS, API_REQUESTS};

/// More templates than the API has. Beyond that a template would be counted as no route.
const TEMPLATES: usize = 256;
/// What a request is counted as that no route is for.
const NO_ROUTE: &str = "none";

/// Measures each request.
pub(crate) async fn measure(request: Request, next: Next) -> Response {
    let began = Instant::now();
    let method = method(request.method());
    let route = match request.extensions().get::<MatchedPath>() {
        Some(path) => template(path.as_str()),
        None => NO_ROUTE,
    };
    let response = next.run(request).await;
    API_REQUESTS.add([method, route, class(response.status())], 1);
    API_REQUEST_SECONDS.record([method, route], began.elapsed());
    response
}

/// The template of a route, as a text that lives for ever: there are few, and each is kept once.
fn template(path: &str) -> &'static str {
    static KNOWN: Mutex<Option<HashSet<&'static str>>> = Mutex::new(None);
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let known = known.get_or_insert_default();
    match known.get(path) {
        Some(template) => template,
        None if known.len() >= TEMPLATES => NO_ROUTE,
        None => {
            let template: &'static str = path.to_owned().leak();
            known.insert(template);
            template
        }
    }
}

fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

fn class(status: StatusCode) -> &'static str {
    match status.as_u16() {
        100..=199 => "1xx",
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        _ => "5xx",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_kept_once_and_no_more_are_kept_than_there_can_be() {
        let template_twice = [template("/v1/things/{id}"), template("/v1/things/{id}")];
        assert!(std::ptr::eq(template_twice[0], template_twice[1]));
        for number in 0..TEMPLATES {
            template(&format!("/v1/{number}"));
        }
        assert_eq!(template("/v1/one-too-many"), NO_ROUTE);
        assert_eq!(template("/v1/things/{id}"), template_twice[0]);
    }

    #[test]
    fn a_method_that_somebody_made_up_is_one_of_many() {
        let made_up = Method::from_bytes(b"FETCH").unwrap();
        assert_eq!(method(&made_up), "other");
        assert_eq!(method(&Method::PATCH), "PATCH");
        assert_eq!(class(StatusCode::NOT_FOUND), "4xx");
    }
}
