//! Which paths of the host containers may mount.
//!
//! Whoever mounts a path of the host reads and writes there as root does, so none may be unless the person
//! who runs the agent says which: a list of folders, and what is below them. A path counts as what it leads
//! to, with every link followed, and that is also what the runtime is given. So a link that a container
//! leaves in a folder that it may write leads nobody out of it. What is changed between this look and that
//! of the runtime goes unseen: a folder that is allowed should be in nobody's hands who must not have the
//! rest.

use std::path::{Component, Path, PathBuf};

/// The folders of which containers may mount what is in them.
#[derive(Clone, Debug, Default)]
pub struct HostPaths {
    allowed: Vec<PathBuf>,
}

impl HostPaths {
    /// These folders and what is below them; what is not absolute allows nothing.
    pub fn new(allowed: impl IntoIterator<Item = PathBuf>) -> Self {
        let allowed = allowed.into_iter().filter(|path| path.is_absolute());
        Self {
            allowed: allowed.collect(),
        }
    }

    /// The path that is to be mounted, with its links followed.
    ///
    /// # Errors
    /// Why it may not be, in words for a person. Of what lies outside it is not told whether it exists.
    pub fn resolve(&self, path: &str) -> Result<PathBuf, String> {
        let is_below = self.check(path);
        let Ok(found) = std::fs::canonicalize(path) else {
            is_below?;
            return Err(format!("the host has nothing at {path}"));
        };
        let leads_to = |allowed: &PathBuf| {
            let allowed = std::fs::canonicalize(allowed);
            allowed.is_ok_and(|allowed| found.starts_with(allowed))
        };
        match self.allowed.iter().any(leads_to) {
            true => Ok(found),
            false => Err(self.refusal(path)),
        }
    }

    /// Whether a path is, by its words, one that may be mounted.
    ///
    /// # Errors
    /// Why it may not be, in words for a person.
    pub fn check(&self, path: &str) -> Result<(), String> {
        let path = Path::new(path);
        let is_plain =
            |part: Component<'_>| matches!(part, Component::RootDir | Component::Normal(_));
        let is_allowed = path.is_absolute()
            && path.components().all(is_plain)
            && self.allowed.iter().any(|allowed| path.starts_with(allowed));
        match is_allowed {
            true => Ok(()),
            false => Err(self.refusal(&path.to_string_lossy())),
        }
    }

    fn refusal(&self, path: &str) -> String {
        match self.allowed.is_empty() {
            true => format!("this host lets none of its paths be mounted, so {path} cannot be"),
            false => format!("this host does not let {path} be mounted"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(path: &Path) -> String {
        path.to_str().unwrap().to_owned()
    }

    #[test]
    fn nothing_is_allowed_unless_it_is_said() {
        let refused = HostPaths::default().resolve("/etc/passwd").unwrap_err();
        assert!(refused.contains("none of its paths"), "{refused}");
    }

    #[test]
    fn what_is_below_an_allowed_folder_is_allowed_and_its_neighbours_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("srv/x");
        std::fs::create_dir_all(&inside).unwrap();
        std::fs::create_dir_all(folder.path().join("srvx")).unwrap();
        let paths = HostPaths::new([folder.path().join("srv")]);
        assert!(paths.resolve(&text(&inside)).is_ok());
        assert!(paths.resolve(&text(&folder.path().join("srvx"))).is_err());
        let outside = paths.resolve("/no/such/path").unwrap_err();
        assert!(outside.contains("does not let"), "{outside}");
        let absent = text(&folder.path().join("srv/absent"));
        assert!(paths.resolve(&absent).unwrap_err().contains("nothing at"));
    }

    #[test]
    fn no_dots_and_no_link_lead_out_of_an_allowed_folder() {
        let folder = tempfile::tempdir().unwrap();
        let allowed = folder.path().join("allowed");
        let secret = folder.path().join("secret");
        std::fs::create_dir_all(&allowed).unwrap();
        std::fs::create_dir_all(&secret).unwrap();
        std::os::unix::fs::symlink(&secret, allowed.join("link")).unwrap();
        let paths = HostPaths::new([allowed.clone()]);
        for path in ["link", "link/.", "../secret"] {
            let path = format!("{}/{path}", text(&allowed));
            assert!(paths.resolve(&path).is_err(), "{path}");
        }
        assert!(
            paths
                .check(&format!("{}/../secret", text(&allowed)))
                .is_err()
        );
    }

    #[test]
    fn a_link_inside_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let real = folder.path().join("real");
        std::fs::create_dir_all(&real).unwrap();
        std::os::unix::fs::symlink(&real, folder.path().join("link")).unwrap();
        let paths = HostPaths::new([folder.path().to_owned()]);
        let found = paths.resolve(&text(&folder.path().join("link"))).unwrap();
        assert_eq!(found, std::fs::canonicalize(&real).unwrap());
    }
}
