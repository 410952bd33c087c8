//! Modes and owners of what lies in volumes.

use corten_api::core::v1::Pod;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, open, openat};
use nix::sys::stat::{Mode, SFlag, fstat};
use nix::unistd::{Gid, fchownat};
use std::fs::{self, Permissions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, lchown};
use std::path::{Path, PathBuf};

/// What the group may do with files of a volume that is only read.
pub const READ: u32 = 0o440;
/// What the group may do with files of a volume that is written to.
pub const WRITE: u32 = 0o660;
/// What the group may do with directories besides, and that new files are the group's.
const DIRECTORY: u32 = 0o2110;
/// Directories nested deeper than this are refused: each level keeps one open.
const DEEPEST: usize = 500;

/// Sets the mode, whatever the umask.
pub fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(mode))
}

/// Gives one file away, as far as an owner is named.
pub fn give_file(path: &Path, owner: Option<u32>, group: Option<u32>) -> io::Result<()> {
    if owner.is_none() && group.is_none() { Ok(()) } else { lchown(path, owner, group) }
}

/// Gives a directory to `group`, with the rights `rights`; what is made in it belongs to the group too
/// (upstream's `fsGroup`).
pub fn give(dir: &Path, group: u32, rights: u32) -> io::Result<()> {
    chown(dir, None, Some(group))?;
    set_mode(dir, fs::metadata(dir)?.mode() & 0o7777 | rights | DIRECTORY)
}

/// The group that shall own the pod's volumes.
pub fn group_of(pod: &Pod) -> Option<u32> {
    let context = pod.spec.security_context.as_ref()?;
    context.fs_group.and_then(|group| u32::try_from(group).ok())
}

/// Whether a volume whose top is right already is left alone.
fn only_on_mismatch(pod: &Pod) -> bool {
    let context = pod.spec.security_context.as_ref();
    context.and_then(|c| c.fs_group_change_policy.as_deref()) == Some("OnRootMismatch")
}

/// Gives everything in a volume of the pod to the pod's group, if it has one, by its change policy. It may
/// take long where there are many files.
pub async fn give_volume(pod: &Pod, dir: PathBuf) -> Result<(), String> {
    let Some(group) = group_of(pod) else { return Ok(()) };
    if only_on_mismatch(pod) && is_given(&dir, group) {
        return Ok(());
    }
    let giving = tokio::task::spawn_blocking(move || {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let top = open(&dir, flags, Mode::empty()).map_err(io::Error::from);
        top.and_then(|top| give_all(&top, group, 0)).map_err(|e| format!("{}: {e}", dir.display()))
    });
    giving.await.map_err(|e| e.to_string())?
}

/// Whether the top of a volume is the group's, with all rights.
fn is_given(dir: &Path, group: u32) -> bool {
    let wanted = WRITE | DIRECTORY;
    fs::metadata(dir).is_ok_and(|m| m.is_dir() && m.gid() == group && m.mode() & wanted == wanted)
}

/// The top comes last: only when it is given is all below. Everything is reached through open directories:
/// other pods may put links in the way meanwhile.
fn give_all(dir: &OwnedFd, group: u32, depth: usize) -> io::Result<()> {
    if depth > DEEPEST {
        return Err(io::Error::other("directories are nested too deep"));
    }
    for entry in fs::read_dir(handle(dir))? {
        let name = entry?.file_name();
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        match openat(dir, name.as_os_str(), flags, Mode::empty()) {
            Ok(file) => give_entry(&file, group, depth)?,
            // Somebody else who uses the volume has removed it.
            Err(Errno::ENOENT) => {}
            Err(error) => return Err(error.into()),
        }
    }
    give_one(dir, group, WRITE | DIRECTORY)
}

fn give_entry(file: &OwnedFd, group: u32, depth: usize) -> io::Result<()> {
    match SFlag::from_bits_truncate(fstat(file)?.st_mode) & SFlag::S_IFMT {
        SFlag::S_IFDIR => give_all(file, group, depth + 1),
        SFlag::S_IFLNK => chown_open(file, group),
        _ => give_one(file, group, WRITE),
    }
}

fn give_one(file: &OwnedFd, group: u32, rights: u32) -> io::Result<()> {
    chown_open(file, group)?;
    set_mode(&handle(file), fstat(file)?.st_mode & 0o7777 | rights)
}

fn chown_open(file: &OwnedFd, group: u32) -> io::Result<()> {
    let group = Some(Gid::from_raw(group));
    Ok(fchownat(file, "", None, group, AtFlags::AT_EMPTY_PATH)?)
}

/// The path by which the kernel finds an open file again, wherever it has gone.
pub fn handle(file: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::core::v1::PodSecurityContext;

    fn pod(policy: Option<&str>) -> Pod {
        let mut pod = Pod::default();
        pod.spec.security_context = Some(Box::new(PodSecurityContext {
            fs_group: Some(4321),
            fs_group_change_policy: policy.map(str::to_string),
            ..Default::default()
        }));
        pod
    }

    #[tokio::test]
    async fn a_volume_is_given_as_a_whole_or_left_alone() {
        if !corten_sys::is_root() {
            return eprintln!("skipped: needs root");
        }
        let dir = tempfile::tempdir().expect("directory");
        let (deep, file) = (dir.path().join("a/b"), dir.path().join("a/b/f"));
        fs::create_dir_all(&deep).expect("made");
        fs::write(&file, "").expect("written");
        set_mode(&file, 0o600).expect("mode");
        std::os::unix::fs::symlink("/etc/passwd", dir.path().join("link")).expect("linked");
        let before = fs::metadata("/etc/passwd").expect("there");
        let seen = |p: &Path| fs::metadata(p).map(|m| (m.gid(), m.mode() & 0o7777)).expect("there");

        give_volume(&pod(None), dir.path().into()).await.expect("given");
        assert_eq!(seen(&file), (4321, 0o660));
        assert_eq!((seen(&deep).0, seen(&deep).1 & 0o2770), (4321, 0o2770));
        let after = fs::metadata("/etc/passwd").expect("there");
        assert_eq!((before.gid(), before.mode()), (after.gid(), after.mode()), "links are not followed");

        set_mode(&file, 0o600).expect("mode");
        give_volume(&pod(Some("OnRootMismatch")), dir.path().into()).await.expect("given");
        assert_eq!(seen(&file).1, 0o600, "the top was right");
        give_volume(&pod(Some("Always")), dir.path().into()).await.expect("given");
        assert_eq!(seen(&file).1, 0o660);
        set_mode(dir.path(), 0o700).expect("mode");
        set_mode(&file, 0o600).expect("mode");
        give_volume(&pod(Some("OnRootMismatch")), dir.path().into()).await.expect("given");
        assert_eq!(seen(&file).1, 0o660);
    }
}
