//! Files and descriptors.

use super::{checked, owned, text};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// What `fstat` says, as far as it matters here.
pub struct Status {
    /// Type and permissions.
    pub mode: u32,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// Which device a device node stands for.
    pub device: u64,
    /// Bytes in it.
    pub size: i64,
}

impl Status {
    /// Whether it is a plain file.
    pub fn is_file(&self) -> bool {
        self.mode & libc::S_IFMT == libc::S_IFREG
    }

    /// Whether it is a directory.
    pub fn is_dir(&self) -> bool {
        self.mode & libc::S_IFMT == libc::S_IFDIR
    }
}

/// The current directory, for the calls below.
pub fn here() -> BorrowedFd<'static> {
    // SAFETY: AT_FDCWD is no descriptor that anybody could close.
    unsafe { BorrowedFd::borrow_raw(libc::AT_FDCWD) }
}

/// Opens a path; close-on-exec.
pub fn open(path: &str, flags: i32, mode: u32) -> io::Result<OwnedFd> {
    let path = text(path)?;
    // SAFETY: the path ends in a zero byte.
    owned(unsafe { libc::open(path.as_ptr(), flags | libc::O_CLOEXEC, mode) }.into())
}

/// Opens a path within `root`, out of which no link and no `..` leads.
pub fn open_in(root: BorrowedFd<'_>, path: &str, flags: i32) -> io::Result<OwnedFd> {
    let path = text(if path.is_empty() { "." } else { path })?;
    // SAFETY: all zero is a valid value of this struct.
    let mut how: libc::open_how = unsafe { std::mem::zeroed() };
    how.flags = (flags | libc::O_CLOEXEC) as u64;
    how.resolve = libc::RESOLVE_IN_ROOT | libc::RESOLVE_NO_MAGICLINKS;
    let size = size_of::<libc::open_how>();
    loop {
        // SAFETY: path and struct live through the call, and the size is the struct's.
        let result = owned(unsafe {
            libc::syscall(libc::SYS_openat2, root.as_raw_fd(), path.as_ptr(), &raw const how, size)
        });
        match result {
            // The kernel could not be sure while something was renamed.
            Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => {}
            result => return result,
        }
    }
}

/// What is known of an open file.
pub fn status(fd: impl AsFd) -> io::Result<Status> {
    // SAFETY: all zero is a valid value; the kernel fills the struct.
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: as above.
    checked(unsafe { libc::fstat(fd.as_fd().as_raw_fd(), &mut stat) }.into())?;
    Ok(Status {
        mode: stat.st_mode,
        uid: stat.st_uid,
        gid: stat.st_gid,
        device: stat.st_rdev,
        size: stat.st_size,
    })
}

/// Makes a directory.
pub fn make_dir(at: BorrowedFd<'_>, name: &str, mode: u32) -> io::Result<()> {
    let name = text(name)?;
    // SAFETY: the path ends in a zero byte.
    checked(unsafe { libc::mkdirat(at.as_raw_fd(), name.as_ptr(), mode) }.into())?;
    Ok(())
}

/// Makes a node of `mode`'s type: an empty file, a FIFO or a device.
pub fn make_node(at: BorrowedFd<'_>, name: &str, mode: u32, major: u32, minor: u32) -> io::Result<()> {
    let name = text(name)?;
    let device = libc::makedev(major, minor);
    // SAFETY: the path ends in a zero byte.
    checked(unsafe { libc::mknodat(at.as_raw_fd(), name.as_ptr(), mode, device) }.into())?;
    Ok(())
}

/// Makes a symbolic link.
pub fn make_link(at: BorrowedFd<'_>, name: &str, content: &str) -> io::Result<()> {
    let (name, content) = (text(name)?, text(content)?);
    // SAFETY: both end in a zero byte.
    checked(unsafe { libc::symlinkat(content.as_ptr(), at.as_raw_fd(), name.as_ptr()) }.into())?;
    Ok(())
}

/// What a symbolic link says.
pub fn read_link(at: BorrowedFd<'_>, name: &str) -> io::Result<String> {
    let name = text(name)?;
    let mut buffer = vec![0u8; libc::PATH_MAX as usize];
    // SAFETY: the kernel writes at most as much as there is room for.
    let count = checked(unsafe {
        libc::readlinkat(at.as_raw_fd(), name.as_ptr(), buffer.as_mut_ptr().cast(), buffer.len())
    } as libc::c_long)?;
    buffer.truncate(count as usize);
    String::from_utf8(buffer).map_err(|_| io::Error::from_raw_os_error(libc::EILSEQ))
}

/// Gives what `name` (or `at` itself, if that is empty) stands for an owner.
pub fn own_at(at: BorrowedFd<'_>, name: &str, uid: u32, gid: u32) -> io::Result<()> {
    let name = text(name)?;
    let flags = libc::AT_SYMLINK_NOFOLLOW | libc::AT_EMPTY_PATH;
    // SAFETY: the path ends in a zero byte.
    checked(unsafe { libc::fchownat(at.as_raw_fd(), name.as_ptr(), uid, gid, flags) }.into())?;
    Ok(())
}

