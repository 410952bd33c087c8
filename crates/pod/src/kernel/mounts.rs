//! Mounts and namespaces.

use super::{checked, owned, text};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// Mounts a file system, or changes a mount, as `mount(2)` says.
pub fn mount(source: &str, target: &str, kind: &str, flags: u64, options: &str) -> io::Result<()> {
    let (source, target, kind, options) = (text(source)?, text(target)?, text(kind)?, text(options)?);
    // SAFETY: all four end in a zero byte.
    let result = unsafe {
        libc::mount(source.as_ptr(), target.as_ptr(), kind.as_ptr(), flags, options.as_ptr().cast())
    };
    checked(result.into())?;
    Ok(())
}

/// A mount of its own of what is at `path`, not in any namespace yet.
pub fn open_tree(at: BorrowedFd<'_>, path: &str, recursive: bool) -> io::Result<OwnedFd> {
    let path = text(path)?;
    let mut flags = libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC | libc::AT_EMPTY_PATH as u32;
    if recursive {
        flags |= libc::AT_RECURSIVE as u32;
    }
    // SAFETY: the path ends in a zero byte.
    owned(unsafe { libc::syscall(libc::SYS_open_tree, at.as_raw_fd(), path.as_ptr(), flags) })
}

/// Puts a mount onto what `target` has open.
pub fn move_mount(tree: BorrowedFd<'_>, target: BorrowedFd<'_>) -> io::Result<()> {
    const BOTH_EMPTY: u32 = 0x4 | 0x40;
    let (from, to) = (tree.as_raw_fd(), target.as_raw_fd());
    // SAFETY: the empty paths end in a zero byte.
    checked(unsafe {
        libc::syscall(libc::SYS_move_mount, from, c"".as_ptr(), to, c"".as_ptr(), BOTH_EMPTY)
    })?;
    Ok(())
}

/// What `mount_setattr` changes.
#[derive(Default)]
pub struct Change<'a> {
    /// `MOUNT_ATTR_*` to set.
    pub set: u64,
    /// `MOUNT_ATTR_*` to clear.
    pub clear: u64,
    /// `MS_PRIVATE`, `MS_SLAVE`, `MS_SHARED`, or 0.
    pub propagation: u64,
    /// Maps ids as this user namespace does.
    pub id_map: Option<BorrowedFd<'a>>,
    /// Also of what is mounted below.
    pub recursive: bool,
}

/// Changes a mount that is open.
pub fn change(tree: BorrowedFd<'_>, change: &Change<'_>) -> io::Result<()> {
    // SAFETY: all zero is a valid value of this struct.
    let mut attributes: libc::mount_attr = unsafe { std::mem::zeroed() };
    attributes.attr_set = change.set;
    attributes.attr_clr = change.clear;
    attributes.propagation = change.propagation;
    if let Some(namespace) = change.id_map {
        attributes.attr_set |= libc::MOUNT_ATTR_IDMAP;
        attributes.userns_fd = namespace.as_raw_fd() as u64;
    }
    let flags = libc::AT_EMPTY_PATH | if change.recursive { libc::AT_RECURSIVE } else { 0 };
    let size = size_of::<libc::mount_attr>();
    // SAFETY: path and struct live through the call, and the size is the struct's.
    checked(unsafe {
        let attributes = &raw const attributes;
        libc::syscall(libc::SYS_mount_setattr, tree.as_raw_fd(), c"".as_ptr(), flags, attributes, size)
    })?;
    Ok(())
}

/// Makes the current directory the root, and leaves the old one below it, to be detached.
pub fn pivot_here() -> io::Result<()> {
    // SAFETY: both paths end in a zero byte.
    checked(unsafe { libc::syscall(libc::SYS_pivot_root, c".".as_ptr(), c".".as_ptr()) })?;
    Ok(())
}

/// Takes a mount and all below it out of the namespace.
pub fn detach(path: &str) -> io::Result<()> {
    let path = text(path)?;
    // SAFETY: the path ends in a zero byte.
    checked(unsafe { libc::umount2(path.as_ptr(), libc::MNT_DETACH) }.into())?;
    Ok(())
}

/// Leaves namespaces for new ones (`CLONE_NEW*`).
pub fn unshare(flags: i32) -> io::Result<()> {
    // SAFETY: no pointers.
    checked(unsafe { libc::unshare(flags) }.into())?;
    Ok(())
}

/// Joins a namespace, or with a process' descriptor several.
pub fn join(namespace: impl AsFd, kind: i32) -> io::Result<()> {
    // SAFETY: no pointers.
    checked(unsafe { libc::setns(namespace.as_fd().as_raw_fd(), kind) }.into())?;
    Ok(())
}

/// Names the machine, in this UTS namespace.
pub fn set_hostname(name: &str) -> io::Result<()> {
    // SAFETY: the kernel reads the bytes that are given.
    checked(unsafe { libc::sethostname(name.as_ptr().cast(), name.len()) }.into())?;
    Ok(())
}
