//! Our ends against upstream's: its clients (exec, port-forward, each over SPDY and WebSocket) call our server, and
//! our clients call the server that container runtimes use. The Go program is in `tests/clients/streaming`; these
//! tests say so and do nothing where `go` or its modules are not to be had.

use bytes::Bytes;
use corten_rt::{Stop, Tasks, timeout};
use corten_streaming::port_forward::{self, Client, Forwarded};
use corten_streaming::remote_command::{self, Options, Outcome, ServerSession, TerminalSize};
use corten_streaming::{DialError, EXEC_SPDY_V4, EXEC_WEBSOCKET_V4, EXEC_WEBSOCKET_V5, FORWARD_SPDY};
use corten_streaming::{Exchange, copy_both, dial, exchange, upgrade};
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::OnceLock;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;

/// The Go program, built once for all tests; `None` where it cannot be.
fn program() -> Option<&'static PathBuf> {
    static PROGRAM: OnceLock<Option<PathBuf>> = OnceLock::new();
    PROGRAM
        .get_or_init(|| {
            let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/clients/streaming");
            let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("streaming-go");
            let go = |arguments: &[&str]| {
                let go = std::process::Command::new("go").args(arguments).current_dir(source).output();
                go.map_err(|e| e.to_string()).and_then(|done| match done.status.success() {
                    true => Ok(()),
                    false => Err(String::from_utf8_lossy(&done.stderr).into_owned()),
                })
            };
            if let Err(e) = go(&["mod", "download"]) {
                eprintln!("skipped: go or its modules are not to be had: {e}");
                return None;
            }
            go(&["build", "-o", &target.display().to_string(), "."]).expect("the Go program builds");
            Some(target)
        })
        .as_ref()
}

// --- our server ---

fn options(query: &str) -> Options {
    let is = |name: &str| query.split('&').any(|pair| pair == format!("{name}=true"));
    let options = Options { stdin: is("stdin"), stdout: is("stdout"), stderr: is("stderr"), tty: is("tty") };
    options.checked().expect("a stream")
}

async fn answer(mut request: Request<Incoming>, tasks: Tasks) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    let accepted = match path.as_str() {
        "/portforward" => upgrade::accept_port_forward(request.headers()),
        _ => upgrade::accept_remote_command(request.headers()),
    };
    let upgrade = match accepted {
        Ok(upgrade) => upgrade,
        Err(e) => {
            let mut response = Response::new(Full::from(e.to_string()));
            *response.status_mut() = e.status;
            response.headers_mut().extend(e.headers);
            return Ok(response);
        }
    };
    let query = request.uri().query().unwrap_or_default().to_owned();
    let (protocol, inner) = (upgrade.protocol, tasks.clone());
    let upgraded = hyper::upgrade::on(&mut request);
    tasks.spawn_until_stopped("upgraded", async move {
        let io = TokioIo::new(upgraded.await.expect("upgraded"));
        if path == "/portforward" {
            let mut server = port_forward::serve(io, protocol, &[], &inner).await.expect("served");
            while let Some(forwarded) = server.next().await {
                inner.spawn_until_stopped("pod", pod(forwarded));
            }
            return;
        }
        let session = remote_command::serve(io, protocol, options(&query), &inner).await.expect("served");
        if path == "/sizes" { sizes(session).await } else { cat(session).await }
    });
    Ok(upgrade.response.map(|()| Full::default()))
}

async fn pod(forwarded: Forwarded) {
    let Forwarded { port, mut reader, mut writer, mut error } = forwarded;
    if port != 80 {
        let _ = error.send(Bytes::from(format!("error forwarding port {port}: connection refused"))).await;
        return;
    }
    while let Some(chunk) = reader.next().await {
        if writer.send(chunk.to_ascii_uppercase().into()).await.is_err() {
            return;
        }
    }
}

