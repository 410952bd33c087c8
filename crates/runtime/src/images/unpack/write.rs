//! Writes a layer's entries into its tree, as overlayfs wants them.

use super::archive::{Archive, Entry, Kind};
use super::tree::{self, Place, Tree};
use crate::images::store::Usage;
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::io::{self, BufRead, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

const WHITEOUT: &[u8] = b".wh.";
/// Before names that aufs kept for itself. Only the one that makes a directory opaque means something.
const AUFS: &[u8] = b".wh..wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";
const OPAQUE_ATTRIBUTE: &str = "trusted.overlay.opaque";
const BLOCK: u64 = 4096;

/// A hard link to something that is not in this layer.
#[derive(Debug, PartialEq, Eq)]
pub struct Dangling {
    /// Where the link should be.
    pub link: Vec<u8>,
    /// What it points to, in a layer below.
    pub target: Vec<u8>,
}

/// Fills a tree from an archive.
pub struct Writer {
    tree: Tree,
    usage: Usage,
    /// Directories' times, set at the end: writing into a directory changes them.
    times: Vec<(Vec<u8>, (i64, u32))>,
    dangling: Vec<Dangling>,
}

/// What remains to be done once the layers below are there.
pub struct Written {
    pub tree: Tree,
    pub usage: Usage,
    pub dangling: Vec<Dangling>,
}

impl Writer {
    /// Into this directory, which is empty.
    pub fn open(root: &Path) -> io::Result<Self> {
        let tree = Tree::open(root)?;
        let usage = Usage { bytes: BLOCK, inodes: 1 };
        let mut writer = Self { tree, usage, times: Vec::new(), dangling: Vec::new() };
        writer.default_root()?;
        Ok(writer)
    }

    /// A layer need not mention its root.
    fn default_root(&mut self) -> io::Result<()> {
        rustix::fs::chmod(tree::path_to(self.tree.root(), OsStr::new(".")), Mode::from_raw_mode(0o755))?;
        Ok(())
    }

    /// Writes everything an archive holds.
    pub fn write_all<R: BufRead>(&mut self, archive: &mut Archive<R>) -> io::Result<()> {
        while let Some(entry) = archive.next()? {
            let path = String::from_utf8_lossy(&entry.path).into_owned();
            self.write(&entry, archive).map_err(|error| with_path(&path, error))?;
        }
        Ok(())
    }

    /// Sets what had to wait.
    pub fn finish(mut self) -> io::Result<Written> {
        for (path, mtime) in std::mem::take(&mut self.times) {
            let set = match self.tree.existing(&path) {
                Ok(Some((directory, name))) => set_time(directory.as_fd(), name.as_os_str(), mtime),
                Ok(None) => set_time(self.tree.root(), OsStr::new("."), mtime),
                Err(error) => Err(error),
            };
            match set {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {} // or a later entry took its place
            }
        }
        Ok(Written { tree: self.tree, usage: self.usage, dangling: self.dangling })
    }

    fn write<R: BufRead>(&mut self, entry: &Entry, archive: &mut Archive<R>) -> io::Result<()> {
        let names = || entry.path.split(|b| *b == b'/').filter(|name| !name.is_empty() && *name != b".");
        let last = names().next_back().unwrap_or_default();
        if last == OPAQUE {
            return self.make_opaque(entry);
        }
        if names().any(|name| name.starts_with(AUFS)) {
            return Ok(());
        }
        let mut above = names();
        above.next_back();
        if above.any(|name| name.starts_with(WHITEOUT)) {
            return Err(invalid("it lies below a whiteout"));
        }
        match last.strip_prefix(WHITEOUT) {
            Some(b"" | b"." | b"..") => Err(invalid("the whiteout names nothing")),
            Some(hidden) => self.hide(entry, hidden),
            None if entry.kind == Kind::HardLink => self.link(entry),
            None => self.create(entry, archive),
        }
    }

    /// Makes the directory of this entry hide all that layers below have in it.
    fn make_opaque(&mut self, entry: &Entry) -> io::Result<()> {
        match self.tree.place(&entry.path)? {
            Some(place) => set_opaque(&tree::path_to(place.directory, OsStr::new("."))),
            None => Ok(()),
        }
    }

    /// Hides one name. What this very layer has under it stays; if that is a directory, only what lies below is
    /// hidden.
    fn hide(&mut self, entry: &Entry, hidden: &[u8]) -> io::Result<()> {
        let Some(place) = self.tree.place(&entry.path)? else { return Ok(()) };
        let place = Place { directory: place.directory, name: OsStr::from_bytes(hidden) };
        match rustix::fs::mknodat(place.directory, place.name, FileType::CharacterDevice, Mode::empty(), 0) {
            Err(Errno::EXIST) => match tree::stat(&place)? {
                Some(stat) if tree::is_directory(&stat) => {
                    set_opaque(&tree::path_to(place.directory, place.name))
                }
                _ => Ok(()),
            },
            made => {
                self.usage.inodes += 1;
                Ok(made?)
            }
        }
    }

    fn link(&mut self, entry: &Entry) -> io::Result<()> {
        let target = match self.tree.existing(&entry.link) {
            Ok(Some(found)) => Some(found),
            Ok(None) => return Err(invalid("a hard link to the root")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let (directory, name) = match &target {
            Some((directory, name)) => (directory.as_fd(), name.as_os_str()),
            None => return self.leave_dangling(entry),
        };
        let Some(place) = self.tree.place(&entry.path)? else {
            return Err(invalid("the root cannot be a link"));
        };
        let link = |place: &Place<'_>| {
            rustix::fs::linkat(directory, name, place.directory, place.name, AtFlags::empty())
        };
        match link(&place) {
            Err(Errno::NOENT) => self.leave_dangling(entry),
            Err(Errno::PERM) => Err(invalid("a hard link to a directory")),
            Err(Errno::EXIST) => {
                let from = tree::stat(&Place { directory, name })?;
                let to = tree::stat(&place)?;
                if from.zip(to).is_some_and(|(a, b)| (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino)) {
                    return Ok(());
                }
                tree::remove(&place)?;
                let linked = link(&place);
                self.tree.forget();
                Ok(linked?)
            }
            linked => Ok(linked?),
        }
    }

    /// The target may be in a layer below; that is seen later.
    fn leave_dangling(&mut self, entry: &Entry) -> io::Result<()> {
        self.dangling.push(Dangling { link: entry.path.clone(), target: entry.link.clone() });
        Ok(())
    }

    fn create<R: BufRead>(&mut self, entry: &Entry, archive: &mut Archive<R>) -> io::Result<()> {
        let Some(place) = self.tree.place(&entry.path)? else {
            if entry.kind != Kind::Directory {
                return Err(invalid("the root must be a directory"));
            }
            self.times.push((entry.path.clone(), entry.mtime));
            return set_attributes(self.tree.root(), OsStr::new("."), entry);
        };
        self.usage.inodes += 1;
        let written = match make(&place, entry, archive) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let replaced = replace(&place, entry, archive);
                self.tree.forget();
                replaced?
            }
            made => made?,
        };
        self.usage.bytes += written.next_multiple_of(BLOCK);
        if entry.kind == Kind::Directory {
            self.times.push((entry.path.clone(), entry.mtime));
            self.tree.mention(&entry.path)?;
        }
        Ok(())
    }
}

