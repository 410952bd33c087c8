//! SPDY/3.1 as Kubernetes' clients and container runtimes speak it over an upgraded HTTP/1.1 connection: many
//! half-closable byte streams, each opened with a few headers.
//!
//! What the protocol has beyond that (priorities, windows, settings, pushed streams) no peer uses, so it is read
//! over. Like the peers' library (moby/spdystream) there are no windows: a stream whose reader is slow holds up
//! the connection, and with it the sender.

mod connection;
mod dictionary;
mod frame;
mod headers;
mod reader;
mod writer;

pub use connection::{Connection, Incoming, NewStream, Role, Stream};
pub use headers::Headers;

/// What ends a connection from within.
#[derive(Debug, thiserror::Error)]
pub enum SpdyError {
    /// Reading or writing failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The peer sent something that is no frame.
    #[error("invalid SPDY frame: {0}")]
    Frame(&'static str),
    /// The peer sent a header block that is none.
    #[error("invalid SPDY headers: {0}")]
    Headers(&'static str),
    /// The compression state of the connection is broken.
    #[error("cannot decompress SPDY headers")]
    Compression,
    /// The connection ended.
    #[error("the SPDY connection is closed")]
    Closed,
    /// The peer refused the stream.
    #[error("the peer refused the stream")]
    Refused,
    /// The peer did not answer a new stream in time.
    #[error("the peer did not answer a new stream in time")]
    Unanswered,
}
