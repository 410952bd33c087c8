//! A container's mounts. What comes from the machine is taken as a mount of its own before the process leaves
//! the machine's namespaces, and put into place later.

use super::within;
use crate::kernel::{files, mounts};
use crate::trouble::{Tell, refused};
use corten_pod::protocol::{Cause, Failure, FileSystem, Mount, Propagation, Source};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

const FLAGS: [(u64, u64); 8] = [
    (libc::MS_RDONLY, libc::MOUNT_ATTR_RDONLY),
    (libc::MS_NOSUID, libc::MOUNT_ATTR_NOSUID),
    (libc::MS_NODEV, libc::MOUNT_ATTR_NODEV),
    (libc::MS_NOEXEC, libc::MOUNT_ATTR_NOEXEC),
    (libc::MS_NOATIME, libc::MOUNT_ATTR_NOATIME),
    (libc::MS_STRICTATIME, libc::MOUNT_ATTR_STRICTATIME),
    (libc::MS_NODIRATIME, libc::MOUNT_ATTR_NODIRATIME),
    (256, libc::MOUNT_ATTR_NOSYMFOLLOW), // MS_NOSYMFOLLOW
];

/// `MS_*` as `MOUNT_ATTR_*`: what to set, and what to clear for that.
fn attributes(flags: u64) -> (u64, u64) {
    let set = FLAGS.iter().filter(|(flag, _)| flags & flag != 0).fold(0, |set, (_, to)| set | to);
    let atime = flags & (libc::MS_NOATIME | libc::MS_STRICTATIME | libc::MS_RELATIME) != 0;
    (set, if atime { libc::MOUNT_ATTR__ATIME } else { 0 })
}

/// How mounts travel, as a flag for all that is below.
fn propagation(how: &Propagation) -> u64 {
    match how {
        Propagation::Private => libc::MS_PRIVATE,
        Propagation::Slave => libc::MS_SLAVE,
        Propagation::Shared => libc::MS_SHARED,
    }
}

/// Where mounts are taken from, before the machine's namespaces are left.
pub struct Machine<'a> {
    /// What came with the request, each used at most once.
    pub handles: Vec<Option<OwnedFd>>,
    /// The pod's shared memory; `None` for the machine's.
    pub shm: Option<OwnedFd>,
    /// The pod's user namespace.
    pub user_namespace: Option<BorrowedFd<'a>>,
}

impl Machine<'_> {
    /// The mount of its own for `mount`, where it has one; `Ok(None)` also if it is missing and may be.
    pub fn take(&mut self, mount: &Mount) -> Result<Option<OwnedFd>, Failure> {
        let missing = || format!("mount {} to {}", describe(&mount.source), mount.target);
        let tree = match &mount.source {
            Source::Bind(path) => match mounts::open_tree(files::here(), path, true) {
                Err(error) if mount.optional && error.kind() == io::ErrorKind::NotFound => return Ok(None),
                tree => tree.tell(missing)?,
            },
            Source::Shm => match self.shm.take() {
                Some(tree) => tree,
                None => mounts::open_tree(files::here(), "/dev/shm", true).tell(missing)?,
            },
            Source::Handle(index) => {
                let handle = self.handles.get_mut(*index as usize).and_then(Option::take);
                handle.ok_or_else(|| {
                    let text = format!("mount to {}: descriptor {index} did not come along", mount.target);
                    refused(Cause::Invalid, text)
                })?
            }
            Source::Type(_) | Source::Symlink(_) => return Ok(None),
            Source::Nothing => {
                return Err(refused(Cause::Invalid, format!("mount to {}: nothing is named", mount.target)));
            }
        };
        self.adjust(tree.as_fd(), mount).tell(missing)?;
        Ok(Some(tree))
    }

    fn adjust(&self, tree: BorrowedFd<'_>, mount: &Mount) -> io::Result<()> {
        if mount.id_mapped && self.user_namespace.is_some() {
            let id_map = self.user_namespace;
            mounts::change(tree, &mounts::Change { id_map, recursive: true, ..Default::default() })?;
        }
        let propagation = propagation(&mount.propagation);
        mounts::change(tree, &mounts::Change { propagation, recursive: true, ..Default::default() })?;
        let (set, clear) = attributes(mount.flags);
        if set != 0 || clear != 0 {
            mounts::change(tree, &mounts::Change { set, clear, ..Default::default() })?;
        }
        if mount.recursive_readonly {
            let set = libc::MOUNT_ATTR_RDONLY;
            mounts::change(tree, &mounts::Change { set, recursive: true, ..Default::default() })?;
        }
        Ok(())
    }
}

