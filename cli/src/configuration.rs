//! Which server and which key are meant: flags, then variables, then the configuration file, then
//! `http://127.0.0.1:8080`.
//!
//! The file holds the name of the key's file, never the key. A key that was named but cannot be read
//! is an error: going on without it would end in a puzzling 401.

use std::fmt;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::arguments::ConnectionArguments;
use crate::failure::Failure;

/// Where a server on one's own machine listens.
const DEFAULT_SERVER: &str = "http://127.0.0.1:8080";

/// An API key. Its debug form does not show it.
#[derive(Clone)]
pub struct ApiKey(String);

impl ApiKey {
    /// Takes the key out of text that may end in a line break.
    pub fn new(text: &str) -> Self {
        Self(text.trim().to_owned())
    }

    /// The key itself, for the header of a request.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ApiKey(…)")
    }
}

/// What was settled.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Address of the API, without a slash at the end.
    pub server: String,
    /// The key, if there is any.
    pub api_key: Option<ApiKey>,
    /// The file that the key came from, unless a variable gave it.
    pub api_key_file: Option<PathBuf>,
    /// The certificates to trust instead of the platform's.
    pub ca_file: Option<PathBuf>,
    /// The configuration file, which need not exist.
    pub file: Option<PathBuf>,
}

/// The configuration file.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Contents {
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_key_file: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ca_file: Option<PathBuf>,
}

/// Settles which server and which key are meant.
///
/// # Errors
/// When a file that was named cannot be read, or says something that cannot be meant.
pub fn resolve(arguments: &ConnectionArguments) -> Result<Settings, Failure> {
    let file = arguments.config.clone().or_else(|| {
        std::env::home_dir().map(|home| home.join(".config").join("drover").join("config.toml"))
    });
    let contents = match &file {
        Some(path) => read(path)?,
        None => Contents::default(),
    };
    let server = arguments
        .server
        .clone()
        .or(contents.server)
        .unwrap_or_else(|| DEFAULT_SERVER.to_owned());
    let (api_key, api_key_file) = match &arguments.api_key {
        Some(key) => (Some(ApiKey::new(key)), None),
        None => {
            let path = arguments.api_key_file.clone().or(contents.api_key_file);
            let key = path.as_deref().map(read_key).transpose()?;
            (key, path)
        }
    };
    Ok(Settings {
        server: checked_address(&server)?,
        api_key,
        api_key_file,
        ca_file: arguments.ca_file.clone().or(contents.ca_file),
        file,
    })
}

/// Writes server and key file to the configuration file, which only its owner may read.
///
/// # Errors
/// When there is no place for the file, or it cannot be written.
pub fn remember(settings: &Settings) -> Result<PathBuf, Failure> {
    let path = settings
        .file
        .clone()
        .ok_or_else(|| Failure::Configuration {
            what: "configuration".to_owned(),
            reason: "there is no home directory; name a file with --config".to_owned(),
        })?;
    let failed = |source| Failure::File {
        action: "write",
        path: path.clone(),
        source,
    };
    let absolute = |path: &Option<PathBuf>| {
        let path = path.as_deref().map(std::path::absolute);
        path.transpose().map_err(failed)
    };
    let contents = Contents {
        server: Some(settings.server.clone()),
        api_key_file: absolute(&settings.api_key_file)?,
        ca_file: absolute(&settings.ca_file)?,
    };
    let text = toml::to_string(&contents).map_err(|error| Failure::Configuration {
        what: path.display().to_string(),
        reason: error.to_string(),
    })?;
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory).map_err(failed)?;
    }
    // Written beside and renamed, so that a reader never finds half a file.
    let beside = path.with_extension("toml.new");
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
        .open(&beside)
        .and_then(|mut open| open.write_all(text.as_bytes()))
        .and_then(|()| std::fs::rename(&beside, &path))
        .map_err(failed)?;
    Ok(path)
}