/// Whether the process, by its effective ids, may execute the file.
pub fn may_execute(path: &str) -> io::Result<()> {
    let path = text(path)?;
    // SAFETY: the path ends in a zero byte.
    checked(unsafe { libc::faccessat(libc::AT_FDCWD, path.as_ptr(), libc::X_OK, libc::AT_EACCESS) }.into())?;
    Ok(())
}

/// Makes `fd` also known as the descriptor number `to`, which stays open over an execution.
pub fn place(fd: impl AsFd, to: RawFd) -> io::Result<()> {
    let from = fd.as_fd().as_raw_fd();
    let result = if from == to {
        // SAFETY: no pointers.
        unsafe { libc::fcntl(from, libc::F_SETFD, 0) }
    } else {
        // SAFETY: no pointers; nobody in this process owns the standard descriptors.
        unsafe { libc::dup2(from, to) }
    };
    checked(result.into())?;
    Ok(())
}

/// Takes a standard descriptor, which somebody else opened.
pub fn inherited(number: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: no pointers.
    owned(unsafe { libc::fcntl(number, libc::F_DUPFD_CLOEXEC, 3) }.into())
}

/// Another descriptor of the same open file.
pub fn duplicate(fd: impl AsFd) -> io::Result<OwnedFd> {
    fd.as_fd().try_clone_to_owned()
}

/// Closes every descriptor from 3 on but those in `keep`. What owned them in this process is void, so this is
/// for children that have just been made and keep nothing of their parent's.
pub fn close_all_but(keep: &[RawFd]) {
    let mut keep: Vec<RawFd> = keep.iter().copied().filter(|fd| *fd >= 3).collect();
    keep.sort_unstable();
    let mut first = 3u32;
    for fd in keep.into_iter().map(|fd| fd as u32) {
        if fd > first {
            close_range(first, fd - 1);
        }
        first = first.max(fd + 1);
    }
    close_range(first, u32::MAX);
}

fn close_range(first: u32, last: u32) {
    // SAFETY: no pointers; the caller says that nobody needs them.
    if unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) } == 0 {
        return;
    }
    // A kernel before 5.9.
    let limit = std::fs::read_dir("/proc/self/fd").ok().map(|entries| {
        entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok()).max().unwrap_or(0)
    });
    for fd in first..=last.min(limit.unwrap_or(1024)) {
        // SAFETY: as above.
        unsafe { libc::close(fd as RawFd) };
    }
}

/// A pipe: the end to read and the end to write.
pub fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends = [0; 2];
    // SAFETY: the kernel writes two numbers.
    checked(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) }.into())?;
    // SAFETY: the kernel has just made both for us.
    Ok(unsafe { (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])) })
}

/// Makes reads and writes return instead of waiting.
pub fn never_wait(fd: impl AsFd) {
    let fd = fd.as_fd().as_raw_fd();
    // SAFETY: no pointers.
    unsafe {
        let flags = libc::fcntl(fd, libc::F_GETFL);
        libc::fcntl(fd, libc::F_SETFL, flags | libc::O_NONBLOCK);
    }
}

/// Reads what is there.
pub fn read(fd: impl AsFd, buffer: &mut [u8]) -> io::Result<usize> {
    let fd = fd.as_fd().as_raw_fd();
    // SAFETY: the kernel writes at most as much as there is room for.
    let count = unsafe { libc::read(fd, buffer.as_mut_ptr().cast(), buffer.len()) };
    Ok(checked(count as libc::c_long)? as usize)
}

/// Writes what there is room for.
pub fn write(fd: impl AsFd, bytes: &[u8]) -> io::Result<usize> {
    let fd = fd.as_fd().as_raw_fd();
    // SAFETY: the kernel reads the bytes that are given.
    let count = unsafe { libc::write(fd, bytes.as_ptr().cast(), bytes.len()) };
    Ok(checked(count as libc::c_long)? as usize)
}

/// Cuts a file.
pub fn truncate(fd: impl AsFd, size: i64) -> io::Result<()> {
    // SAFETY: no pointers.
    checked(unsafe { libc::ftruncate(fd.as_fd().as_raw_fd(), size) }.into())?;
    Ok(())
}

/// Makes an open directory the current one.
pub fn enter(fd: impl AsFd) -> io::Result<()> {
    // SAFETY: no pointers.
    checked(unsafe { libc::fchdir(fd.as_fd().as_raw_fd()) }.into())?;
    Ok(())
}

/// Sets the file creation mask.
pub fn set_umask(mask: u32) {
    // SAFETY: no pointers.
    unsafe { libc::umask(mask) };
}

/// Whether a directory is one of the unified control group hierarchy.
pub fn is_cgroup2(fd: impl AsFd) -> bool {
    // SAFETY: all zero is a valid value; the kernel fills the struct.
    let mut stat: libc::statfs = unsafe { std::mem::zeroed() };
    // SAFETY: as above.
    let result = unsafe { libc::fstatfs(fd.as_fd().as_raw_fd(), &mut stat) };
    result == 0 && stat.f_type == libc::CGROUP2_SUPER_MAGIC
}