/// Makes an entry where nothing is, and returns how many bytes it takes.
fn make<R: BufRead>(place: &Place<'_>, entry: &Entry, archive: &mut Archive<R>) -> io::Result<u64> {
    let Place { directory, name } = *place;
    let mode = Mode::from_raw_mode(0o600);
    match entry.kind {
        Kind::File => return make_file(place, entry, archive),
        Kind::Directory => rustix::fs::mkdirat(directory, name, Mode::from_raw_mode(0o700))?,
        Kind::Symlink => rustix::fs::symlinkat(&entry.link[..], directory, name)?,
        Kind::Fifo => rustix::fs::mknodat(directory, name, FileType::Fifo, mode, 0)?,
        Kind::Character | Kind::Block => {
            let (major, minor) = entry.device;
            let kind =
                if entry.kind == Kind::Block { FileType::BlockDevice } else { FileType::CharacterDevice };
            rustix::fs::mknodat(directory, name, kind, mode, rustix::fs::makedev(major, minor))?;
        }
        Kind::HardLink => return Err(invalid("a hard link cannot be made anew")),
    }
    set_attributes(directory, name, entry)?;
    Ok(if entry.kind == Kind::Directory { BLOCK } else { 0 })
}

/// Makes an entry where something is: a later entry of a layer counts. Directories are merged.
fn replace<R: BufRead>(place: &Place<'_>, entry: &Entry, archive: &mut Archive<R>) -> io::Result<u64> {
    let there = tree::stat(place)?;
    if entry.kind == Kind::Directory && there.as_ref().is_some_and(tree::is_directory) {
        set_attributes(place.directory, place.name, entry)?;
        return Ok(0);
    }
    tree::remove(place)?;
    let written = make(place, entry, archive)?;
    if entry.kind == Kind::Directory && there.as_ref().is_some_and(tree::is_whiteout) {
        set_opaque(&tree::path_to(place.directory, place.name))?;
    }
    Ok(written)
}