fn read(path: &Path) -> Result<Contents, Failure> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        // Also when the file was named: `login` may be about to write it.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(Contents::default());
        }
        Err(source) => {
            return Err(Failure::File {
                action: "read",
                path: path.to_owned(),
                source,
            });
        }
    };
    toml::from_str(&text).map_err(|error| Failure::Configuration {
        what: path.display().to_string(),
        reason: error.to_string(),
    })
}

fn read_key(path: &Path) -> Result<ApiKey, Failure> {
    let text = std::fs::read_to_string(path).map_err(|source| Failure::File {
        action: "read",
        path: path.to_owned(),
        source,
    })?;
    let key = ApiKey::new(&text);
    let is_one_word =
        !key.reveal().is_empty() && key.reveal().chars().all(|c| c.is_ascii_graphic());
    if is_one_word {
        Ok(key)
    } else {
        Err(Failure::Configuration {
            what: path.display().to_string(),
            reason: "does not hold an API key, one word that begins with drv_".to_owned(),
        })
    }
}

fn checked_address(server: &str) -> Result<String, Failure> {
    let wrong = |reason: &str| Failure::Configuration {
        what: format!("server `{server}`"),
        reason: reason.to_owned(),
    };
    let address = reqwest::Url::parse(server)
        .map_err(|_| wrong("write an address, as http://127.0.0.1:8080"))?;
    if !matches!(address.scheme(), "http" | "https") || address.host_str().is_none() {
        return Err(wrong("begins with neither http:// nor https://"));
    }
    if !address.username().is_empty() || address.password().is_some() {
        return Err(wrong("holds a user or password; keys go into a file"));
    }
    Ok(server.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments::Arguments;

    fn settle(config: &Path, line: &[&str]) -> Result<Settings, Failure> {
        let config = config.to_str().unwrap();
        let line = ["drover", "--config", config]
            .into_iter()
            .chain(line.iter().copied());
        resolve(&Arguments::from_command_line(line).unwrap().connection)
    }

    #[test]
    fn what_login_remembers_is_found_again_and_a_flag_overrules_it() {
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("deep/config.toml");
        let key = directory.path().join("key");
        std::fs::write(&key, "drv_1_hush\n").unwrap();
        let key_argument = key.to_str().unwrap();
        let line = [
            "--server",
            "http://h:1/",
            "--api-key-file",
            key_argument,
            "login",
        ];
        remember(&settle(&config, &line).unwrap()).unwrap();

        let found = settle(&config, &["ps"]).unwrap();
        assert_eq!(found.server, "http://h:1");
        assert_eq!(found.api_key.unwrap().reveal(), "drv_1_hush");
        let overruled = settle(&config, &["ps", "--server", "http://other:2"]).unwrap();
        assert_eq!(overruled.server, "http://other:2");
        assert!(!std::fs::read_to_string(&config).unwrap().contains("hush"));
    }

    #[test]
    fn an_unknown_key_of_the_configuration_is_an_error_that_names_it() {
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("config.toml");
        std::fs::write(&config, "sevrer = \"http://h:1\"\n").unwrap();
        let failure = settle(&config, &["ps"]).unwrap_err();
        assert_eq!(failure.exit_code(), 2);
        assert!(failure.to_string().contains("sevrer"), "{failure}");
    }

    #[test]
    fn a_key_file_that_is_missing_or_holds_no_key_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("config.toml");
        let key = directory.path().join("key");
        let line = ["--api-key-file", key.to_str().unwrap(), "ps"];
        assert_eq!(settle(&config, &line).unwrap_err().exit_code(), 2);
        std::fs::write(&key, "two words").unwrap();
        let failure = settle(&config, &line).unwrap_err().to_string();
        assert!(failure.contains("drv_") && !failure.contains("two words"));
    }

    #[test]
    fn an_address_with_a_password_or_another_scheme_is_refused() {
        for server in ["ftp://h", "localhost:8080", "http://a:b@h", "nothing"] {
            assert!(checked_address(server).is_err(), "{server}");
        }
    }

    #[test]
    fn the_debug_form_of_settings_hides_the_key() {
        assert_eq!(format!("{:?}", ApiKey::new("drv_1_hush")), "ApiKey(…)");
    }
}
