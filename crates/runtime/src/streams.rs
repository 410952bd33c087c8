//! The streaming server: exec, attach and port-forward are asked for through CRI and answered with a URL on the
//! loopback interface, good for one use within a minute, where the client then speaks SPDY or WebSocket.

use crate::exec;
use crate::runtime::Runtime;
use bytes::Bytes;
use corten_node_api::cri::{AttachRequest, ExecRequest, PortForwardRequest};
use corten_rt::Instant;
use corten_streaming::port_forward::{self, Forwarded};
use corten_streaming::remote_command::{self, Options, Outcome, ServerSession};
use corten_streaming::upgrade::{Upgrade, UpgradeError, accept_port_forward, accept_remote_command};
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tonic::Status;

/// How long a URL is good.
const GOOD: Duration = Duration::from_secs(60);
/// URLs that wait for their use.
const MOST: usize = 1000;
/// How long a client may take for a request's headers.
const PATIENCE: Duration = Duration::from_secs(30);

/// The server, and what was asked for and not yet fetched.
pub struct Streams {
    address: SocketAddr,
    listener: Mutex<Option<TcpListener>>,
    waiting: Mutex<HashMap<String, Ticket>>,
}

struct Ticket {
    asked: Asked,
    until: Instant,
}

/// What was asked for.
pub enum Asked {
    /// A command in a container.
    Exec(ExecRequest),
    /// A container's own streams.
    Attach(AttachRequest),
    /// Ports of a pod.
    PortForward(PortForwardRequest),
}

impl Streams {
    /// Takes a port of the loopback interface.
    pub async fn listen() -> std::io::Result<Streams> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        Ok(Streams { address, listener: Mutex::new(Some(listener)), waiting: Mutex::default() })
    }

    /// The URL at which the streams are served, once.
    pub fn offer(&self, asked: Asked) -> Result<String, Status> {
        let kind = match &asked {
            Asked::Exec(_) => "exec",
            Asked::Attach(_) => "attach",
            Asked::PortForward(_) => "portforward",
        };
        // Whoever knows it may use it: it comes from the kernel's randomness.
        let token = uuid::Uuid::new_v4().simple().to_string();
        let now = Instant::now();
        let mut waiting = self.waiting.lock();
        waiting.retain(|_, ticket| ticket.until > now);
        if waiting.len() >= MOST {
            return Err(Status::resource_exhausted("too many streams are asked for and not fetched"));
        }
        waiting.insert(token.clone(), Ticket { asked, until: now + GOOD });
        Ok(format!("http://{}/{kind}/{token}", self.address))
    }

    fn take(&self, path: &str) -> Option<Asked> {
        let (_, token) = path.trim_start_matches('/').split_once('/')?;
        let ticket = self.waiting.lock().remove(token)?;
        (ticket.until > Instant::now()).then_some(ticket.asked)
    }
}

/// The request's streams as a server applies them.
pub(crate) fn options(stdin: bool, stdout: bool, stderr: bool, tty: bool) -> Result<Options, Status> {
    if tty && stderr {
        return Err(Status::invalid_argument("tty and stderr cannot both be true"));
    }
    Options { stdin, stdout, stderr, tty }.checked().map_err(Status::invalid_argument)
}

impl Runtime {
    /// Serves streams until the tasks stop.
    pub(crate) fn serve_streams(&self) {
        let Some(listener) = self.streams.listener.lock().take() else { return };
        let runtime = self.clone();
        self.tasks.spawn_until_stopped("streams", async move {
            loop {
                match listener.accept().await {
                    Ok((stream, _)) => {
                        let serving = runtime.clone().serve_connection(stream);
                        runtime.tasks.spawn_until_stopped("stream connection", serving);
                    }
                    Err(error) => {
                        tracing::warn!(%error, "a stream's connection could not be accepted");
                        corten_rt::sleep(Duration::from_millis(100)).await;
                    }
                }
            }
        });
    }

    async fn serve_connection(self, stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        let service = service_fn(move |request| {
            let runtime = self.clone();
            async move { Ok::<_, Infallible>(runtime.answer(request)) }
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(PATIENCE)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a stream's connection ended early");
        }
    }

    fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let Some(asked) = self.streams.take(request.uri().path()) else {
            return text(StatusCode::NOT_FOUND, "no such stream, or it was used already");
        };
        let accepted = match &asked {
            Asked::PortForward(_) => accept_port_forward(request.headers()),
            _ => accept_remote_command(request.headers()),
        };
        match accepted {
            Ok(Upgrade { protocol, response }) => {
                let runtime = self.clone();
                self.tasks.spawn_until_stopped("stream", async move {
                    match hyper::upgrade::on(request).await {
                        Ok(io) => runtime.serve_asked(asked, TokioIo::new(io), protocol).await,
                        Err(error) => tracing::debug!(%error, "the client left before the upgrade"),
                    }
                });
                response.map(|()| Full::default())
            }
            Err(error) => refused(&error),
        }
    }

