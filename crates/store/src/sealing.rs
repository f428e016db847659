//! Sealing: how secrets are kept that have to be shown to others again, such as passwords of registries.
//!
//! # Theory of operation
//!
//! What Drover only checks, it keeps as a hash. What it must be able to repeat, it keeps sealed, with a key
//! that is not in the database: who has the database, or a copy of it, has nothing.
//!
//! ```text
//!   sealed = form (1) | name of the key (8) | nonce (24) | secret, encrypted, and a tag (16)
//!            '-------- bound to it, with the id of the resource that it belongs to --------'
//! ```
//!
//! - The cipher is XChaCha20-Poly1305. Its nonce is long enough to be taken at random each time, by any
//!   number of servers that do not know of one another.
//! - The id of the resource is authenticated along with it. A sealed text that somebody moves to the row of
//!   another resource, to have it shown to another registry, does not open.
//! - A [`Keyring`] is what a server was given: the first key seals, all of them open. Each sealed text says
//!   by which key, with a hash of it, so that keys can be exchanged while servers run: give all of them the
//!   new key, then put it first, have what the old one sealed sealed anew
//!   ([`Store::reseal`](crate::Store::reseal)), and take the old one away.
//!
//! A file of keys has one in base64 on each line. Errors name the line, and nothing of what it says.

use std::fmt;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use drover_domain::ResourceId;
use sha2::{Digest, Sha256};

/// How long a key is.
const KEY: usize = 32;
/// How long the name of a key is.
const NAME: usize = 8;
/// How long a nonce is.
const NONCE: usize = 24;
/// The one form of sealed texts that there is.
const FORM: u8 = 1;
/// Where the nonce begins, and where it ends.
const HEAD: usize = 1 + NAME;
const BODY: usize = HEAD + NONCE;

/// The keys of a server: the first one seals, all of them open. Clones share them.
#[derive(Clone, Default)]
pub struct Keyring {
    keys: Arc<[Key]>,
}

struct Key {
    name: [u8; NAME],
    cipher: XChaCha20Poly1305,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Keyring of {}", self.keys.len())
    }
}

/// Why there is no keyring. Nothing of a key is told.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// The file of keys cannot be read or written.
    #[error("the file of keys {path} cannot be used")]
    File {
        /// Where it is.
        path: PathBuf,
        /// Why it cannot.
        source: std::io::Error,
    },
    /// A line of the file is no key.
    #[error("line {0} of the file of keys is not 32 bytes in base64")]
    Line(usize),
    /// The file has no key.
    #[error("there is no key in the file of keys")]
    Empty,
}

/// Why something was not sealed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// This server was given no key.
    #[error("this server has no key for secrets")]
    NoKey,
    /// It was sealed with a key that this server was not given.
    #[error("this server does not have the key that it was sealed with")]
    OtherKey,
    /// It is not what was sealed, or not for this resource.
    #[error("it is not what was sealed")]
    Broken,
}

impl Keyring {
    /// The keys of a file; none without one.
    ///
    /// # Errors
    /// When the file cannot be read, or a line of it is no key.
    pub fn read(file: Option<&Path>) -> Result<Self, KeyringError> {
        let Some(path) = file else {
            return Ok(Self::default());
        };
        let text = std::fs::read_to_string(path).map_err(|source| KeyringError::File {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&text)
    }

    /// The keys of a file, which is made with a new one if it is not there, for its owner's eyes only.
    ///
    /// # Errors
    /// As [`Keyring::read`], and when it cannot be made.
    pub fn read_or_make(path: &Path) -> Result<Self, KeyringError> {
        let unusable = |source| KeyringError::File {
            path: path.to_owned(),
            source,
        };
        if !path.try_exists().map_err(unusable)? {
            let key: [u8; KEY] = rand::random();
            let made = path.with_extension("new");
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(true).mode(0o600);
            let mut file = options.open(&made).map_err(unusable)?;
            writeln!(file, "{}", STANDARD.encode(key)).map_err(unusable)?;
            // Before anything is sealed with it, it is on the disk.
            file.sync_all().map_err(unusable)?;
            std::fs::rename(&made, path).map_err(unusable)?;
        }
        Self::read(Some(path))
    }

    /// The keys of the lines of a text. Empty ones, and those that begin with `#`, are passed over.
    ///
    /// # Errors
    /// The first line that is no key.
    pub fn parse(text: &str) -> Result<Self, KeyringError> {
        let mut keys = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let key = STANDARD.decode(line).ok();
            let key: Option<[u8; KEY]> = key.and_then(|key| key.try_into().ok());
            keys.push(Key::new(key.ok_or(KeyringError::Line(index + 1))?));
        }
        match keys.is_empty() {
            true => Err(KeyringError::Empty),
            false => Ok(Self { keys: keys.into() }),
        }
    }

    /// Whether it can seal.
    pub fn has_key(&self) -> bool {
        !self.keys.is_empty()
    }

    /// Seals a secret of a resource with the first key.
    pub(crate) fn seal(&self, owner: ResourceId, secret: &str) -> Result<Vec<u8>, SealError> {
        let key = self.keys.first().ok_or(SealError::NoKey)?;
        let nonce: [u8; NONCE] = rand::random();
        let mut sealed = Vec::with_capacity(BODY + secret.len() + 16);
        sealed.push(FORM);
        sealed.extend_from_slice(&key.name);
        let bound = bound(&sealed, owner);
        let payload = Payload {
            msg: secret.as_bytes(),
            aad: &bound,
        };
        let encrypted = key.cipher.encrypt(&XNonce::from(nonce), payload);
        sealed.extend_from_slice(&nonce);
        sealed.extend(encrypted.map_err(|_| SealError::Broken)?);
        Ok(sealed)
    }

