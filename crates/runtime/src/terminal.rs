//! A process's terminal, seen from its other end. To whoever waits for it, it is like a pair of pipes.

use std::io;
use std::os::fd::OwnedFd;
use tokio::net::unix::pipe;

/// Where a process's output comes from. A read fails when the last process has closed the terminal.
pub fn reader(terminal: &OwnedFd) -> io::Result<pipe::Receiver> {
    let copy = terminal.try_clone()?;
    no_waiting(&copy)?;
    pipe::Receiver::from_owned_fd_unchecked(copy)
}

/// Where its input goes.
pub fn writer(terminal: OwnedFd) -> io::Result<pipe::Sender> {
    no_waiting(&terminal)?;
    pipe::Sender::from_owned_fd_unchecked(terminal)
}

fn no_waiting(fd: &OwnedFd) -> io::Result<()> {
    let flags = rustix::fs::fcntl_getfl(fd)?;
    Ok(rustix::fs::fcntl_setfl(fd, flags | rustix::fs::OFlags::NONBLOCK)?)
}

/// Gives a terminal a size. One that is gone has none.
pub fn resize(terminal: &OwnedFd, columns: u16, rows: u16) {
    let size = rustix::termios::Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    let _ = rustix::termios::tcsetwinsize(terminal, size);
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn input_output_size_and_end() {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&master).expect("granted");
        unlockpt(&master).expect("unlocked");
        let name = ptsname(&master, Vec::new()).expect("a name").into_string().expect("text");
        let process = std::fs::File::options().read(true).write(true).open(name).expect("opened");
        resize(&master, 80, 24);
        let size = rustix::termios::tcgetwinsize(&process).expect("a size");
        assert_eq!((size.ws_col, size.ws_row), (80, 24));
        let mut output = reader(&master).expect("reader");
        let mut input = writer(master).expect("writer");
        input.write_all(b"ls\r").await.expect("typed");
        let mut buffer = [0; 64];
        let count = output.read(&mut buffer).await.expect("the echo");
        assert_eq!(&buffer[..count], b"ls\r\n");
        drop(process);
        assert!(output.read(&mut buffer).await.is_err(), "nobody has it any more");
    }
}
