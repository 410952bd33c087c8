//! A directory that nothing is written out of. Every path is resolved inside it, as if it were the root of a
//! system: by the kernel (openat2 with RESOLVE_IN_ROOT), or step by step where directories are missing or the
//! kernel is too old. Names are then used relative to the directory so found, never followed if they are links.

use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// As many links as the kernel would follow.
const MOST_LINKS: usize = 40;

/// The directory.
pub struct Tree {
    root: OwnedFd,
    /// The directory found last, by the path it was asked for: neighbours in archives share theirs.
    last: Option<(Vec<u8>, OwnedFd)>,
    /// Directories that had to be made because an entry lies in them.
    implied: Vec<PathBuf>,
}

/// Where an entry goes: a directory inside the tree and a plain name in it.
pub struct Place<'a> {
    /// The directory.
    pub directory: BorrowedFd<'a>,
    /// Without slashes, neither `.` nor `..`.
    pub name: &'a OsStr,
}

impl Tree {
    /// Everything will stay below this directory.
    pub fn open(root: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let root = rustix::fs::openat(CWD, root, flags, Mode::empty())?;
        Ok(Self { root, last: None, implied: Vec::new() })
    }

    /// The root itself.
    pub fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// Finds the directory of an entry, making it if need be. `None` for the root itself.
    pub fn place<'a>(&'a mut self, path: &'a [u8]) -> io::Result<Option<Place<'a>>> {
        let Some((parent, name)) = split(path)? else { return Ok(None) };
        self.find(&parent, true)?;
        let directory = self.last.as_ref().map_or(self.root.as_fd(), |(_, directory)| directory.as_fd());
        Ok(Some(Place { directory, name: OsStr::from_bytes(name) }))
    }

    /// The same for something that should be there: nothing is made, and nothing is remembered.
    pub fn existing(&self, path: &[u8]) -> io::Result<Option<(OwnedFd, PathBuf)>> {
        let Some((parent, name)) = split(path)? else { return Ok(None) };
        let directory = self.resolve(&parent)?;
        Ok(Some((directory, OsStr::from_bytes(name).into())))
    }

    /// Must be called when something was removed: what was found before may not be there any more.
    pub fn forget(&mut self) {
        self.last = None;
    }

    /// Notes that an entry says what a directory looks like.
    pub fn mention(&mut self, path: &[u8]) -> io::Result<()> {
        if !self.implied.is_empty() {
            let (_, place) = self.walk_making(path, |_, _| Err(Errno::NOENT.into()))?;
            self.implied.retain(|implied| *implied != place);
        }
        Ok(())
    }

    /// Directories that were made although no entry asked for them, in the order they were made. They should look
    /// like those in the layers below.
    pub fn take_implied(&mut self) -> Vec<PathBuf> {
        std::mem::take(&mut self.implied)
    }

    fn find(&mut self, parent: &[u8], make: bool) -> io::Result<()> {
        if self.last.as_ref().is_some_and(|(path, _)| path == parent) {
            return Ok(());
        }
        let directory = match self.resolve(parent) {
            Err(error) if make && error.kind() == io::ErrorKind::NotFound => self.make(parent)?,
            found => found?,
        };
        self.last = Some((parent.to_owned(), directory));
        Ok(())
    }

    pub(super) fn resolve(&self, path: &[u8]) -> io::Result<OwnedFd> {
        let path: &[u8] = if path.is_empty() { b"." } else { path };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        match rustix::fs::openat2(&self.root, path, flags, Mode::empty(), resolve) {
            Err(Errno::NOSYS) => self.walk(path),
            found => Ok(found?),
        }
    }

    /// Makes what is missing of a path, following links inside the tree.
    fn make(&mut self, path: &[u8]) -> io::Result<OwnedFd> {
        let mut made = Vec::new();
        let (directory, _) = self.walk_making(path, |directory, place| {
            let name = place.file_name().unwrap_or_default();
            rustix::fs::mkdirat(directory, name, Mode::from_raw_mode(0o755))?;
            rustix::fs::chmodat(directory, name, Mode::from_raw_mode(0o755), AtFlags::empty())?; // whatever the umask
            made.push(place.to_owned());
            Ok(())
        })?;
        self.implied.extend(made);
        Ok(directory)
    }