    /// Opens what was sealed for a resource.
    pub(crate) fn open(&self, owner: ResourceId, sealed: &[u8]) -> Result<String, SealError> {
        let (head, rest) = sealed.split_at_checked(HEAD).ok_or(SealError::Broken)?;
        let (nonce, encrypted) = rest.split_at_checked(NONCE).ok_or(SealError::Broken)?;
        if head.first() != Some(&FORM) {
            return Err(SealError::Broken);
        }
        if self.keys.is_empty() {
            return Err(SealError::NoKey);
        }
        let key = self.keys.iter().find(|key| key.name == head[1..]);
        let key = key.ok_or(SealError::OtherKey)?;
        let bound = bound(head, owner);
        let payload = Payload {
            msg: encrypted,
            aad: &bound,
        };
        let nonce: [u8; NONCE] = nonce.try_into().map_err(|_| SealError::Broken)?;
        let secret = key.cipher.decrypt(&XNonce::from(nonce), payload);
        let secret = secret.map_err(|_| SealError::Broken)?;
        String::from_utf8(secret).map_err(|_| SealError::Broken)
    }

    /// Whether something was sealed with the key that seals now.
    pub(crate) fn is_current(&self, sealed: &[u8]) -> bool {
        let key = self.keys.first();
        key.is_some_and(|key| sealed.get(1..HEAD) == Some(&key.name[..]))
    }
}

impl Key {
    fn new(key: [u8; KEY]) -> Self {
        let hash = Sha256::new()
            .chain_update(b"drover: the name of a key\n")
            .chain_update(key)
            .finalize();
        let mut name = [0; NAME];
        name.copy_from_slice(&hash[..NAME]);
        Self {
            name,
            cipher: XChaCha20Poly1305::new(&key.into()),
        }
    }
}

/// What is authenticated along with a secret.
fn bound(head: &[u8], owner: ResourceId) -> Vec<u8> {
    let mut bound = head.to_vec();
    bound.extend_from_slice(owner.uuid().as_bytes());
    bound
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const SECRET: &str = "correct horse";

    fn text_of(byte: u8) -> String {
        STANDARD.encode([byte; KEY])
    }

    fn ring(text: &str) -> Keyring {
        Keyring::parse(text).unwrap()
    }

    fn owner(number: u128) -> ResourceId {
        ResourceId::new(Uuid::from_u128(number))
    }

    #[test]
    fn what_is_sealed_shows_nothing_and_opens_for_its_owner_only() {
        let ring = ring(&text_of(1));
        let sealed = ring.seal(owner(1), SECRET).unwrap();
        let shows = |part: &[u8]| sealed.windows(part.len()).any(|window| window == part);
        assert!(!shows(b"horse"));
        assert_eq!(ring.open(owner(1), &sealed).as_deref(), Ok(SECRET));
        assert_eq!(ring.open(owner(2), &sealed), Err(SealError::Broken));
        let again = ring.seal(owner(1), SECRET).unwrap();
        assert_ne!(sealed, again, "each has its nonce");
    }

    #[test]
    fn what_was_changed_does_not_open() {
        let ring = ring(&text_of(1));
        let sealed = ring.seal(owner(1), SECRET).unwrap();
        for index in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[index] ^= 1;
            assert!(ring.open(owner(1), &changed).is_err(), "byte {index}");
        }
        for length in 0..sealed.len() {
            assert!(ring.open(owner(1), &sealed[..length]).is_err());
        }
    }

    #[test]
    fn keys_are_exchanged_by_giving_the_new_one_first() {
        let (old, new) = (text_of(1), text_of(2));
        let before = ring(&old);
        let sealed = before.seal(owner(1), SECRET).unwrap();
        let both = ring(&format!("{new}\n{old}\n"));
        assert_eq!(both.open(owner(1), &sealed).as_deref(), Ok(SECRET));
        assert!(before.is_current(&sealed) && !both.is_current(&sealed));
        let anew = both.seal(owner(1), SECRET).unwrap();
        assert!(both.is_current(&anew));
        let after = ring(&new);
        assert_eq!(after.open(owner(1), &anew).as_deref(), Ok(SECRET));
        assert_eq!(after.open(owner(1), &sealed), Err(SealError::OtherKey));
        let none = Keyring::default();
        assert_eq!(none.open(owner(1), &sealed), Err(SealError::NoKey));
        assert_eq!(none.seal(owner(1), SECRET), Err(SealError::NoKey));
    }

    #[test]
    fn a_line_that_is_no_key_is_named_and_not_shown() {
        let key = text_of(3);
        let text = format!("# the keys\n\n{key}\nhunter2\n");
        let error = Keyring::parse(&text).unwrap_err();
        assert!(matches!(error, KeyringError::Line(4)));
        assert!(!format!("{error} {error:?}").contains("hunter2"));
        assert!(matches!(
            Keyring::parse("# none\n"),
            Err(KeyringError::Empty)
        ));
        assert_eq!(format!("{:?}", ring(&key)), "Keyring of 1");
    }

    #[test]
    fn a_file_is_made_once_and_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secrets.key");
        let sealed = Keyring::read_or_make(&path).unwrap();
        let sealed = sealed.seal(owner(1), SECRET).unwrap();
        let mode = path.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let again = Keyring::read_or_make(&path).unwrap();
        assert_eq!(again.open(owner(1), &sealed).as_deref(), Ok(SECRET));
        assert!(Keyring::read(Some(&folder.path().join("none"))).is_err());
        assert!(!Keyring::read(None).unwrap().has_key());
    }
}
