//! What the kernel tells of changes in directories.

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use std::io;
use std::path::Path;
use tokio::net::unix::pipe::Receiver;

/// News of directories: that something in one of them has come, gone, moved or been written. What it was is seen by
/// looking.
#[derive(Debug)]
pub struct DirNews(Receiver);

impl DirNews {
    /// Of no directory yet. Fails where the kernel does not tell, or not so many.
    pub fn new() -> io::Result<Self> {
        let events = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        // Not a pipe, but it is read like one.
        Receiver::from_owned_fd_unchecked(events).map(DirNews)
    }

    /// Of `dir` from now on, too. Asking twice is asking once.
    pub fn of(&self, dir: &Path) -> io::Result<()> {
        let news = WatchFlags::CLOSE_WRITE
            | WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::MOVE
            | WatchFlags::ATTRIB
            | WatchFlags::DELETE_SELF
            | WatchFlags::MOVE_SELF;
        inotify::add_watch(&self.0, dir, news | WatchFlags::ONLYDIR)?;
        Ok(())
    }

    /// Waits until there are some, and forgets them.
    pub async fn come(&self) -> io::Result<()> {
        loop {
            self.0.readable().await?;
            if self.drain()? {
                return Ok(());
            }
        }
    }

    /// Reads what is there; whether it was something.
    fn drain(&self) -> io::Result<bool> {
        let mut buffer = [0_u8; 4096];
        let mut some = false;
        loop {
            match self.0.try_read(&mut buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => some = true,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(some),
                Err(error) => return Err(error),
            }
        }
    }
}
