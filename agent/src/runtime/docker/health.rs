//! Health checks of containers of Docker: kept as a label, tried from the host or inside.

use bollard::Docker;
use bollard::exec::{CreateExecOptions, StartExecOptions, StartExecResults};
use bollard::models::ContainerInspectResponse;
use drover_domain::resource::HealthCheck;
use drover_proto::v1::CreateContainer;
use futures::StreamExt;

use super::labels;
use super::refusal::words_of;
use crate::runtime::RuntimeError;

/// No more of what a command says is kept.
const OUTPUT_LIMIT: usize = 500;

/// The health check of a container that is to be made, for its label.
pub(super) fn written(wanted: &CreateContainer) -> Result<Option<String>, RuntimeError> {
    let Some(check) = &wanted.health_check else {
        return Ok(None);
    };
    let refused = |error: &dyn std::error::Error| RuntimeError::Refused(error.to_string());
    let check = HealthCheck::try_from(check).map_err(|error| refused(&error))?;
    let text = serde_json::to_string(&check).map_err(|error| refused(&error))?;
    Ok(Some(text))
}

/// The health check of a container that is there. A label that a later release wrote and this one cannot
/// read is none.
pub(super) fn read(found: &ContainerInspectResponse) -> Option<HealthCheck> {
    let labels = found.config.as_ref()?.labels.as_ref()?;
    let text = labels.get(labels::HEALTH_CHECK)?;
    serde_json::from_str(text)
        .inspect_err(|error| tracing::warn!(%error, "the label of a health check cannot be read"))
        .ok()
}

/// Runs a command inside a container. One that is not waited for any more goes on by itself.
///
/// # Errors
/// That it did not end with 0, with what it said.
pub(super) async fn command(
    docker: &Docker,
    runtime_id: &str,
    command: &[String],
) -> Result<(), String> {
    let failed = |error: bollard::errors::Error| words_of(&error);
    let options = CreateExecOptions {
        cmd: Some(command.to_vec()),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        ..CreateExecOptions::default()
    };
    let created = docker.create_exec(runtime_id, options).await;
    let exec = created.map_err(failed)?.id;
    let started = docker.start_exec(&exec, None::<StartExecOptions>).await;
    let mut said = String::new();
    if let StartExecResults::Attached { mut output, .. } = started.map_err(failed)? {
        // To its end, or the command would block on what nobody reads.
        while let Some(part) = output.next().await {
            let part = part.map_err(failed)?.to_string();
            let room = OUTPUT_LIMIT.saturating_sub(said.chars().count());
            said.extend(part.chars().take(room));
        }
    }
    let inspected = docker.inspect_exec(&exec).await.map_err(failed)?;
    match inspected.exit_code {
        Some(0) => Ok(()),
        code => {
            let code = code.map_or_else(|| "no exit code".to_owned(), |code| code.to_string());
            let said = said.trim();
            Err(match said.is_empty() {
                true => format!("the command ended with {code}"),
                false => format!("the command ended with {code}: {said}"),
            })
        }
    }
}