    /// What [`Tree::resolve`] does, without openat2.
    pub(super) fn walk(&self, path: &[u8]) -> io::Result<OwnedFd> {
        self.walk_making(path, |_, _| Err(Errno::NOENT.into())).map(|(directory, _)| directory)
    }

    /// Goes through a path one name at a time, calling `missing` for directories that are not there.
    fn walk_making(
        &self,
        path: &[u8],
        mut missing: impl FnMut(BorrowedFd<'_>, &Path) -> io::Result<()>,
    ) -> io::Result<(OwnedFd, PathBuf)> {
        let mut ahead: Vec<Vec<u8>> = components(path).rev().map(<[u8]>::to_vec).collect();
        let mut behind: Vec<OwnedFd> = vec![self.root.try_clone()?];
        let mut place = PathBuf::new();
        let mut links = 0;
        while let Some(name) = ahead.pop() {
            if name == b".." {
                if behind.len() > 1 {
                    behind.pop();
                    place.pop();
                }
                continue;
            }
            let here = behind.last().map_or(self.root.as_fd(), AsFd::as_fd);
            let name = OsStr::from_bytes(&name);
            let found = match open_directory(here, name) {
                Err(Errno::NOENT) => {
                    missing(here, &place.join(name))?;
                    open_directory(here, name)
                }
                found => found,
            };
            match found {
                Ok(directory) => {
                    behind.push(directory);
                    place.push(name);
                }
                // A link, or something else that is no directory.
                Err(Errno::NOTDIR | Errno::LOOP) => {
                    let target = rustix::fs::readlinkat(here, name, Vec::new())
                        .map_err(|_| Errno::NOTDIR)?
                        .into_bytes();
                    links += 1;
                    if links > MOST_LINKS {
                        return Err(Errno::LOOP.into());
                    }
                    if target.starts_with(b"/") {
                        behind.truncate(1);
                        place = PathBuf::new();
                    }
                    ahead.extend(components(&target).rev().map(<[u8]>::to_vec));
                }
                Err(error) => return Err(error.into()),
            }
        }
        let directory = behind.pop().map_or_else(|| self.root.try_clone(), Ok)?;
        Ok((directory, place))
    }
}

fn open_directory(directory: BorrowedFd<'_>, name: &OsStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(directory, name, flags, Mode::empty())
}

fn components(path: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    path.split(|b| *b == b'/').filter(|name| !name.is_empty() && *name != b".")
}

/// Directory and last name of a path; `None` for the root. A path that goes up is refused: no honest archive
/// has one.
fn split(path: &[u8]) -> io::Result<Option<(Vec<u8>, &[u8])>> {
    let names: Vec<&[u8]> = components(path).collect();
    if names.contains(&&b".."[..]) {
        let shown = String::from_utf8_lossy(path).into_owned();
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("the path {shown:?} leads out of the layer"),
        ));
    }
    Ok(names.split_last().map(|(name, parent)| (parent.join(&b'/'), *name)))
}

/// What is at a place, if anything, without following it.
pub fn stat(place: &Place<'_>) -> io::Result<Option<Stat>> {
    match rustix::fs::statat(place.directory, place.name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Whether it is a directory.
pub fn is_directory(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory
}

/// Whether it hides what lies below, as overlayfs has it.
pub fn is_whiteout(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && stat.st_rdev == 0
}

/// A path to a name in an open directory, for calls that know no directories. The name itself is not followed
/// by the `l` variants.
pub fn path_to(directory: BorrowedFd<'_>, name: &OsStr) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd())).join(name)
}

/// Removes whatever is at a place.
pub fn remove(place: &Place<'_>) -> io::Result<()> {
    match rustix::fs::unlinkat(place.directory, place.name, AtFlags::empty()) {
        // remove_dir_all follows no links.
        Err(Errno::ISDIR | Errno::PERM) => std::fs::remove_dir_all(path_to(place.directory, place.name)),
        removed => Ok(removed?),
    }
}
