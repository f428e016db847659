//! `NAME:PATH[:ro]` or `/PATH:PATH[:ro]`: a volume or a path of the host, and where it is mounted.

use drover_domain::resource::Mount;

/// Reads what is to be mounted, and where. What begins with `/` is a path of the host.
///
/// # Errors
/// A sentence that says how it is written.
pub fn parse_mount(text: &str) -> Result<Mount, String> {
    let how = || format!("`{text}` is no mount; write NAME:PATH or /PATH:PATH, and perhaps :ro");
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, read_only) = match parts[..] {
        [source, target] | [source, target, "rw"] => (source, target, false),
        [source, target, "ro"] => (source, target, true),
        _ => return Err(how()),
    };
    if source.is_empty() || !target.starts_with('/') {
        return Err(how());
    }
    let source_text = Some(source.to_owned());
    let (volume, host_path) = match source.starts_with('/') {
        true => (None, source_text),
        false => (source_text, None),
    };
    Ok(Mount {
        volume,
        host_path,
        target: target.to_owned(),
        read_only,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_with_a_slash_is_a_path_of_the_host() {
        let volume = parse_mount("data:/data").unwrap();
        assert_eq!(volume.volume.as_deref(), Some("data"));
        assert!(!volume.read_only);
        let path = parse_mount("/srv/x:/x:ro").unwrap();
        assert_eq!(path.host_path.as_deref(), Some("/srv/x"));
        assert_eq!(path.target, "/x");
        assert!(path.read_only);
    }

    #[test]
    fn what_is_no_mount_is_told_how_to_write_one() {
        for text in ["data", "data:data", ":/data", "a:/b:/c", "a:/b:rx"] {
            assert!(
                parse_mount(text).unwrap_err().contains("NAME:PATH"),
                "{text}"
            );
        }
    }
}
