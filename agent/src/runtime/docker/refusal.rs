//! What Docker's errors mean.
//!
//! | Docker says | it means |
//! | --- | --- |
//! | nothing: no socket, no connection, no answer | unavailable |
//! | 400, 404 or 409, with a reason | refused: trying again is of no use |
//! | 409 because a container is being removed | the runtime cannot do it now |
//! | 5xx from the OCI runtime about the command itself | refused |
//! | anything else, as a port that is taken | the runtime cannot do it now |

use bollard::errors::Error;

use crate::registrar::Chain;
use crate::runtime::RuntimeError;

/// The error in the agent's terms, with Docker's own words.
pub(super) fn explain(error: &Error) -> RuntimeError {
    match error {
        Error::DockerResponseServerError { status_code, .. } => {
            let words = words_of(error);
            match status_code {
                409 if is_being_removed(error) => RuntimeError::Runtime(words),
                400 | 404 | 409 => RuntimeError::Refused(words),
                _ if is_about_the_command(&words) => RuntimeError::Refused(words),
                _ => RuntimeError::Runtime(words),
            }
        }
        Error::DockerStreamError { .. } => RuntimeError::Runtime(words_of(error)),
        Error::RequestTimeoutError => {
            RuntimeError::Unavailable("the Docker engine does not answer in time".to_owned())
        }
        Error::SocketNotFoundError(_)
        | Error::HyperLegacyError { .. }
        | Error::HyperResponseError { .. }
        | Error::IOError { .. } => RuntimeError::Unavailable(format!(
            "the Docker engine cannot be reached: {}",
            Chain(error)
        )),
        other => RuntimeError::Runtime(Chain(other).to_string()),
    }
}

/// The status of Docker's answer, if it was one.
pub(super) fn status_of(error: &Error) -> Option<u16> {
    match error {
        Error::DockerResponseServerError { status_code, .. } => Some(*status_code),
        _ => None,
    }
}

/// Docker's own words, trimmed.
pub(super) fn words_of(error: &Error) -> String {
    match error {
        Error::DockerResponseServerError { message, .. } => message.trim().to_owned(),
        Error::DockerStreamError { error } => error.trim().to_owned(),
        other => other.to_string(),
    }
}

/// Whether a container is on its way out already.
pub(super) fn is_being_removed(error: &Error) -> bool {
    let words = words_of(error);
    status_of(error) == Some(409)
        && (words.contains("is already in progress") || words.contains("marked for removal"))
}

/// Whether the OCI runtime finds fault with what was to be run, and not with the machine.
fn is_about_the_command(words: &str) -> bool {
    words.contains("exec: ")
        && [
            "executable file not found",
            "no such file or directory",
            "permission denied",
            "not a directory",
            "exec format error",
        ]
        .iter()
        .any(|fault| words.contains(fault))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status_code: u16, message: &str) -> RuntimeError {
        explain(&Error::DockerResponseServerError {
            status_code,
            message: message.to_owned(),
        })
    }

    #[test]
    fn a_taken_port_may_become_free_but_a_missing_command_never_appears() {
        let taken = "driver failed programming external connectivity: Bind for 0.0.0.0:80 failed: \
                     port is already allocated";
        assert_eq!(answer(500, taken), RuntimeError::Runtime(taken.into()));
        let absent = "OCI runtime create failed: exec: \"x\": executable file not found in $PATH";
        assert_eq!(answer(500, absent), RuntimeError::Refused(absent.into()));
        assert_eq!(answer(400, absent), RuntimeError::Refused(absent.into()));
        let disk = "mkdir /var/lib/docker: no such file or directory";
        assert_eq!(answer(500, disk), RuntimeError::Runtime(disk.into()));
    }

    #[test]
    fn a_removal_that_goes_on_is_no_refusal() {
        let words = "removal of container abc is already in progress";
        assert_eq!(answer(409, words), RuntimeError::Runtime(words.into()));
        assert_eq!(
            answer(409, " in use\n"),
            RuntimeError::Refused("in use".into())
        );
    }

    #[test]
    fn an_engine_that_is_not_there_is_unavailable() {
        let error = explain(&Error::SocketNotFoundError("/x.sock".into()));
        assert!(matches!(error, RuntimeError::Unavailable(words) if words.contains("/x.sock")));
    }
}
