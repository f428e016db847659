//! What keeps an invocation from success: the sentence for a person, and the exit code for a script.
//!
//! | code | meaning |
//! | --- | --- |
//! | 1 | the work failed, was refused, or what was named does not exist |
//! | 2 | wrong usage: arguments, configuration, an ambiguous name |
//! | 3 | the server cannot be reached, or does not accept the key |
//! | 130 | interrupted; the work goes on without the client |
//!
//! `drover exec` ends with the code of the command that it ran.

use std::path::PathBuf;
use std::time::Duration;

use crate::client::Problem;

/// Why an invocation did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The server answered with a problem.
    #[error("{}", .0.sentence())]
    Refused(Box<Problem>),
    /// No answer came.
    #[error("cannot reach {server}")]
    Unreachable {
        /// The address that was tried.
        server: String,
        /// What went wrong on the way.
        source: reqwest::Error,
    },
    /// An answer came that is not of the API's form.
    #[error("{server} gave an answer that is not Drover's: {reason}")]
    NotTheApi {
        /// The address that answered.
        server: String,
        /// What is wrong with the answer.
        reason: String,
    },
    /// A process ended and did not do what was asked.
    #[error("{subject}: {process} {phase}: {reason}")]
    ProcessEnded {
        /// The name of the resource.
        subject: String,
        /// The name of the process, as `start`.
        process: String,
        /// How it ended.
        phase: String,
        /// What it said.
        reason: String,
    },
    /// The work took longer than `--timeout`.
    #[error("{subject}: not done after {} s; it goes on without being watched", .patience.as_secs())]
    OutOfPatience {
        /// The name of the resource.
        subject: String,
        /// How long it was watched.
        patience: Duration,
    },
    /// The person pressed Ctrl-C.
    #[error("{subject}: no longer watched; the work goes on")]
    Interrupted {
        /// The name of the resource.
        subject: String,
    },
    /// Nothing has that name or id.
    #[error("there is no {kind} `{reference}`")]
    NotFound {
        /// What was looked for, as `container`.
        kind: String,
        /// What was typed.
        reference: String,
    },
    /// Several have that name or part of an id.
    #[error("`{reference}` could be any of these:\n  {}", candidates.join("\n  "))]
    Ambiguous {
        /// What was typed.
        reference: String,
        /// Id, name and state of each.
        candidates: Vec<String>,
    },
    /// The configuration file, the key file or an address cannot be used.
    #[error("{what}: {reason}")]
    Configuration {
        /// The file or setting.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A file cannot be read or written.
    #[error("cannot {action} {}", path.display())]
    File {
        /// `read` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A command that was run inside a container has ended otherwise than well; it has said so itself.
    #[error("the command ended with {code}")]
    CommandEnded {
        /// Its exit code.
        code: i64,
    },
    /// A stream has come to its end before its time.
    #[error("{message}")]
    StreamBroken {
        /// What kind of error, as the server names it.
        code: Option<String>,
        /// What happened.
        message: String,
    },
    /// The terminal cannot be used as it has to be.
    #[error("this terminal cannot be used")]
    Terminal(#[source] std::io::Error),
    /// The reader of the output went away.
    #[error("the output was closed")]
    OutputClosed,
    /// Some of several failed; each was reported when it did.
    #[error("{failed} of {total} failed")]
    Several {
        /// How many failed.
        failed: usize,
        /// How many there were.
        total: usize,
        /// The exit code of the first of them.
        code: u8,
    },
}

impl Failure {
    /// The exit code that tells a script what happened.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Refused(problem) if matches!(problem.status, 401 | 403) => 3,
            Self::Unreachable { .. } | Self::NotTheApi { .. } => 3,
            Self::Ambiguous { .. } | Self::Configuration { .. } | Self::File { .. } => 2,
            Self::Several { code, .. } => *code,
            Self::Interrupted { .. } => 130,
            Self::CommandEnded { code } => u8::try_from(*code).unwrap_or(1),
            Self::Refused(_)
            | Self::ProcessEnded { .. }
            | Self::OutOfPatience { .. }
            | Self::NotFound { .. }
            | Self::StreamBroken { .. }
            | Self::Terminal(_)
            | Self::OutputClosed => 1,
        }
    }

    /// What the person can do about it, if that is known.
    pub fn hint(&self) -> Option<String> {
        let explain = |subject: &str| Some(format!("`drover explain {subject}` tells each step"));
        match self {
            Self::Refused(problem) if problem.status == 401 => Some(
                "log in with `drover login --server URL --api-key-file FILE`, or set \
                 DROVER_API_KEY"
                    .to_owned(),
            ),
            Self::Refused(problem) => problem.hint.clone(),
            Self::Unreachable { .. } => Some(
                "is the server running? `--server` or DROVER_SERVER names another one".to_owned(),
            ),
            Self::NotTheApi { .. } => {
                Some("`--server` names the API, usually on port 8080".to_owned())
            }
            Self::ProcessEnded { subject, .. }
            | Self::OutOfPatience { subject, .. }
            | Self::Interrupted { subject } => explain(subject),
            Self::NotFound { .. } => {
                Some("`drover ps --all` and `drover hosts` list what there is".to_owned())
            }
            Self::Ambiguous { .. } => Some("type more of the id".to_owned()),
            _ => None,
        }
    }

    /// The field that the server did not like, and the id under which its log tells of the request.
    pub fn particulars(&self) -> Vec<(&'static str, &str)> {
        if let Self::StreamBroken {
            code: Some(code), ..
        } = self
        {
            return vec![("code", code)];
        }
        let Self::Refused(problem) = self else {
            return Vec::new();
        };
        [
            ("field", problem.field.as_deref()),
            ("code", problem.code.as_deref()),
            ("request", problem.request_id.as_deref()),
        ]
        .into_iter()
        .filter_map(|(label, value)| Some((label, value?)))
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16) -> Failure {
        Failure::Refused(Box::new(Problem {
            status,
            title: "Unauthorized".to_owned(),
            ..Problem::default()
        }))
    }

    #[test]
    fn a_refused_key_says_how_to_log_in_and_ends_with_three() {
        assert_eq!(refused(401).exit_code(), 3);
        assert!(refused(401).hint().unwrap().contains("drover login"));
    }

    #[test]
    fn a_refused_request_ends_with_one() {
        assert_eq!(refused(409).exit_code(), 1);
    }

    #[test]
    fn an_ambiguous_name_lists_what_it_could_be() {
        let failure = Failure::Ambiguous {
            reference: "web".to_owned(),
            candidates: vec!["1 web running".to_owned(), "2 web stopped".to_owned()],
        };
        assert_eq!(failure.exit_code(), 2);
        let text = failure.to_string();
        assert_eq!(
            text,
            "`web` could be any of these:\n  1 web running\n  2 web stopped"
        );
    }
}
