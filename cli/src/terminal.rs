//! The two standard streams, and what they are connected to. Nothing else writes to them.

use std::io::{IsTerminal, Write};

use serde_json::Value;

use crate::arguments::OutputForm;
use crate::failure::Failure;
use crate::render::escape::escape_lines;

/// The standard streams of this invocation.
#[derive(Clone, Copy, Debug)]
pub struct Terminal {
    form: OutputForm,
    output_is_terminal: bool,
    errors_are_terminal: bool,
}

impl Terminal {
    /// Looks at what the streams are connected to.
    pub fn new(form: OutputForm) -> Self {
        Self {
            form,
            output_is_terminal: std::io::stdout().is_terminal(),
            errors_are_terminal: std::io::stderr().is_terminal(),
        }
    }

    /// Whether the API's objects were asked for.
    pub fn wants_json(&self) -> bool {
        self.form == OutputForm::Json
    }

    /// Whether a person looks at the results, so that colours and their width matter.
    pub fn output_is_terminal(&self) -> bool {
        self.output_is_terminal
    }

    /// Whether a person looks at what is told on the way.
    pub fn errors_are_terminal(&self) -> bool {
        self.errors_are_terminal
    }

    /// Prints a result that is already escaped, and a line break.
    ///
    /// # Errors
    /// [`Failure::OutputClosed`] when nobody reads any more.
    pub fn print(&self, text: &str) -> Result<(), Failure> {
        let mut output = std::io::stdout().lock();
        writeln!(output, "{}", text.trim_end_matches('\n'))
            .and_then(|()| output.flush())
            .map_err(|_| Failure::OutputClosed)
    }

    /// Prints an object of the API.
    ///
    /// # Errors
    /// [`Failure::OutputClosed`] when nobody reads any more.
    pub fn print_json(&self, value: &Value) -> Result<(), Failure> {
        // The alternate form of a JSON value is indented; its strings escape control characters.
        self.print(&format!("{value:#}"))
    }

    /// Tells something on the way. Nobody may be listening, and that is no failure.
    pub fn note(&self, text: &str) {
        writeln!(std::io::stderr(), "{}", escape_lines(text)).ok();
    }

    /// Reports a failure: the sentence, each cause, the particulars, and what to do.
    pub fn failure(&self, failure: &Failure) {
        self.note(&describe(failure));
    }
}

fn describe(failure: &Failure) -> String {
    let mut text = format!("error: {failure}");
    let mut source = std::error::Error::source(failure);
    // An error often repeats its cause in its own words: what was just said is not said again.
    while let Some(cause) = source {
        let sentence = cause.to_string();
        if !text.contains(&sentence) {
            text.push_str(": ");
            text.push_str(&sentence);
        }
        source = cause.source();
    }
    for (label, value) in failure.particulars() {
        text.push_str(&format!("\n  {label}: {value}"));
    }
    if let Some(hint) = failure.hint() {
        text.push_str(&format!("\n  hint: {hint}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Problem;

    #[test]
    fn a_problem_is_shown_with_field_code_request_and_hint() {
        let failure = Failure::Refused(Box::new(Problem {
            status: 422,
            title: "Unprocessable Content".to_owned(),
            code: Some("container.invalid".to_owned()),
            detail: Some("is not a port".to_owned()),
            field: Some("ports[0].hostPort".to_owned()),
            hint: Some("ports are 1 to 65535".to_owned()),
            request_id: Some("r-1".to_owned()),
        }));
        assert_eq!(
            describe(&failure),
            "error: is not a port\n  field: ports[0].hostPort\n  code: container.invalid\n  \
             request: r-1\n  hint: ports are 1 to 65535"
        );
    }
}
