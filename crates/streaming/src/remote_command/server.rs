//! The called end of exec and attach.

use super::{Options, ResizeReader, ServerSession, StatusWriter};
use crate::channels::{self, Channels};
use crate::fan_in::FanIn;
use crate::pipe::{PipeReader, PipeWriter, pipe};
use crate::protocol::{Protocol, Transport};
use crate::spdy::{Connection, Incoming, Role, SpdyError, Stream};
use crate::websocket;
use bytes::Bytes;
use corten_rt::Tasks;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

/// How long a client may take to open its streams, as upstream.
const STREAM_CREATION_TIMEOUT: Duration = Duration::from_secs(30);

/// Why a session did not come about.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The connection failed.
    #[error(transparent)]
    Spdy(#[from] SpdyError),
    /// The client did not open the streams it asked for.
    #[error("timed out waiting for client to create streams")]
    StreamsMissing,
    /// The protocol is not one of remote command.
    #[error("protocol {0:?} does not carry remote commands")]
    Protocol(&'static str),
}

/// Speaks `protocol` (as [`crate::upgrade::accept_remote_command`] agreed it) on the upgraded connection, in
/// tasks of `tasks`.
///
/// # Errors
/// Over SPDY: the client opened no streams within 30 s, or the connection broke.
pub async fn serve<T>(
    io: T,
    protocol: Protocol,
    options: Options,
    tasks: &Tasks,
) -> Result<ServerSession, SessionError>
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    match protocol.transport {
        Transport::WebSocket => Ok(over_websocket(io, protocol, options, tasks).await),
        Transport::Spdy => over_spdy(io, protocol, options, tasks).await,
        Transport::TunneledSpdy => Err(SessionError::Protocol(protocol.name)),
    }
}

async fn over_websocket<T>(io: T, protocol: Protocol, options: Options, tasks: &Tasks) -> ServerSession
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let mut outbound = FanIn::default();
    let mut output = |channel: u32| {
        let (writer, reader) = pipe();
        outbound.add(channel, reader.into_chunks());
        writer
    };
    let mut stdout = options.stdout.then(|| output(1));
    let mut stderr = options.stderr.then(|| output(2));
    let mut error = output(3);
    // An empty message on the first channel tells the client that the connection stands.
    let first = stdout.as_mut().or(stderr.as_mut()).unwrap_or(&mut error);
    let _ = first.send(Bytes::new()).await;

    let input = |wanted: bool| -> (Option<PipeWriter>, Option<PipeReader>) {
        if wanted { Some(pipe()).unzip() } else { (None, None) }
    };
    let (to_stdin, stdin) = input(options.stdin);
    let (to_resize, resize) = input(options.tty);
    let inbound = vec![to_stdin, None, None, None, to_resize];
    let channels = Channels { protocol, inbound, outbound, announce_end: false, open: None };
    let ended = channels::start(websocket::server(io).await, channels, tasks);
    let status = StatusWriter { writer: error, status: protocol.status, _until_then: [None, None] };
    ServerSession { stdin, stdout, stderr, resize: resize.map(ResizeReader::new), status, ended }
}

async fn over_spdy<T>(
    io: T,
    protocol: Protocol,
    options: Options,
    tasks: &Tasks,
) -> Result<ServerSession, SessionError>
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (connection, incoming) = Connection::start(io, Role::Server, tasks)?;
    let collecting = collect(&connection, incoming, protocol, options);
    let Some(streams) = corten_rt::timeout(STREAM_CREATION_TIMEOUT, collecting).await else {
        return Err(SessionError::StreamsMissing);
    };
    let Streams { error, stdin, stdout, stderr, resize } = streams?;
    let error = error.ok_or(SessionError::StreamsMissing)?;
    let (stdin, stdin_writer) = stdin.map(|s| (s.reader, s.writer)).unzip();
    let (resize, resize_writer) = resize.map(|s| (s.reader, s.writer)).unzip();
    Ok(ServerSession {
        stdin,
        stdout: stdout.map(|s| s.writer),
        stderr: stderr.map(|s| s.writer),
        resize: resize.map(ResizeReader::new),
        // A client takes the end of our direction of its stdin for a sign to stop sending.
        status: StatusWriter {
            writer: error.writer,
            status: protocol.status,
            _until_then: [stdin_writer, resize_writer],
        },
        ended: connection.ended().clone(),
    })
}

#[derive(Default)]
struct Streams {
    error: Option<Stream>,
    stdin: Option<Stream>,
    stdout: Option<Stream>,
    stderr: Option<Stream>,
    resize: Option<Stream>,
}

/// Accepts streams until all that the request asked for are there.
async fn collect(
    connection: &Connection,
    mut incoming: Incoming,
    protocol: Protocol,
    options: Options,
) -> Result<Streams, SessionError> {
    let resizes = options.tty && protocol.resize;
    let wanted = [true, options.stdin, options.stdout, options.stderr, resizes];
    let mut missing = wanted.iter().filter(|wanted| **wanted).count();
    let mut streams = Streams::default();
    while missing > 0 {
        let stream = incoming.next().await.ok_or(SpdyError::Closed)?;
        let slot = match stream.headers.get("streamtype") {
            Some("error") => Some(&mut streams.error),
            Some("stdin") if options.stdin => Some(&mut streams.stdin),
            Some("stdout") if options.stdout => Some(&mut streams.stdout),
            Some("stderr") if options.stderr => Some(&mut streams.stderr),
            Some("resize") if resizes => Some(&mut streams.resize),
            _ => None,
        };
        match slot {
            Some(slot @ None) => {
                *slot = Some(connection.accept(stream).await?);
                missing -= 1;
            }
            _ => connection.refuse(stream).await,
        }
    }
    Ok(streams)
}