fn describe(source: &Source) -> &str {
    match source {
        Source::Bind(path) => path,
        Source::Type(system) => &system.kind,
        Source::Shm => "the shared memory",
        Source::Symlink(_) => "a link",
        Source::Handle(_) | Source::Nothing => "a mount",
    }
}

/// Puts a mount into place; `taken` is what [`Machine::take`] gave.
pub fn place(root: BorrowedFd<'_>, mount: &Mount, taken: Option<OwnedFd>) -> Result<(), Failure> {
    let done = match (&mount.source, taken) {
        (Source::Type(system), _) => place_type(root, mount, system),
        (Source::Symlink(content), _) => place_link(root, &mount.target, content),
        (_, Some(tree)) => place_tree(root, &mount.target, tree.as_fd()),
        (_, None) => Ok(()),
    };
    done.tell(|| format!("mount {} to {}", describe(&mount.source), mount.target))
}

fn place_type(root: BorrowedFd<'_>, mount: &Mount, system: &FileSystem) -> io::Result<()> {
    // The target is made current instead of named: nobody can change what it is.
    files::enter(within::directory(root, &mount.target)?)?;
    mounts::mount(&system.device, ".", &system.kind, mount.flags, &system.options)?;
    if mount.propagation != Propagation::Private {
        files::enter(files::open_in(root, &mount.target, libc::O_PATH)?)?;
        mounts::mount("", ".", "", propagation(&mount.propagation) | libc::MS_REC, "")?;
    }
    Ok(())
}

fn place_link(root: BorrowedFd<'_>, target: &str, content: &str) -> io::Result<()> {
    let (parent, name) = within::parent(root, target)?;
    match files::make_link(parent.as_fd(), name, content) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        result => result,
    }
}

/// Puts a mount of its own onto a directory or a file, as it is one itself.
pub fn place_tree(root: BorrowedFd<'_>, target: &str, tree: BorrowedFd<'_>) -> io::Result<()> {
    let place = if files::status(tree)?.is_dir() {
        within::directory(root, target)?
    } else {
        within::file(root, target)?
    };
    mounts::move_mount(tree, place.as_fd())
}

/// Hides a path, if it is there: a directory behind an empty one, all else behind `/dev/null`.
pub fn mask(root: BorrowedFd<'_>, path: &str) -> Result<(), Failure> {
    let Some(place) = existing(root, path)? else { return Ok(()) };
    let done = if files::status(&place).is_ok_and(|status| status.is_dir()) {
        files::enter(&place)
            .and_then(|()| mounts::mount("tmpfs", ".", "tmpfs", libc::MS_RDONLY, "size=0,mode=755"))
    } else {
        mounts::open_tree(files::here(), "/dev/null", false)
            .and_then(|null| mounts::move_mount(null.as_fd(), place.as_fd()))
    };
    done.tell(|| format!("hide {path}"))
}

/// Makes a path read-only, if it is there.
pub fn protect(root: BorrowedFd<'_>, path: &str) -> Result<(), Failure> {
    let Some(place) = existing(root, path)? else { return Ok(()) };
    let protect = || {
        let tree = mounts::open_tree(place.as_fd(), "", true)?;
        let set = libc::MOUNT_ATTR_RDONLY;
        mounts::change(tree.as_fd(), &mounts::Change { set, ..Default::default() })?;
        mounts::move_mount(tree.as_fd(), place.as_fd())
    };
    protect().tell(|| format!("make {path} read-only"))
}

fn existing(root: BorrowedFd<'_>, path: &str) -> Result<Option<OwnedFd>, Failure> {
    match files::open_in(root, path, libc::O_PATH) {
        Ok(place) => Ok(Some(place)),
        Err(error) => match error.raw_os_error() {
            Some(libc::ENOENT | libc::ENOTDIR | libc::EACCES) => Ok(None),
            _ => Err(error).tell(|| format!("look at {path}")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_become_attributes() {
        for (flags, want) in [
            (0, (0, 0)),
            (libc::MS_RDONLY | libc::MS_BIND | libc::MS_REC, (libc::MOUNT_ATTR_RDONLY, 0)),
            (
                libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC,
                (libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV | libc::MOUNT_ATTR_NOEXEC, 0),
            ),
            (libc::MS_NOATIME, (libc::MOUNT_ATTR_NOATIME, libc::MOUNT_ATTR__ATIME)),
            (libc::MS_RELATIME, (0, libc::MOUNT_ATTR__ATIME)),
        ] {
            assert_eq!(attributes(flags), want, "{flags:#x}");
        }
    }
}
