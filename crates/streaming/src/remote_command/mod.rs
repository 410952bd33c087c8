//! Exec and attach: standard streams, terminal sizes and an outcome, over any protocol.
//!
//! A [`ServerSession`] is the end that a client called: it is given stdin and gives stdout. A [`ClientSession`]
//! is the end that calls. [`proxy`] joins the two, which is how the kubelet hands a client to the runtime.

mod client;
mod outcome;
mod proxy;
mod resize;
mod server;

pub use client::{over_spdy as connect_spdy, over_websocket as connect_websocket};
pub use outcome::Outcome;
pub use proxy::proxy;
pub use resize::{ResizeReader, ResizeWriter, TerminalSize};
pub use server::{SessionError, serve};

use crate::pipe::{PipeReader, PipeWriter};
use bytes::Bytes;
use corten_rt::Stop;
use std::any::Any;

/// Which streams a command has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The client sends input.
    pub stdin: bool,
    /// The client reads output.
    pub stdout: bool,
    /// The client reads errors.
    pub stderr: bool,
    /// The command has a terminal.
    pub tty: bool,
}

impl Options {
    /// The options as a server applies them: a terminal has no stderr of its own.
    ///
    /// # Errors
    /// The text for the client when there is no stream at all.
    pub fn checked(mut self) -> Result<Self, &'static str> {
        self.stderr &= !self.tty;
        if self.stdin || self.stdout || self.stderr {
            Ok(self)
        } else {
            Err("you must specify at least 1 of stdin, stdout, stderr")
        }
    }
}

/// The called end. The connection closes, after all that was written is sent, once stdout, stderr and status
/// are finished or dropped.
#[derive(Debug)]
pub struct ServerSession {
    /// The client's input; its end is the client's half-close.
    pub stdin: Option<PipeReader>,
    /// Output to the client.
    pub stdout: Option<PipeWriter>,
    /// Errors to the client.
    pub stderr: Option<PipeWriter>,
    /// The client's terminal sizes; only with a terminal.
    pub resize: Option<ResizeReader>,
    /// Where the outcome goes.
    pub status: StatusWriter,
    /// Given when the client is gone or the session was closed.
    pub ended: Stop,
}

/// Takes a command's outcome, once.
#[derive(Debug)]
pub struct StatusWriter {
    writer: PipeWriter,
    status: bool,
    /// Streams that stay open as long as the command runs.
    _until_then: [Option<PipeWriter>; 2],
}

impl StatusWriter {
    /// Tells the client how the command ended. A client that is gone already does not matter.
    pub async fn finish(mut self, outcome: &Outcome) {
        let bytes = if self.status { outcome.to_status() } else { outcome.to_text() };
        if !bytes.is_empty() {
            let _ = self.writer.send(Bytes::from(bytes)).await;
        }
    }
}

/// The calling end. Dropping it closes the connection.
pub struct ClientSession {
    /// Input to the command; dropping it is the half-close.
    pub stdin: Option<PipeWriter>,
    /// The command's output.
    pub stdout: Option<PipeReader>,
    /// The command's errors.
    pub stderr: Option<PipeReader>,
    /// The terminal's sizes; only with a terminal.
    pub resize: Option<ResizeWriter>,
    /// Where the outcome comes from.
    pub status: StatusReader,
    /// Given when the connection has ended.
    pub ended: Stop,
    /// What keeps the connection open.
    _open: Box<dyn Any + Send + Sync>,
}

/// Yields a command's outcome, once.
#[derive(Debug)]
pub struct StatusReader(PipeReader);

/// More than any status.
const MAX_STATUS: usize = 64 * 1024;

impl StatusReader {
    /// How the command ended; waits until it has. Read stdout and stderr meanwhile, or a full pipe holds up the
    /// outcome.
    pub async fn outcome(mut self) -> Outcome {
        Outcome::parse(&self.0.read_all(MAX_STATUS).await)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_checked() {
        let all = Options { stdin: true, stdout: true, stderr: true, tty: true };
        assert_eq!(all.checked(), Ok(Options { stderr: false, ..all }));
        assert!(Options { tty: true, stderr: true, ..Options::default() }.checked().is_err());
    }
}
