//! What a layer takes from those below it. A directory that an archive does not mention, but has entries in,
//! looks like the one below; and a hard link may point to a file there.

use super::tree;
use super::write::{Dangling, Written};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, OFlags, Stat, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// Completes a layer that was written, with the layers below it, lowest first.
pub fn settle(mut written: Written, below: &[PathBuf]) -> io::Result<crate::images::store::Usage> {
    for Dangling { link, target } in std::mem::take(&mut written.dangling) {
        written.usage.bytes += copy_target(&mut written, &link, &target, below)?;
        written.usage.inodes += 1;
    }
    for directory in written.tree.take_implied() {
        written.usage.bytes += 4096;
        written.usage.inodes += 1;
        if let Some((lower, name)) = find(below, &directory)? {
            let stat = rustix::fs::statat(&lower, &name, AtFlags::SYMLINK_NOFOLLOW)?;
            // Nothing but directories is in the way: this tree made it itself.
            if let Some((upper, own)) = written.tree.existing(directory.as_os_str().as_bytes())?
                && tree::is_directory(&stat)
            {
                copy_attributes((lower.as_fd(), &name), &stat, (upper.as_fd(), own.as_os_str()))?;
            }
        }
    }
    Ok(written.usage)
}

/// The topmost layer that shows something at a path: its directory and the name in it.
fn find(below: &[PathBuf], path: &Path) -> io::Result<Option<(OwnedFd, OsString)>> {
    for root in below.iter().rev() {
        match look(root, path)? {
            Seen::There(directory, name) => return Ok(Some((directory, name))),
            Seen::Hidden => return Ok(None),
            Seen::Below => {}
        }
    }
    Ok(None)
}

enum Seen {
    There(OwnedFd, OsString),
    /// This layer hides it.
    Hidden,
    /// A layer below may have it.
    Below,
}

fn look(root: &Path, path: &Path) -> io::Result<Seen> {
    let names: Vec<&OsStr> = path
        .components()
        .filter_map(|component| match component {
            Component::Normal(name) => Some(name),
            _ => None,
        })
        .collect();
    let Some((last, parents)) = names.split_last() else { return Ok(Seen::Below) };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut directory = rustix::fs::openat(CWD, root, flags, Mode::empty())?;
    for name in parents {
        directory = match rustix::fs::openat(&directory, *name, flags, Mode::empty()) {
            Ok(inner) => inner,
            Err(Errno::NOENT) => return Ok(absent(&directory)),
            Err(Errno::NOTDIR | Errno::LOOP) => return Ok(Seen::Hidden),
            Err(error) => return Err(error.into()),
        };
    }
    let place = tree::Place { directory: directory.as_fd(), name: last };
    Ok(match tree::stat(&place)? {
        Some(stat) if tree::is_whiteout(&stat) => Seen::Hidden,
        Some(_) => Seen::There(directory, (*last).to_owned()),
        None => absent(&directory),
    })
}

/// What a name's absence in a directory means.
fn absent(directory: &OwnedFd) -> Seen {
    let mut value = [0; 1];
    let path = tree::path_to(directory.as_fd(), OsStr::new("."));
    match rustix::fs::lgetxattr(path, "trusted.overlay.opaque", &mut value) {
        Ok(1) if value == *b"y" => Seen::Hidden,
        _ => Seen::Below,
    }
}

/// Copies a file up, as overlayfs does before it makes a link, and links it.
fn copy_target(written: &mut Written, link: &[u8], target: &[u8], below: &[PathBuf]) -> io::Result<u64> {
    let missing = || {
        let (link, target) = (String::from_utf8_lossy(link), String::from_utf8_lossy(target));
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{link}: the hard link's target {target} is not in the image"),
        )
    };
    let relative = OsStr::from_bytes(target);
    let mut size = 0;
    let here = written.tree.place(target)?.ok_or_else(missing)?;
    if tree::stat(&here)?.is_none() {
        let (lower, name) = find(below, Path::new(relative))?.ok_or_else(missing)?;
        let stat = rustix::fs::statat(&lower, &name, AtFlags::SYMLINK_NOFOLLOW)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(missing());
        }
        size = copy_file((lower.as_fd(), &name), &stat, (here.directory, here.name))?;
    }
    let (directory, name) = written.tree.existing(target)?.ok_or_else(missing)?;
    let place = written.tree.place(link)?.ok_or_else(missing)?;
    if tree::stat(&place)?.is_some() {
        tree::remove(&place)?;
    }
    rustix::fs::linkat(&directory, name.as_os_str(), place.directory, place.name, AtFlags::empty())?;
    written.tree.forget();
    Ok(size)
}

type Named<'a> = (BorrowedFd<'a>, &'a OsStr);

fn copy_file(from: Named<'_>, stat: &Stat, to: Named<'_>) -> io::Result<u64> {
    let read = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let mut source = std::fs::File::from(rustix::fs::openat(from.0, from.1, read, Mode::empty())?);
    let write = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut copy = std::fs::File::from(rustix::fs::openat(to.0, to.1, write, Mode::from_raw_mode(0o600))?);
    let size = io::copy(&mut source, &mut copy)?; // copy_file_range where it can
    copy_attributes(from, stat, to)?;
    Ok(size.next_multiple_of(4096))
}

/// Owner, permissions, attributes and time of a file or directory.
fn copy_attributes(from: Named<'_>, stat: &Stat, to: Named<'_>) -> io::Result<()> {
    let owner = (Some(Uid::from_raw(stat.st_uid)), Some(Gid::from_raw(stat.st_gid)));
    rustix::fs::chownat(to.0, to.1, owner.0, owner.1, AtFlags::SYMLINK_NOFOLLOW)?;
    rustix::fs::chmodat(to.0, to.1, Mode::from_raw_mode(stat.st_mode & 0o7777), AtFlags::empty())?;
    let (from, path) = (tree::path_to(from.0, from.1), tree::path_to(to.0, to.1));
    for name in attribute_names(&from)? {
        if name.as_bytes().starts_with(b"trusted.overlay.") {
            continue;
        }
        let mut value = vec![0; 1 << 16]; // the kernel's limit
        let length = rustix::fs::lgetxattr(&from, &*name, &mut value)?;
        rustix::fs::lsetxattr(&path, &*name, &value[..length], XattrFlags::empty())?;
    }
    let time = Timespec { tv_sec: stat.st_mtime, tv_nsec: stat.st_mtime_nsec as _ };
    let times = Timestamps { last_access: time, last_modification: time };
    Ok(rustix::fs::utimensat(to.0, to.1, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}

fn attribute_names(path: &Path) -> io::Result<Vec<OsString>> {
    let mut list = vec![0; 1 << 16];
    let length = match rustix::fs::llistxattr(path, &mut list) {
        Err(Errno::NOTSUP) => 0,
        length => length?,
    };
    let names = list[..length].split(|b| *b == 0).filter(|name| !name.is_empty());
    Ok(names.map(|name| OsStr::from_bytes(name).to_owned()).collect())
}