    async fn serve_asked(
        &self,
        asked: Asked,
        io: TokioIo<hyper::upgrade::Upgraded>,
        protocol: corten_streaming::Protocol,
    ) {
        let (kind, asked) = match asked {
            Asked::Exec(r) => (options(r.stdin, r.stdout, r.stderr, r.tty), Command::Exec(r)),
            Asked::Attach(r) => (options(r.stdin, r.stdout, r.stderr, r.tty), Command::Attach(r)),
            Asked::PortForward(request) => return self.forward(request, io, protocol).await,
        };
        let Ok(options) = kind else { return };
        match remote_command::serve(io, protocol, options, &self.tasks).await {
            Ok(session) => Box::pin(self.command(asked, session)).await,
            Err(error) => tracing::debug!(%error, "a remote command ended before it began"),
        }
    }

    async fn command(&self, asked: Command, session: ServerSession) {
        let ServerSession { stdin, stdout, stderr, resize, status, ended } = session;
        let streams = exec::Streams { stdin, stdout, stderr, resize };
        let running = async {
            match asked {
                Command::Exec(r) => {
                    self.run_on(&r.container_id, r.cmd, r.tty, streams).await.map(Outcome::exit)
                }
                Command::Attach(r) => {
                    self.join_streams(&r.container_id, streams).await.map(|()| Outcome::Success)
                }
            }
        };
        // A client that leaves takes its command along.
        let Some(outcome) = Box::pin(ended.run(running)).await else { return };
        let outcome = outcome.unwrap_or_else(|error| {
            Outcome::internal_error(format!("error executing command in container: {}", error.message()))
        });
        status.finish(&outcome).await;
    }

    async fn forward(
        &self,
        request: PortForwardRequest,
        io: TokioIo<hyper::upgrade::Upgraded>,
        protocol: corten_streaming::Protocol,
    ) {
        let ports: Vec<u16> = request.port.iter().filter_map(|p| u16::try_from(*p).ok()).collect();
        let mut server = match port_forward::serve(io, protocol, &ports, &self.tasks).await {
            Ok(server) => server,
            Err(error) => return tracing::debug!(%error, "port-forward ended"),
        };
        while let Some(forwarded) = server.next().await {
            let (runtime, sandbox) = (self.clone(), request.pod_sandbox_id.clone());
            self.tasks.spawn_until_stopped("forwarded connection", async move {
                let Forwarded { port, reader, writer, mut error } = forwarded;
                if let Err(why) = runtime.connect(&sandbox, port, reader, writer).await {
                    let words = format!("failed to execute portforward in sandbox {sandbox:?}: {why}");
                    let _ = error.send(words.into()).await;
                }
            });
        }
    }

    /// Joins a client with a port of a sandbox until the sandbox's side ends.
    async fn connect(
        &self,
        sandbox: &str,
        port: u16,
        mut reader: corten_streaming::PipeReader,
        mut writer: corten_streaming::PipeWriter,
    ) -> Result<(), String> {
        let found = self.table.sandbox(sandbox).map_err(|e| e.message().to_owned())?;
        let supervisor = found.ready().ok_or("the sandbox is not running")?;
        let socket = supervisor.connect(port).await.map_err(|e| e.to_string())?;
        let socket = std::net::TcpStream::from(socket);
        let prepared = socket.set_nonblocking(true).and_then(|()| TcpStream::from_std(socket));
        let (mut from_pod, mut to_pod) = prepared.map_err(|e| e.to_string())?.into_split();
        let sending = async {
            let _ = tokio::io::copy(&mut reader, &mut to_pod).await;
            // The half-close; what the pod still answers comes through.
            drop(to_pod);
            std::future::pending::<()>().await;
        };
        tokio::select! {
            received = tokio::io::copy(&mut from_pod, &mut writer) => match received {
                // That nobody reads any more is the client's own choice.
                Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.to_string()),
                _ => Ok(()),
            },
            () = sending => Ok(()),
        }
    }
}

/// What runs on a session's streams.
enum Command {
    Exec(ExecRequest),
    Attach(AttachRequest),
}

fn text(status: StatusCode, words: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(words.to_owned()));
    *response.status_mut() = status;
    response
}

fn refused(error: &UpgradeError) -> Response<Full<Bytes>> {
    let mut response = text(error.status, &error.to_string());
    error.headers.iter().for_each(|(name, value)| {
        response.headers_mut().append(name, value.clone());
    });
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_offer_is_good_once_and_for_a_while() {
        let streams = Streams::listen().await.expect("a port");
        let path = |url: String| url.splitn(4, '/').nth(3).map(|p| format!("/{p}")).expect("a path");
        let exec = || Asked::Exec(ExecRequest::default());
        let first = path(streams.offer(exec()).expect("offered"));
        assert!(first.starts_with("/exec/"));
        assert!(streams.take(&first).is_some() && streams.take(&first).is_none());
        let late = path(streams.offer(exec()).expect("offered"));
        corten_rt::sleep(GOOD).await;
        assert!(streams.take(&late).is_none());
        for bad in ["", "/", "/exec", "/exec/", "/exec/none"] {
            assert!(streams.take(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn streams_are_checked() {
        assert!(options(true, true, true, false).is_ok());
        assert!(options(false, false, false, false).is_err());
        assert!(options(true, true, true, true).is_err());
    }
}
