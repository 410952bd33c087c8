//! Waiting for many descriptors at once.

use super::{checked, owned};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

/// Something to read, or the end of it.
pub const READABLE: u32 = (libc::EPOLLIN | libc::EPOLLRDHUP) as u32;
/// Room to write.
pub const WRITABLE: u32 = libc::EPOLLOUT as u32;
/// Nothing but errors and hang-ups, of which the kernel always tells.
pub const QUIET: u32 = 0;

/// An epoll set; what is in it is told by a number.
pub struct Events(OwnedFd);

impl Events {
    /// An empty set.
    pub fn new() -> io::Result<Self> {
        // SAFETY: no pointers.
        Ok(Events(owned(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) }.into())?))
    }

    /// Adds a descriptor.
    pub fn add(&self, fd: impl AsFd, token: u64, interest: u32) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, fd, token, interest)
    }

    /// Changes what is waited for.
    pub fn change(&self, fd: impl AsFd, token: u64, interest: u32) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, fd, token, interest)
    }

    /// Takes a descriptor out.
    pub fn remove(&self, fd: impl AsFd) {
        let _ = self.control(libc::EPOLL_CTL_DEL, fd, 0, 0);
    }

    fn control(&self, operation: i32, fd: impl AsFd, token: u64, interest: u32) -> io::Result<()> {
        let mut event = libc::epoll_event { events: interest, u64: token };
        let fd = fd.as_fd().as_raw_fd();
        // SAFETY: the kernel reads one event.
        checked(unsafe { libc::epoll_ctl(self.0.as_raw_fd(), operation, fd, &mut event) }.into())?;
        Ok(())
    }

    /// What happened: tokens with `EPOLL*` flags. Waits at most `timeout` milliseconds, without end below 0.
    pub fn wait(&self, timeout: i32) -> Vec<(u64, u32)> {
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; 64];
        // SAFETY: the kernel writes at most as many events as there is room for.
        let count = unsafe {
            libc::epoll_wait(self.0.as_raw_fd(), events.as_mut_ptr(), events.len() as i32, timeout)
        };
        events[..usize::try_from(count).unwrap_or(0)].iter().map(|e| (e.u64, e.events)).collect()
    }
}
