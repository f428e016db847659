//! The two standard streams, and what they are connected to. Nothing else writes to them.

use std::io::{IsTerminal, Read, Write};

use serde_json::Value;

use crate::arguments::OutputForm;
use crate::failure::Failure;
use crate::render::escape::{escape, escape_lines};

/// More than any secret has.
const SECRET_LIMIT: u64 = 64 * 1024;

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

    /// Passes on, as it is, what somebody else has written to standard output.
    ///
    /// # Errors
    /// [`Failure::OutputClosed`] when nobody reads any more.
    pub fn pass(&self, bytes: &[u8]) -> Result<(), Failure> {
        pass(&mut std::io::stdout().lock(), bytes)
    }

    /// The same for standard error.
    ///
    /// # Errors
    /// [`Failure::OutputClosed`] when nobody reads any more.
    pub fn pass_error(&self, bytes: &[u8]) -> Result<(), Failure> {
        pass(&mut std::io::stderr().lock(), bytes)
    }

    /// Prints a result in place of the one before, which had so many lines; after it where that is not
    /// possible.
    ///
    /// # Errors
    /// [`Failure::OutputClosed`] when nobody reads any more.
    pub fn redraw(&self, text: &str, lines: usize) -> Result<(), Failure> {
        if self.output_is_terminal && lines > 0 {
            // Up to the first line, and away with all that follows.
            self.pass(format!("\x1b[{lines}A\x1b[J").as_bytes())?;
        }
        self.print(text)
    }

    /// Tells something on the way. Nobody may be listening, and that is no failure.
    pub fn note(&self, text: &str) {
        writeln!(std::io::stderr(), "{}", escape_lines(text)).ok();
    }

    /// Reads a secret: what is typed, and is not shown, or all of the standard input if that is asked for or
    /// is no terminal. The line break at its end does not count.
    ///
    /// # Errors
    /// When there is nothing to read, or Ctrl-C was pressed.
    pub fn read_secret(&self, prompt: &str, piped: bool) -> Result<String, Failure> {
        let unusable = |reason: &str| Failure::Configuration {
            what: "password".to_owned(),
            reason: reason.to_owned(),
        };
        let input = std::io::stdin();
        let bytes = if piped || !input.is_terminal() {
            let mut bytes = Vec::new();
            let mut bounded = input.lock().take(SECRET_LIMIT);
            bounded.read_to_end(&mut bytes).map_err(Failure::Terminal)?;
            bytes
        } else {
            write!(std::io::stderr(), "{}", escape(prompt)).ok();
            let typed = type_secret(&mut input.lock());
            writeln!(std::io::stderr()).ok();
            typed?.ok_or_else(|| unusable("nothing was given"))?
        };
        let text = String::from_utf8(bytes).map_err(|_| unusable("is no text"))?;
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        match text.is_empty() {
            true => Err(unusable("is empty")),
            false => Ok(text.to_owned()),
        }
    }

    /// Reports a failure: the sentence, each cause, the particulars, and what to do.
    pub fn failure(&self, failure: &Failure) {
        self.note(&describe(failure));
    }
}

/// What is typed up to Enter, none if that was given up. Nothing of it is shown.
fn type_secret(input: &mut impl Read) -> Result<Option<Vec<u8>>, Failure> {
    let _raw = Raw::enter()?;
    let mut typed = Vec::new();
    let mut byte = [0];
    while input.read(&mut byte).map_err(Failure::Terminal)? > 0 {
        match byte[0] {
            b'\r' | b'\n' => break,
            // Ctrl-C, Ctrl-D.
            3 | 4 => return Ok(None),
            // Backspace takes away a character, which may be of several bytes.
            8 | 127 => while typed.pop().is_some_and(|byte| byte & 0xC0 == 0x80) {},
            byte => typed.push(byte),
        }
    }
    Ok(Some(typed))
}

fn pass(output: &mut impl Write, bytes: &[u8]) -> Result<(), Failure> {
    let written = output.write_all(bytes).and_then(|()| output.flush());
    written.map_err(|_| Failure::OutputClosed)
}

/// The terminal as programs want it that look at every key. It is as it was once this is dropped.
#[derive(Debug)]
pub struct Raw(());

impl Raw {
    /// Hands on every key as it is pressed from now on.
    ///
    /// # Errors
    /// When the terminal cannot be used so.
    pub fn enter() -> Result<Self, Failure> {
        crossterm::terminal::enable_raw_mode().map_err(Failure::Terminal)?;
        Ok(Self(()))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        if let Err(error) = crossterm::terminal::disable_raw_mode() {
            let hint = "type `reset` and press Enter";
            writeln!(
                std::io::stderr(),
                "the terminal is not as it was ({error}): {hint}"
            )
            .ok();
        }
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