fn make_file<R: BufRead>(place: &Place<'_>, entry: &Entry, archive: &mut Archive<R>) -> io::Result<u64> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = std::fs::File::from(rustix::fs::openat(
        place.directory,
        place.name,
        flags,
        Mode::from_raw_mode(0o600),
    )?);
    loop {
        let data = archive.data()?;
        if data.is_empty() {
            break;
        }
        file.write_all(data)?;
        let used = data.len();
        archive.consume(used);
    }
    // The owner first: a change of it clears set-user-ID bits and capabilities.
    rustix::fs::fchown(&file, Some(Uid::from_raw(entry.uid)), Some(Gid::from_raw(entry.gid)))?;
    rustix::fs::fchmod(&file, Mode::from_raw_mode(entry.mode))?;
    for (name, value) in &entry.xattrs {
        keep_attribute(name, || rustix::fs::fsetxattr(&file, name.as_str(), value, XattrFlags::empty()))?;
    }
    rustix::fs::futimens(&file, &times(entry.mtime))?;
    Ok(entry.size)
}

/// Owner, permissions, attributes and time of what is not a file.
fn set_attributes(directory: BorrowedFd<'_>, name: &OsStr, entry: &Entry) -> io::Result<()> {
    let owner = (Some(Uid::from_raw(entry.uid)), Some(Gid::from_raw(entry.gid)));
    rustix::fs::chownat(directory, name, owner.0, owner.1, AtFlags::SYMLINK_NOFOLLOW)?;
    if entry.kind != Kind::Symlink {
        // It was made, or seen to be a directory, a moment ago, and nobody else knows this tree.
        rustix::fs::chmodat(directory, name, Mode::from_raw_mode(entry.mode), AtFlags::empty())?;
    }
    if !entry.xattrs.is_empty() {
        let path = tree::path_to(directory, name);
        for (name, value) in &entry.xattrs {
            keep_attribute(name, || rustix::fs::lsetxattr(&path, name.as_str(), value, XattrFlags::empty()))?;
        }
    }
    if entry.kind != Kind::Directory {
        set_time(directory, name, entry.mtime)?;
    }
    Ok(())
}

/// Sets an attribute unless it is overlayfs' own, with which a layer could show files of others. File systems
/// need not keep them all; but without its capabilities a program would not work, so those must be kept.
fn keep_attribute(name: &str, set: impl FnOnce() -> Result<(), Errno>) -> io::Result<()> {
    if name.starts_with("trusted.overlay.") || name.starts_with("user.overlay.") {
        return Ok(());
    }
    match set() {
        Err(Errno::NOTSUP) if name != "security.capability" => {
            tracing::debug!(attribute = name, "the file system does not keep this attribute");
            Ok(())
        }
        set => Ok(set?),
    }
}

fn set_opaque(path: &Path) -> io::Result<()> {
    Ok(rustix::fs::lsetxattr(path, OPAQUE_ATTRIBUTE, b"y", XattrFlags::empty())?)
}

fn set_time(directory: BorrowedFd<'_>, name: &OsStr, mtime: (i64, u32)) -> io::Result<()> {
    Ok(rustix::fs::utimensat(directory, name, &times(mtime), AtFlags::SYMLINK_NOFOLLOW)?)
}

fn times((seconds, nanos): (i64, u32)) -> Timestamps {
    let time = Timespec { tv_sec: seconds, tv_nsec: nanos.into() };
    Timestamps { last_access: time, last_modification: time }
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// Says which entry could not be written; the kind of the error stays.
fn with_path(path: &str, error: io::Error) -> io::Error {
    if error.get_ref().is_some_and(|inner| inner.is::<crate::images::Error>()) {
        return error; // it is about the source, not about this entry
    }
    io::Error::new(error.kind(), format!("{path}: {error}"))
}
