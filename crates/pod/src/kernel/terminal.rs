//! Terminals.

use super::{checked, owned};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

/// The process' side of a terminal whose other side is open, and its number in `/dev/pts`.
pub fn peer(master: impl AsFd) -> io::Result<(OwnedFd, u32)> {
    let master = master.as_fd().as_raw_fd();
    let (unlock, mut number) = (0i32, 0u32);
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    // SAFETY: each call reads or writes one number.
    unsafe {
        checked(libc::ioctl(master, libc::TIOCSPTLCK, &raw const unlock).into())?;
        checked(libc::ioctl(master, libc::TIOCGPTN, &raw mut number).into())?;
        Ok((owned(libc::ioctl(master, libc::TIOCGPTPEER, flags).into())?, number))
    }
}

/// Makes a terminal the one of this session, which this process leads.
pub fn control(terminal: impl AsFd) -> io::Result<()> {
    // SAFETY: no pointers.
    checked(unsafe { libc::ioctl(terminal.as_fd().as_raw_fd(), libc::TIOCSCTTY, 0) }.into())?;
    Ok(())
}

/// Sets a terminal's columns and rows.
pub fn resize(terminal: impl AsFd, columns: u16, rows: u16) -> io::Result<()> {
    let size = libc::winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the kernel reads one struct.
    checked(unsafe { libc::ioctl(terminal.as_fd().as_raw_fd(), libc::TIOCSWINSZ, &raw const size) }.into())?;
    Ok(())
}
