//! The calling end of exec and attach.

use super::{ClientSession, Options, ResizeWriter, StatusReader};
use crate::channels::{self, Channels};
use crate::fan_in::FanIn;
use crate::pipe::{PipeReader, PipeWriter, pipe};
use crate::protocol::Protocol;
use crate::spdy::{Connection, Headers, Role, SpdyError, Stream};
use crate::websocket;
use corten_rt::Tasks;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;

/// Opens the streams of a command over SPDY on the upgraded connection.
///
/// # Errors
/// The peer refused a stream, or the connection broke.
pub async fn over_spdy<T>(io: T, options: Options, tasks: &Tasks) -> Result<ClientSession, SpdyError>
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (connection, _) = Connection::start(io, Role::Client, tasks)?;
    let open = async |wanted: bool, kind: &str| -> Result<Option<Stream>, SpdyError> {
        if !wanted {
            return Ok(None);
        }
        connection.open(Headers::new(&[("streamtype", kind)])).await.map(Some)
    };
    // Upstream's order, which servers may count on.
    let error = connection.open(Headers::new(&[("streamtype", "error")])).await?;
    let stdin = open(options.stdin, "stdin").await?;
    let stdout = open(options.stdout, "stdout").await?;
    let stderr = open(options.stderr && !options.tty, "stderr").await?;
    let resize = open(options.tty, "resize").await?;
    // The direction that a stream does not use is left open until the end: dropping the writer of stdout would
    // say that we are done with it.
    let (stdout, stdout_writer) = split(stdout);
    let (stderr, stderr_writer) = split(stderr);
    Ok(ClientSession {
        stdin: stdin.map(|s| s.writer),
        stdout,
        stderr,
        resize: resize.map(|s| ResizeWriter(s.writer)),
        status: StatusReader(error.reader),
        ended: connection.ended().clone(),
        _open: Box::new((connection, error.writer, stdout_writer, stderr_writer)),
    })
}

fn split(stream: Option<Stream>) -> (Option<PipeReader>, Option<PipeWriter>) {
    stream.map(|s| (s.reader, s.writer)).unzip()
}

/// Starts the channels of a command over WebSocket on the upgraded connection.
pub async fn over_websocket<T>(io: T, protocol: Protocol, options: Options, tasks: &Tasks) -> ClientSession
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let mut outbound = FanIn::default();
    let mut output = |channel: u32, wanted: bool| {
        wanted.then(|| {
            let (writer, reader) = pipe();
            outbound.add(channel, reader.into_chunks());
            writer
        })
    };
    let stdin = output(0, options.stdin);
    let resize = output(4, options.tty).map(ResizeWriter);
    let input = |wanted: bool| -> (Option<PipeWriter>, Option<PipeReader>) {
        if wanted { Some(pipe()).unzip() } else { (None, None) }
    };
    let (to_stdout, stdout) = input(options.stdout);
    let (to_stderr, stderr) = input(options.stderr && !options.tty);
    let (to_error, error) = pipe();
    let inbound = vec![None, to_stdout, to_stderr, Some(to_error)];
    let (open, dropped) = oneshot::channel();
    let channels = Channels { protocol, inbound, outbound, announce_end: true, open: Some(dropped) };
    let ended = channels::start(websocket::client(io).await, channels, tasks);
    ClientSession { stdin, stdout, stderr, resize, status: StatusReader(error), ended, _open: Box::new(open) }
}
