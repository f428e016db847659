//! `drover login`: tries server and key, then remembers them.

use super::Session;
use crate::failure::Failure;

/// Carries out the command.
///
/// # Errors
/// When there is no key file, the server refuses the key, or the configuration cannot be written.
pub async fn login(session: &Session<'_>) -> Result<(), Failure> {
    let settings = &session.settings;
    if settings.api_key_file.is_none() {
        // A key out of a variable is not written anywhere: the configuration only names a file.
        return Err(Failure::Configuration {
            what: "login".to_owned(),
            reason: "name the file that holds the API key with --api-key-file".to_owned(),
        });
    }
    session
        .client
        .get("/v1/containers", &[("limit", "1")])
        .await?;
    let path = crate::configuration::remember(settings)?;
    session.terminal.note(&format!(
        "logged in to {}; remembered in {}",
        settings.server,
        path.display()
    ));
    Ok(())
}
