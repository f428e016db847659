//! What can be asked for as a stream.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Size;
use crate::Timestamp;

/// The most bytes of a command, of all variables together, and of other texts.
const TEXTS_LIMIT: usize = 16 * 1024;
/// The most arguments, and variables.
const COUNT_LIMIT: usize = 256;
/// The size of a terminal if nobody says, as most have it.
const USUAL_SIZE: Size = Size {
    width: 80,
    height: 24,
};

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum StreamRequest {
    /// What a container has written, and writes.
    Logs(LogsRequest),
    /// A command that is run inside it.
    Exec(ExecRequest),
    /// What it uses.
    Stats(StatsRequest),
}

impl StreamRequest {
    /// `logs`, `exec` or `stats`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Logs(_) => "logs",
            Self::Exec(_) => "exec",
            Self::Stats(_) => "stats",
        }
    }
}

/// Which of what a container writes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogsRequest {
    /// Whether to go on with what it will write, until it ends.
    pub follow: bool,
    /// No more than so many of the last lines; all if absent.
    pub tail: Option<u32>,
    /// Only what was written at this moment or later.
    pub since: Option<Timestamp>,
    /// Whether each line begins with its moment and a space.
    pub timestamps: bool,
    /// Whether what goes to stdout is wanted.
    pub stdout: bool,
    /// Whether what goes to stderr is wanted.
    pub stderr: bool,
}

/// A command to run inside a container that runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExecRequest {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Whether it is given a terminal.
    pub tty: bool,
    /// Whether something will be written to its stdin.
    pub stdin: bool,
    /// The size of the terminal, if it is given one.
    pub size: Option<Size>,
    /// Who runs it; as the container says if absent.
    pub user: Option<String>,
    /// Where it runs; as the container says if absent.
    pub working_dir: Option<String>,
    /// Variables beside those of the container.
    pub environment: BTreeMap<String, String>,
}

/// How what a container uses is to be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatsRequest {
    /// Whether to tell it again and again, until the container ends.
    pub live: bool,
}

/// A request that no container can be asked: the field, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` {reason}")]
pub struct UnsoundRequest {
    /// The name of the field.
    pub field: &'static str,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl ExecRequest {
    /// The size of its terminal; none if it has no terminal.
    pub fn terminal(&self) -> Option<Size> {
        self.tty.then(|| self.size.unwrap_or(USUAL_SIZE))
    }

    /// Whether a command can be run so.
    ///
    /// # Errors
    /// The first field that is not sound.
    pub fn validate(&self) -> Result<(), UnsoundRequest> {
        let refuse = |field, reason| Err(UnsoundRequest { field, reason });
        let texts = |texts: &mut dyn Iterator<Item = &String>| {
            let (mut count, mut length, mut has_nul) = (0, 0, false);
            for text in texts {
                count += 1;
                length += text.len();
                has_nul |= text.contains('\0');
            }
            count <= COUNT_LIMIT && length <= TEXTS_LIMIT && !has_nul
        };
        if self.command.first().is_none_or(String::is_empty) {
            return refuse("command", "is missing: it is the program and its arguments");
        }
        if !texts(&mut self.command.iter()) {
            return refuse("command", "is too long, or has a NUL character");
        }
        let mut variables = self
            .environment
            .iter()
            .flat_map(|(name, value)| [name, value]);
        if !texts(&mut variables) {
            return refuse("environment", "is too long, or has a NUL character");
        }
        if self
            .environment
            .keys()
            .any(|name| name.is_empty() || name.contains('='))
        {
            return refuse(
                "environment",
                "has a variable without a name; it is `NAME=value`",
            );
        }
        if !texts(&mut self.user.iter()) || self.user.as_ref().is_some_and(String::is_empty) {
            return refuse("user", "is empty, too long, or has a NUL character");
        }
        let is_directory = |path: &String| path.starts_with('/');
        if !texts(&mut self.working_dir.iter()) || !self.working_dir.iter().all(is_directory) {
            return refuse("workingDir", "is no absolute path");
        }
        if self
            .size
            .is_some_and(|size| size.width == 0 || size.height == 0)
        {
            return refuse("width", "and `height` are at least 1");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exec(command: &[&str]) -> ExecRequest {
        ExecRequest {
            command: command.iter().map(|text| (*text).to_owned()).collect(),
            ..ExecRequest::default()
        }
    }

    #[test]
    fn a_command_is_sound_if_it_could_be_run() {
        assert_eq!(exec(&["sh", "-c", ""]).validate(), Ok(()));
        let field = |request: ExecRequest| request.validate().unwrap_err().field;
        assert_eq!(field(exec(&[])), "command");
        assert_eq!(field(exec(&[""])), "command");
        assert_eq!(field(exec(&["a\0b"])), "command");
        assert_eq!(field(exec(&["x", &"y".repeat(20_000)])), "command");
        let mut variable = exec(&["env"]);
        variable.environment.insert("A=B".into(), "c".into());
        assert_eq!(field(variable), "environment");
        let mut elsewhere = exec(&["pwd"]);
        elsewhere.working_dir = Some("tmp".into());
        assert_eq!(field(elsewhere), "workingDir");
        let mut flat = exec(&["sh"]);
        flat.size = Some(Size {
            width: 0,
            height: 1,
        });
        assert_eq!(field(flat), "width");
    }

    #[test]
    fn a_request_survives_its_row() {
        let request = StreamRequest::Exec(exec(&["ls"]));
        let text = serde_json::to_string(&request).unwrap();
        assert_eq!(
            serde_json::from_str::<StreamRequest>(&text).unwrap(),
            request
        );
    }
}