async fn cat(mut session: ServerSession) {
    let (mut stdin, mut stdout) =
        (session.stdin.take().expect("stdin"), session.stdout.take().expect("stdout"));
    let count = tokio::io::copy(&mut stdin, &mut stdout).await.expect("copied");
    let mut stderr = session.stderr.take().expect("stderr");
    stderr.write_all(format!("saw {count}").as_bytes()).await.expect("written");
    drop((stdout, stderr));
    session.status.finish(&Outcome::exit(7)).await;
}

async fn sizes(mut session: ServerSession) {
    let (mut resize, mut stdout) =
        (session.resize.take().expect("tty"), session.stdout.take().expect("stdout"));
    for _ in 0..2 {
        let size = resize.next().await.expect("a size");
        stdout.write_all(format!("{}x{} ", size.width, size.height).as_bytes()).await.expect("written");
    }
    drop(stdout);
    session.status.finish(&Outcome::Success).await;
}

/// A proxy that knows nothing of what it carries, as the API server is towards the kubelet.
async fn pass_on(
    mut request: Request<Incoming>,
    address: SocketAddr,
    tasks: Tasks,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let upgraded = hyper::upgrade::on(&mut request);
    let io = TcpStream::connect(address).await.expect("connected");
    match exchange(io, request.map(|_| ()), &tasks).await.expect("an answer") {
        Exchange::Answered(response) => Ok(response.map(Full::from)),
        Exchange::Upgraded(response, server) => {
            tasks.spawn_until_stopped("copying", async move {
                let client = TokioIo::new(upgraded.await.expect("upgraded"));
                let _ = copy_both(client, server).await;
            });
            Ok(response.map(|()| Full::default()))
        }
    }
}

