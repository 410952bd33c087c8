//! Paths within a volume, which its own contents must not lead astray.

use super::ownership::handle;
use corten_sys::mounts::Mounts;
use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2};
use nix::sys::stat::{Mode, fchmod, mkdirat};
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

/// Shows `sub` of `volume` at `target`, which is made, in place of what was there.
pub fn bind(volume: &Path, sub: &str, target: &Path, mounts: &dyn Mounts) -> Result<(), String> {
    let source = open_beneath(volume, sub)?;
    let source = handle(&source);
    let text = |e: std::io::Error| format!("{}: {e}", target.display());
    mounts.unmount(target).map_err(|e| e.to_string())?;
    let parent = target.parent().unwrap_or(target);
    fs::create_dir_all(parent).map_err(text)?;
    let is_dir = fs::metadata(&source).map_err(text)?.is_dir();
    match fs::symlink_metadata(target) {
        Ok(there) if there.is_dir() == is_dir => {}
        Ok(there) if there.is_dir() => {
            fs::remove_dir(target).and_then(|()| fs::write(target, "")).map_err(text)?;
        }
        Ok(_) => fs::remove_file(target).and_then(|()| fs::create_dir(target)).map_err(text)?,
        Err(_) if is_dir => fs::create_dir(target).map_err(text)?,
        Err(_) => fs::write(target, "").map_err(text)?,
    }
    mounts.bind(&source, target, false).map_err(|e| e.to_string())
}

/// Opens `sub` beneath `volume`; missing directories are made. The kernel itself watches that no step leaves
/// the volume, whoever changes links meanwhile.
fn open_beneath(volume: &Path, sub: &str) -> Result<OwnedFd, String> {
    let relative = Path::new(sub);
    if !relative.components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir)) {
        return Err("must be a relative path without '..'".into());
    }
    let mode = fs::metadata(volume).map_err(|e| format!("{}: {e}", volume.display()))?.mode();
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let root = open(volume, flags, Mode::empty()).map_err(|e| format!("{}: {e}", volume.display()))?;
    let mut reached = PathBuf::new();
    let mut parent = beneath(&root, Path::new("."), flags).map_err(|e| explain(e, sub))?;
    let mut components = relative.components().peekable();
    while let Some(component) = components.next() {
        reached.push(component);
        let flags = if components.peek().is_some() { flags } else { OFlag::O_PATH | OFlag::O_CLOEXEC };
        parent = match beneath(&root, &reached, flags) {
            Err(Errno::ENOENT) => {
                make(&parent, component.as_os_str().as_ref(), mode).map_err(|e| explain(e, sub))?;
                beneath(&root, &reached, flags)
            }
            other => other,
        }
        .map_err(|e| explain(e, sub))?;
    }
    Ok(parent)
}

fn beneath(root: &OwnedFd, path: &Path, flags: OFlag) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS;
    loop {
        match openat2(root, path, OpenHow::new().flags(flags).resolve(resolve)) {
            // The tree changed while the kernel looked.
            Err(Errno::EAGAIN | Errno::EINTR) => continue,
            other => return other,
        }
    }
}

fn make(parent: &OwnedFd, name: &Path, mode: u32) -> Result<(), Errno> {
    match mkdirat(parent, name, Mode::from_bits_truncate(0o700)) {
        Err(Errno::EEXIST) => return Ok(()),
        other => other?,
    }
    let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_RDONLY | OFlag::O_CLOEXEC;
    let made = openat2(parent, name, OpenHow::new().flags(flags).resolve(ResolveFlag::RESOLVE_BENEATH))?;
    fchmod(&made, Mode::from_bits_truncate(mode & 0o2777))
}

fn explain(error: Errno, sub: &str) -> String {
    match error {
        Errno::EXDEV => format!("{sub:?} leads out of the volume"),
        Errno::ENOENT => format!("{sub:?} is a link to nothing"),
        other => other.desc().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// The real path of `sub` beneath `volume`, as it is now.
    fn resolve(volume: &Path, sub: &str) -> Result<PathBuf, String> {
        fs::read_link(handle(&open_beneath(volume, sub)?)).map_err(|e| e.to_string())
    }

    #[test]
    fn paths_are_made_and_never_leave_the_volume() {
        let dir = tempfile::tempdir().expect("directory");
        let outside = dir.path().join("outside");
        let volume = dir.path().join("volume");
        for d in [&outside, &volume.join("..data/deep")] {
            fs::create_dir_all(d).expect("made");
        }
        fs::write(volume.join("..data/file"), "x").expect("written");
        for (to, name) in [
            ("..data/file", "file"),
            ("../outside", "up"),
            ("/etc", "absolute"),
            ("nowhere", "dangling"),
            ("..data/deep", "deep"),
        ] {
            symlink(to, volume.join(name)).expect("linked");
        }
        let real = volume.canonicalize().expect("real");
        for (sub, want) in [
            ("a/b", Ok("a/b")),
            ("./a", Ok("a")),
            ("file", Ok("..data/file")),
            ("deep/new", Ok("..data/deep/new")),
            ("up", Err("leads out of the volume")),
            ("up/x", Err("leads out of the volume")),
            ("absolute", Err("leads out of the volume")),
            ("dangling", Err("link to nothing")),
            ("file/x", Err("directory")),
            ("../outside", Err("without '..'")),
            ("/etc", Err("without '..'")),
        ] {
            match (resolve(&volume, sub), want) {
                (Ok(path), Ok(want)) => assert_eq!(path, real.join(want), "{sub}"),
                (Err(error), Err(want)) => assert!(error.contains(want), "{sub}: {error}"),
                (got, want) => panic!("{sub}: {got:?}, not {want:?}"),
            }
        }
        assert!(fs::read_dir(&outside).expect("directory").next().is_none());
        let mode = |p: &Path| fs::metadata(p).expect("there").mode() & 0o777;
        assert_eq!(mode(&volume.join("a/b")), mode(&volume));
    }
}
