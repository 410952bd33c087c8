//! The calling end of port-forward, over SPDY.

use super::Dialed;
use crate::spdy::{Connection, Headers, Role, SpdyError};
use corten_rt::{Stop, Tasks};
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::io::{AsyncRead, AsyncWrite};

/// Asks for connections to a pod's ports. Dropping it closes them all.
#[derive(Debug)]
pub struct Client {
    connection: Connection,
    requests: AtomicU64,
}

impl Client {
    /// A client on a connection that was upgraded to SPDY (or a [`crate::websocket::Tunnel`]).
    ///
    /// # Errors
    /// [`SpdyError::Compression`] when zlib cannot be set up.
    pub fn start<T>(io: T, tasks: &Tasks) -> Result<Client, SpdyError>
    where
        T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (connection, _) = Connection::start(io, Role::Client, tasks)?;
        Ok(Client { connection, requests: AtomicU64::new(0) })
    }

    /// Opens a connection to `port`. A failure to reach the port shows in [`Dialed::error`].
    ///
    /// # Errors
    /// The peer refused the streams, or the connection broke.
    pub async fn open(&self, port: u16) -> Result<Dialed, SpdyError> {
        let request = self.requests.fetch_add(1, Ordering::Relaxed).to_string();
        let headers = |kind| {
            Headers::new(&[("streamtype", kind), ("port", &port.to_string()), ("requestid", &request)])
        };
        // The error stream first, as upstream; nothing is ever sent on it.
        let error = self.connection.open(headers("error")).await?.reader;
        let data = self.connection.open(headers("data")).await?;
        Ok(Dialed { reader: data.reader, writer: data.writer, error })
    }

    /// Given when the connection has ended.
    pub fn ended(&self) -> &Stop {
        self.connection.ended()
    }
}
