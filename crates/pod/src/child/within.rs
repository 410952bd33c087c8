//! Paths within a container's root, out of which nothing leads whatever the image says.

use crate::kernel::files;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The most links that are followed when what they point to has to be made.
const MAX_LINKS: u32 = 16;

/// The directory and the last name of a path.
pub fn split(path: &str) -> (&str, &str) {
    let path = path.trim_end_matches('/');
    path.rsplit_once('/').unwrap_or(("", path))
}

/// Opens a directory, as a place, and makes it and those above it if they are missing.
pub fn directory(root: BorrowedFd<'_>, path: &str) -> io::Result<OwnedFd> {
    make(root, path, true, MAX_LINKS)
}

/// Opens a file, as a place, and makes it, empty, and the directories above it if they are missing.
pub fn file(root: BorrowedFd<'_>, path: &str) -> io::Result<OwnedFd> {
    make(root, path, false, MAX_LINKS)
}

fn make(root: BorrowedFd<'_>, path: &str, directory: bool, links: u32) -> io::Result<OwnedFd> {
    match files::open_in(root, path, libc::O_PATH) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && links > 0 => {}
        result => return result,
    }
    let (above, name) = split(path);
    if name.is_empty() || name == "." || name == ".." {
        return files::open_in(root, path, libc::O_PATH);
    }
    let parent = make(root, above, true, links)?;
    let made = if directory {
        files::make_dir(parent.as_fd(), name, 0o755)
    } else {
        files::make_node(parent.as_fd(), name, libc::S_IFREG | 0o644, 0, 0)
    };
    match made {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
        Ok(()) => return files::open_in(root, path, libc::O_PATH),
    }
    // A link that leads nowhere yet: what it names is made.
    match files::read_link(parent.as_fd(), name) {
        Ok(link) if link.starts_with('/') => make(root, &link, directory, links - 1),
        Ok(link) => make(root, &format!("{above}/{link}"), directory, links - 1),
        Err(_) => files::open_in(root, path, libc::O_PATH),
    }
}

/// The directory of a path, made if it is missing, and the last name.
pub fn parent<'a>(root: BorrowedFd<'_>, path: &'a str) -> io::Result<(OwnedFd, &'a str)> {
    let (above, name) = split(path);
    Ok((directory(root, above)?, name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn paths_are_split() {
        for (path, want) in [
            ("/a/b", ("/a", "b")),
            ("/a", ("", "a")),
            ("a", ("", "a")),
            ("/", ("", "")),
            ("/a/b//", ("/a", "b")),
        ] {
            assert_eq!(split(path), want);
        }
    }

    #[test]
    fn what_is_missing_is_made_within() {
        let base = std::env::temp_dir().join(format!("corten-pod-within-{}", std::process::id()));
        let root = base.join("root");
        std::fs::create_dir_all(&root).unwrap();
        symlink("/../../outside", root.join("out")).unwrap();
        symlink("run/lock", root.join("lock")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        let fd = files::open(root.to_str().unwrap(), libc::O_PATH, 0).unwrap();
        for path in ["/x/y", "/x/y/../z", "out/deep", "/lock/a", "", "/"] {
            assert!(directory(fd.as_fd(), path).is_ok(), "{path}");
        }
        assert!(file(fd.as_fd(), "/etc/hosts").is_ok());
        assert!(file(fd.as_fd(), "/etc/hosts/below").is_err());
        assert!(directory(fd.as_fd(), "/loop").is_err());
        for (path, made) in [
            ("x/y", true),
            ("x/z", true),
            ("outside/deep", true),
            ("run/lock/a", true),
            ("../outside", false),
        ] {
            assert_eq!(root.join(path).is_dir(), made, "{path}");
        }
        assert!(root.join("etc/hosts").is_file());
        std::fs::remove_dir_all(&base).unwrap();
    }
}
