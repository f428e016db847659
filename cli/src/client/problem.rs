//! What the server says when it refuses: an RFC 9457 problem.

use serde::Deserialize;

/// A refusal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Problem {
    /// The status of the HTTP answer.
    pub status: u16,
    /// The kind of problem in a few words.
    pub title: String,
    /// A name for programs that never changes, as `container.state`.
    pub code: Option<String>,
    /// What happened, in this case.
    pub detail: Option<String>,
    /// The field that is not sound, as `ports[0].hostPort`.
    pub field: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
    /// The id under which the server's log tells of the request.
    pub request_id: Option<String>,
}

impl Problem {
    /// Reads the body of a refusal; whatever is no problem becomes one by its status alone.
    pub fn from_answer(status: u16, body: &str) -> Self {
        let mut problem: Self = serde_json::from_str(body).unwrap_or_default();
        problem.status = status;
        problem
    }

    /// What happened, in one sentence.
    pub fn sentence(&self) -> String {
        match &self.detail {
            Some(detail) if !detail.is_empty() => detail.clone(),
            _ if !self.title.is_empty() => self.title.clone(),
            _ => reqwest::StatusCode::from_u16(self.status)
                .ok()
                .and_then(|status| status.canonical_reason())
                .map_or_else(
                    || format!("the server answered {}", self.status),
                    |reason| format!("the server answered {} {reason}", self.status),
                ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_is_no_problem_is_told_by_its_status() {
        let problem = Problem::from_answer(502, "<html>Bad gateway</html>");
        assert_eq!(problem.sentence(), "the server answered 502 Bad Gateway");
    }

    #[test]
    fn the_detail_goes_before_the_title() {
        let body = r#"{"title":"Conflict","detail":"web is stopped","status":409,"extra":1}"#;
        let problem = Problem::from_answer(409, body);
        assert_eq!(problem.sentence(), "web is stopped");
        assert_eq!(problem.status, 409);
    }
}
