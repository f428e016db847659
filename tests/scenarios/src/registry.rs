//! A registry of one image, on a port of this machine, where Docker asks for no certificate.
//!
//! It speaks as much of the registry API (version 2) as a pull needs: the manifest by its tag, and blobs by
//! their digests. The image is made here: this machine's static busybox, and some MiB of noise that no
//! compression makes smaller. Blobs are sent slowly enough for somebody to look how far they are. One that is
//! private gives them only to who logs in.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// How much noise the image has.
const NOISE: usize = 6 * 1024 * 1024;
/// How much of a blob is sent at a time, and how long after the one before.
const PORTION: usize = 64 * 1024;
const PAUSE: Duration = Duration::from_millis(80);
const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

/// A running registry. It ends when it is dropped.
pub struct Registry {
    address: String,
    contents: Arc<Contents>,
    serving: JoinHandle<()>,
}

struct Contents {
    manifest: Vec<u8>,
    manifest_digest: String,
    blobs: HashMap<String, Vec<u8>>,
    asked: AtomicUsize,
    /// What is shown by who may fetch it; none if everybody may.
    authorization: Option<String>,
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Registry {
    /// Makes the image, and serves it.
    ///
    /// # Errors
    /// When there is no busybox here, or no port.
    pub async fn start() -> Result<Self> {
        Self::start_for(None).await
    }

    /// The same for who logs in with a name and a password alone.
    ///
    /// # Errors
    /// As [`Registry::start`].
    pub async fn start_private(username: &str, password: &str) -> Result<Self> {
        Self::start_for(Some(basic(username, password))).await
    }

    async fn start_for(authorization: Option<String>) -> Result<Self> {
        let made = tokio::task::spawn_blocking(make).await??;
        let contents = Arc::new(Contents {
            authorization,
            ..made
        });
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let served = Arc::clone(&contents);
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let contents = Arc::clone(&served);
                tokio::spawn(async move {
                    // Docker leaves whenever it has what it wants.
                    drop(serve(stream, &contents).await);
                });
            }
        });
        Ok(Self {
            address,
            contents,
            serving,
        })
    }

    /// The registry, as images name it.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The image, by the name by which Docker finds it here.
    #[must_use]
    pub fn image(&self) -> String {
        format!("{}/drover/noise:1", self.address)
    }

    /// An image that is not here.
    #[must_use]
    pub fn absent(&self) -> String {
        format!("{}/drover/absent:1", self.address)
    }

    /// How often somebody asked what the image is.
    #[must_use]
    pub fn asked(&self) -> usize {
        self.contents.asked.load(Ordering::SeqCst)
    }
}

fn make() -> Result<Contents> {
    let folder = tempfile::tempdir()?;
    let root = folder.path().join("root");
    std::fs::create_dir_all(root.join("bin"))?;
    let busybox = output(Command::new("sh").args(["-c", "command -v busybox"]))?;
    let busybox = String::from_utf8(busybox)?;
    std::fs::copy(busybox.trim(), root.join("bin/busybox")).context("there is no busybox")?;
    let noise = Command::new("head")
        .args(["-c", &NOISE.to_string(), "/dev/urandom"])
        .output()?;
    std::fs::write(root.join("noise"), noise.stdout)?;
    let layer = folder.path().join("layer.tar");
    let tar = Command::new("tar")
        .arg("-C")
        .arg(&root)
        .arg("-cf")
        .arg(&layer)
        .arg(".")
        .status()?;
    ensure!(tar.success(), "tar: {tar}");
    let diff = digest(&layer)?;
    output(Command::new("gzip").arg("-1").arg(&layer))?;
    let layer = std::fs::read(folder.path().join("layer.tar.gz"))?;
    let layer_digest = digest_of(folder.path(), &layer)?;
    let architecture = match std::env::consts::ARCH {
        "aarch64" => "arm64",
        _ => "amd64",
    };
    let config = json!({
        "architecture": architecture,
        "os": "linux",
        "config": { "Cmd": ["/bin/busybox", "sleep", "600"] },
        "rootfs": { "type": "layers", "diff_ids": [diff] },
        "history": [{ "created_by": "a test" }],
    });
    let config = serde_json::to_vec(&config)?;
    let config_digest = digest_of(folder.path(), &config)?;
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {
            "mediaType": "application/vnd.docker.container.image.v1+json",
            "size": config.len(),
            "digest": config_digest,
        },
        "layers": [{
            "mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip",
            "size": layer.len(),
            "digest": layer_digest,
        }],
    });
    let manifest = serde_json::to_vec(&manifest)?;
    Ok(Contents {
        manifest_digest: digest_of(folder.path(), &manifest)?,
        manifest,
        blobs: HashMap::from([(config_digest, config), (layer_digest, layer)]),
        asked: AtomicUsize::new(0),
        authorization: None,
    })
}