/// Serves on a port of loopback; with `behind`, by passing everything on to it.
async fn listen(tasks: &Tasks, behind: Option<SocketAddr>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let inner = tasks.clone();
    tasks.spawn_until_stopped("listener", async move {
        while let Ok((io, _)) = listener.accept().await {
            let each = inner.clone();
            let service = service_fn(move |request| {
                let tasks = each.clone();
                async move {
                    match behind {
                        Some(address) => pass_on(request, address, tasks).await,
                        None => answer(request, tasks).await,
                    }
                }
            });
            inner.spawn_until_stopped("http", async move {
                let _ = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(io), service)
                    .with_upgrades()
                    .await;
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn upstreams_clients_against_our_server() {
    let Some(program) = program() else { return };
    let tasks = Tasks::new(Stop::new());
    let direct = listen(&tasks, None).await;
    let proxied = listen(&tasks, Some(direct)).await;
    for address in [direct, proxied] {
        let url = format!("http://{address}");
        let running = Command::new(program).args(["client", &url]).kill_on_drop(true).output();
        let done = timeout(Duration::from_secs(120), running).await.expect("no hang").expect("runs");
        let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        assert!(done.status.success(), "{out}\n{err}");
        assert_eq!(out.lines().filter(|line| line.starts_with("ok ")).count(), 7, "{out}\n{err}");
    }
    assert!(tasks.shutdown(Duration::from_secs(10)).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_clients_against_upstreams_server() {
    let Some(program) = program() else { return };
    let mut server =
        Command::new(program).arg("server").stdout(Stdio::piped()).kill_on_drop(true).spawn().expect("runs");
    let mut lines = BufReader::new(server.stdout.take().expect("piped")).lines();
    let base = format!("http://{}", lines.next_line().await.expect("read").expect("an address"));
    let tasks = Tasks::new(Stop::new());
    let talking = Box::pin(async {
        for protocol in [EXEC_SPDY_V4, EXEC_WEBSOCKET_V4] {
            terminal(&base, protocol, &tasks).await;
        }
        exec(&base, &tasks).await;
        forward(&base, &tasks).await;
        let refused = dial(&format!("{base}/nothing"), EXEC_SPDY_V4, &tasks).await.expect_err("no such page");
        assert!(matches!(refused, DialError::Refused { status: StatusCode::NOT_FOUND, .. }), "{refused}");
        // The runtime knows no v5: the refusal is an error, not a session.
        let url = format!("{base}/exec?stdout=true");
        assert!(dial(&url, EXEC_WEBSOCKET_V5, &tasks).await.is_err());
    });
    timeout(Duration::from_secs(60), talking).await.expect("no hang");
    assert!(tasks.shutdown(Duration::from_secs(10)).await);
    server.kill().await.expect("stopped");
}

async fn exec(base: &str, tasks: &Tasks) {
    let options = Options { stdin: true, stdout: true, stderr: true, tty: false };
    let url = format!("{base}/exec?stdin=true&stdout=true&stderr=true");
    let io = dial(&url, EXEC_SPDY_V4, tasks).await.expect("upgraded");
    let mut session = remote_command::connect_spdy(io, options, tasks).await.expect("opened");
    let input = b"0123456789abcdef".repeat(1 << 15);
    let (mut stdin, mut stdout) =
        (session.stdin.take().expect("stdin"), session.stdout.take().expect("stdout"));
    let mut stderr = session.stderr.take().expect("stderr");
    let sent = input.clone();
    let sending = async move { stdin.write_all(&sent).await.expect("sent") };
    let (mut out, mut err) = (Vec::new(), String::new());
    let (_, read_out, read_err, outcome) = tokio::join!(
        sending,
        stdout.read_to_end(&mut out),
        stderr.read_to_string(&mut err),
        session.status.outcome()
    );
    read_out.and(read_err).expect("read");
    assert!(out == input, "{} of {} bytes", out.len(), input.len());
    assert_eq!(err, format!("saw {}", input.len()));
    assert!(matches!(outcome, Outcome::Exit { code: 7, .. }), "{outcome:?}");
}

async fn terminal(base: &str, protocol: corten_streaming::Protocol, tasks: &Tasks) {
    let options = Options { stdin: true, stdout: true, stderr: false, tty: true };
    let url = format!("{base}/exec?stdin=true&stdout=true&tty=true");
    let io = dial(&url, protocol, tasks).await.expect("upgraded");
    let mut session = match protocol {
        EXEC_SPDY_V4 => remote_command::connect_spdy(io, options, tasks).await.expect("opened"),
        _ => remote_command::connect_websocket(io, protocol, options, tasks).await,
    };
    for (width, height) in [(80, 24), (120, 50)] {
        let resize = session.resize.as_mut().expect("tty");
        resize.send(TerminalSize { width, height }).await.expect("sent");
    }
    let mut out = String::new();
    session.stdout.take().expect("stdout").read_to_string(&mut out).await.expect("read");
    assert_eq!(out, "80x24 120x50 ");
    assert_eq!(session.status.outcome().await, Outcome::Success);
}

async fn forward(base: &str, tasks: &Tasks) {
    let io = dial(&format!("{base}/portforward"), FORWARD_SPDY, tasks).await.expect("upgraded");
    let client = Client::start(io, tasks).expect("started");
    for round in 1..20 {
        let mut dialed = client.open(80).await.expect("opened");
        let text = format!("round {round} ").repeat(round * 300);
        let (mut writer, sent) = (dialed.writer, text.clone());
        let sending = async move { writer.write_all(sent.as_bytes()).await.expect("sent") };
        let mut answer = String::new();
        let (_, read) = tokio::join!(sending, dialed.reader.read_to_string(&mut answer));
        read.expect("read");
        assert!(answer == text.to_uppercase(), "round {round}: {} of {} bytes", answer.len(), text.len());
        assert_eq!(dialed.error.read_all(99).await, b"");
    }
    let mut dialed = client.open(81).await.expect("opened");
    assert_eq!(dialed.reader.next().await, None);
    let error = dialed.error.read_all(999).await;
    assert!(String::from_utf8_lossy(&error).contains("connection refused"), "{error:?}");
}
