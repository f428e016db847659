//! `no`, `on-failure[:TIMES]` or `always`: when a container is started again.

use drover_domain::resource::{RestartCondition, RestartPolicy};

/// Reads a restart policy as Docker has it.
///
/// # Errors
/// A sentence that says what to type.
pub fn parse_restart(text: &str) -> Result<RestartPolicy, String> {
    let (condition, times) = match text.split_once(':') {
        None => (text, None),
        Some((condition, times)) => (condition, Some(times)),
    };
    let condition = match condition {
        "no" => RestartCondition::No,
        "on-failure" => RestartCondition::OnFailure,
        "always" => RestartCondition::Always,
        other => {
            return Err(format!(
                "`{other}` is no restart policy; use no, on-failure or always"
            ));
        }
    };
    let unread = |times: &str| format!("`{times}` is no number of times");
    let times = times.map(|times| times.parse().map_err(|_| unread(times)));
    Ok(RestartPolicy {
        condition,
        maximum_retries: times.transpose()?,
        ..RestartPolicy::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_written_as_docker_has_them() {
        let read = |text: &str| {
            let policy = parse_restart(text)?;
            Ok::<_, String>((policy.condition, policy.maximum_retries))
        };
        assert_eq!(read("no"), Ok((RestartCondition::No, None)));
        assert_eq!(read("always"), Ok((RestartCondition::Always, None)));
        assert_eq!(
            read("on-failure:3"),
            Ok((RestartCondition::OnFailure, Some(3)))
        );
        assert!(read("unless-stopped").is_err());
        assert!(read("always:often").is_err());
    }
}