fn output(command: &mut Command) -> Result<Vec<u8>> {
    let output = command.output()?;
    ensure!(output.status.success(), "{command:?}: {}", output.status);
    Ok(output.stdout)
}

fn digest_of(folder: &Path, bytes: &[u8]) -> Result<String> {
    let file = folder.join("digested");
    std::fs::write(&file, bytes)?;
    digest(&file)
}

fn digest(file: &Path) -> Result<String> {
    let told = String::from_utf8(output(Command::new("sha256sum").arg(file))?)?;
    let hash = told.split_whitespace().next().context("a hash")?;
    Ok(format!("sha256:{hash}"))
}

/// Answers the requests of one connection.
async fn serve(stream: TcpStream, contents: &Contents) -> Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut request = String::new();
        if stream.read_line(&mut request).await? == 0 {
            return Ok(());
        }
        let mut shown = None;
        loop {
            let mut header = String::new();
            stream.read_line(&mut header).await?;
            if header.trim().is_empty() {
                break;
            }
            if let Some((name, value)) = header.split_once(':')
                && name.eq_ignore_ascii_case("authorization")
            {
                shown = Some(value.trim().to_owned());
            }
        }
        let mut words = request.split_whitespace();
        let (method, path) = (
            words.next().unwrap_or_default(),
            words.next().unwrap_or_default(),
        );
        let (status, content_type, digest, body) = match contents.admits(shown.as_deref()) {
            true => contents.answer(path),
            false => UNAUTHORIZED,
        };
        if path.contains("/manifests/") {
            contents.asked.fetch_add(1, Ordering::SeqCst);
        }
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\
             WWW-Authenticate: Basic realm=\"private\"\r\n\
             Docker-Content-Digest: {digest}\r\nDocker-Distribution-Api-Version: registry/2.0\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await?;
        if method != "HEAD" {
            for portion in body.chunks(PORTION) {
                stream.write_all(portion).await?;
                stream.flush().await?;
                // Nobody looks how far those of a private one are.
                if body.len() > PORTION && contents.authorization.is_none() {
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        stream.flush().await?;
    }
}

/// What somebody is answered who does not show what is asked for.
const UNAUTHORIZED: Answer<'static> = (
    "401 Unauthorized",
    "application/json",
    "",
    br#"{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}"#,
);

/// Status, type, digest and body.
type Answer<'a> = (&'static str, &'static str, &'a str, &'a [u8]);

/// What a client shows that logs in.
fn basic(username: &str, password: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let text = format!("{username}:{password}");
    let mut shown = "Basic ".to_owned();
    for bytes in text.as_bytes().chunks(3) {
        let byte = |index: usize| u32::from(bytes.get(index).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            let index = (bits >> (18 - 6 * digit)) & 63;
            match digit <= bytes.len() {
                true => shown.push(char::from(DIGITS[index as usize])),
                false => shown.push('='),
            }
        }
    }
    shown
}

impl Contents {
    fn admits(&self, shown: Option<&str>) -> bool {
        let asked = self.authorization.as_deref();
        asked.is_none_or(|asked| shown == Some(asked))
    }

    /// Status, type, digest and body of what is at a path.
    fn answer(&self, path: &str) -> Answer<'_> {
        const IMAGE: &str = "/v2/drover/noise/";
        let last = path.rsplit('/').next().unwrap_or_default();
        if path == "/v2/" {
            return ("200 OK", "application/json", "", b"{}");
        }
        if let Some(rest) = path.strip_prefix(IMAGE) {
            if rest == "manifests/1" || last == self.manifest_digest {
                return ("200 OK", MANIFEST, &self.manifest_digest, &self.manifest);
            }
            if let Some((digest, blob)) = self.blobs.get_key_value(last) {
                return ("200 OK", "application/octet-stream", digest, blob);
            }
        }
        let unknown = br#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#;
        ("404 Not Found", "application/json", "", unknown)
    }
}
