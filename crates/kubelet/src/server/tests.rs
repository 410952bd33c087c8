//! The server over TLS, before a runtime that answers the few calls it makes.

mod runtime;

use super::*;
use bytes::Bytes;
use corten_api::core::v1::{Container, ContainerState, ContainerStateWaiting, ContainerStatus};
use corten_auth::pki::{Authority, KUBELET_CLIENT, Leaf, Purpose};
use corten_node_api::CriConfig;
use corten_node_api::cri::{ExecRequest, ExecResponse, PortForwardResponse};
use corten_rt::Stop;
use corten_streaming::remote_command::{self, Options, Outcome};
use corten_streaming::upgrade::{accept_port_forward, accept_remote_command};
use corten_streaming::{
    EXEC_SPDY_V4, EXEC_WEBSOCKET_V5, FORWARD_SPDY, Protocol, Transport, dial_over, port_forward,
};
use http::{HeaderMap, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use std::convert::Infallible;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixListener};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A directory of one pod, `ns/web`, whose container `c` runs and whose container `w` waits.
struct OnePod {
    logs: PathBuf,
    container: String,
    sandbox: String,
}

#[async_trait]
impl PodDirectory for OnePod {
    fn pods(&self) -> Vec<Arc<Pod>> {
        let mut pod = Pod::default();
        (pod.metadata.namespace, pod.metadata.name) = ("ns".into(), "web".into());
        pod.metadata.uid = "u-1".into();
        let container = |name: &str| Container { name: name.into(), ..Container::default() };
        pod.spec.containers = vec![container("c"), container("w")];
        let waiting = ContainerStateWaiting { reason: "ContainerCreating".into(), ..Default::default() };
        let state = ContainerState { waiting: Some(Box::new(waiting)), ..Default::default() };
        pod.status.container_statuses =
            vec![ContainerStatus { name: "w".into(), state, ..Default::default() }];
        vec![Arc::new(pod)]
    }

    async fn container(&self, _: &str, _: &str, container: &str, previous: bool) -> Option<ContainerRef> {
        let (id, log_path) = (self.container.clone(), self.logs.join("0.log"));
        let here = container == "c" && !previous;
        here.then_some(ContainerRef { id, attempt: 0, running: true, log_path })
    }

    async fn sandbox(&self, _: &str, _: &str) -> Option<String> {
        Some(self.sandbox.clone())
    }

    /// Lets everybody with a certificate see metrics.
    async fn may(&self, _: &UserInfo, verb: &str, subresource: &str) -> Result<bool, String> {
        Ok((verb, subresource) == ("get", "metrics"))
    }
}

/// Serves the calls `Exec`, `Attach` and `PortForward`, whose URLs lead to `streaming`.
async fn runtime(listener: UnixListener, streaming: SocketAddr) {
    loop {
        let Ok((io, _)) = listener.accept().await else { return };
        let service = service_fn(move |request: Request<Incoming>| async move {
            let method = request.uri().path().rsplit('/').next().unwrap_or_default().to_string();
            let body = request.into_body().collect().await.map(|b| b.to_bytes()).unwrap_or_default();
            let url = format!("http://{streaming}/{method}");
            let (reply, status) = match method.as_str() {
                "Exec" => {
                    let asked = ExecRequest::decode(&body[5..]).expect("a request");
                    let url = format!("{url}?{}", asked.cmd.join("+"));
                    assert_eq!(asked.container_id, "id-c");
                    (ExecResponse { url }.encode_to_vec(), "0")
                }
                "PortForward" => (PortForwardResponse { url }.encode_to_vec(), "0"),
                "ListContainerStats" => (Vec::new(), "0"),
                _ => (Vec::new(), "12"),
            };
            let mut framed = vec![0];
            framed.extend((reply.len() as u32).to_be_bytes());
            framed.extend(reply);
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", status.parse().expect("a value"));
            let frames = [Frame::data(Bytes::from(framed)), Frame::trailers(trailers)];
            let body = StreamBody::new(futures::stream::iter(frames.map(Ok::<_, Infallible>)));
            let mut response = Response::new(body);
            response.headers_mut().insert("content-type", "application/grpc".parse().expect("a value"));
            Ok::<_, Infallible>(response)
        });
        let http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        let _ = http.serve_connection(TokioIo::new(io), service).await;
    }
}

/// Runs every command as `cat` that ends with code 7, and every port as an echo.
async fn stream_server(listener: TcpListener, tasks: Tasks) {
    loop {
        let Ok((io, _)) = listener.accept().await else { return };
        let outer = tasks.clone();
        let service = service_fn(move |mut request: Request<Incoming>| {
            let tasks = outer.clone();
            async move {
                let forwards = request.uri().path().contains("PortForward");
                let accept = if forwards { accept_port_forward } else { accept_remote_command };
                let upgrade = accept(request.headers()).expect("an upgrade");
                let (upgraded, protocol) = (hyper::upgrade::on(&mut request), upgrade.protocol);
                let within = tasks.clone();
                tasks.spawn("stream", async move {
                    let io = TokioIo::new(upgraded.await.expect("upgraded"));
                    if forwards {
                        echo(io, protocol, &within).await
                    } else {
                        cat(io, protocol, &within).await
                    }
                });
                Ok::<_, Infallible>(upgrade.response.map(|()| Empty::<Bytes>::new()))
            }
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(io), service)
            .with_upgrades();
        tasks.spawn_until_stopped("runtime connection", async move { drop(connection.await) });
    }
}

type Upgraded = TokioIo<hyper::upgrade::Upgraded>;

async fn cat(io: Upgraded, protocol: Protocol, tasks: &Tasks) {
    let options = Options { stdin: true, stdout: true, ..Options::default() };
    let mut session = remote_command::serve(io, protocol, options, tasks).await.expect("a session");
    let (mut stdin, mut stdout) = (session.stdin.take().expect("in"), session.stdout.take().expect("out"));
    while let Some(chunk) = stdin.next().await {
        stdout.send(chunk).await.expect("somebody reads");
    }
    drop(stdout);
    session.status.finish(&Outcome::exit(7)).await;
}

async fn echo(io: Upgraded, protocol: Protocol, tasks: &Tasks) {
    let mut server = port_forward::serve(io, protocol, &[], tasks).await.expect("a server");
    while let Some(mut forwarded) = server.next().await {
        let mut text = forwarded.reader.read_all(1000).await;
        text.extend(format!(" at {}", forwarded.port).bytes());
        forwarded.writer.write_all(&text).await.expect("somebody reads");
    }
}

struct Bench {
    tasks: Tasks,
    authority: Authority,
    address: SocketAddr,
    dir: tempfile::TempDir,
    _server: NodeServer,
}

impl Bench {
    /// Before a runtime in memory.
    async fn start() -> Bench {
        let (tasks, dir) = (Tasks::new(Stop::new()), tempfile::tempdir().expect("directory"));
        let streaming = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let at = streaming.local_addr().expect("an address");
        tasks.spawn_until_stopped("streaming server", stream_server(streaming, tasks.clone()));
        let socket = dir.path().join("cri.sock");
        tasks.spawn_until_stopped("runtime", runtime(UnixListener::bind(&socket).expect("a socket"), at));
        let cri = CriClient::new(&CriConfig::new(format!("unix://{}", socket.display()))).expect("a client");
        let pod = OnePod { logs: dir.path().into(), container: "id-c".into(), sandbox: "id-sandbox".into() };
        Bench::before(cri, pod, dir, tasks).await
    }

    async fn before(cri: CriClient, pod: OnePod, dir: tempfile::TempDir, tasks: Tasks) -> Bench {
        let clock = Clock::system();
        let authority = Authority::create("kubernetes", clock.now()).expect("an authority");
        let leaf = Leaf {
            common_name: "system:node:n".into(),
            addresses: vec!["127.0.0.1".parse().expect("an address")],
            purpose: Purpose::Server,
            ..Leaf::default()
        };
        let config = ServerConfig {
            address: "127.0.0.1:0".parse().expect("an address"),
            identity: authority.issue(&leaf, clock.now()).expect("a certificate"),
            authority: authority.pem().to_string(),
            node_name: "n".into(),
        };
        let server = NodeServer::start(config, Arc::new(pod), cri, clock, &tasks).await.expect("started");
        Bench { tasks, authority, address: server.address(), dir, _server: server }
    }

    fn client(&self, user: &str, group: &str) -> Identity {
        self.authority.issue(&Leaf::client(user, group), Clock::system().now()).expect("a certificate")
    }

    async fn connect(&self, identity: Option<&Identity>) -> TlsStream<TcpStream> {
        let authorities = [self.authority.certificate().clone()];
        let mut config = tls::client_config(&authorities, identity).expect("a configuration");
        config.alpn_protocols.clear();
        let io = TcpStream::connect(self.address).await.expect("connected");
        let name = "127.0.0.1".try_into().expect("a name");
        TlsConnector::from(Arc::new(config)).connect(name, io).await.expect("a handshake")
    }

    async fn get_as(&self, identity: Option<&Identity>, path: &str) -> (StatusCode, String) {
        let io = TokioIo::new(self.connect(identity).await);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.expect("HTTP");
        self.tasks.spawn_until_stopped("client", async move { drop(connection.await) });
        let request = Request::get(path).header("host", "n").body(Full::<Bytes>::default()).expect("valid");
        let response = sender.send_request(request).await.expect("an answer");
        let status = response.status();
        let body = response.into_body().collect().await.expect("a body").to_bytes();
        (status, String::from_utf8_lossy(&body).into_owned())
    }

    async fn get(&self, path: &str) -> (u16, String) {
        let (status, text) = self.get_as(Some(&self.client(KUBELET_CLIENT, "")), path).await;
        (status.as_u16(), text)
    }

    /// An upgraded connection, as the API server's.
    async fn upgrade(&self, path: &str, protocol: Protocol) -> Result<corten_streaming::Connected, String> {
        let io = self.connect(Some(&self.client("admin", "system:masters"))).await;
        let uri: Uri = format!("https://{}{path}", self.address).parse().expect("a URI");
        dial_over(io, &uri, HeaderMap::new(), protocol, &self.tasks).await.map_err(|e| e.to_string())
    }

    async fn end(self) {
        assert!(self.tasks.shutdown(Duration::from_secs(5)).await);
    }
}

#[tokio::test]
async fn only_the_api_server_and_administrators_are_let_in() {
    let b = Bench::start().await;
    let stranger = Authority::create("kubernetes", Clock::system().now()).expect("another authority");
    let stranger =
        stranger.issue(&Leaf::client("x", "system:masters"), Clock::system().now()).expect("issued");
    for (identity, path, want) in [
        (None, "/healthz", 200),
        (None, "/pods", 401),
        (Some(stranger), "/pods", 401),
        (Some(b.client("system:node:n", "system:nodes")), "/pods", 403),
        (Some(b.client("system:node:n", "system:nodes")), "/metrics/resource", 200),
        (Some(b.client("system:node:n", "system:nodes")), "/configz", 403),
        (Some(b.client(KUBELET_CLIENT, "")), "/pods", 200),
        (Some(b.client("ann", "system:masters")), "/pods", 200),
        (Some(b.client("ann", "system:masters")), "/nothing", 404),
    ] {
        let (status, text) = b.get_as(identity.as_ref(), path).await;
        assert_eq!(status, want, "{path}: {text}");
    }
    let (_, pods) = b.get("/pods").await;
    let pods: serde_json::Value = serde_json::from_str(&pods).expect("JSON");
    assert_eq!((&pods["kind"], &pods["items"][0]["metadata"]["name"]), (&"PodList".into(), &"web".into()));
    let (_, summary) = b.get("/stats/summary").await;
    assert!(summary.contains("\"nodeName\":\"n\""), "{summary}");
    assert!(b.get("/metrics").await.1.contains("kubelet_desired_pods{static=\"\"} 1"));
    b.end().await;
}

#[tokio::test]
async fn logs_are_served_and_their_absence_explained() {
    let b = Bench::start().await;
    assert_eq!(b.get("/containerLogs/ns/web/c").await, (200, String::new()));
    let lines = "2026-01-01T00:00:00Z stdout F one\n2026-01-01T00:00:01Z stdout F two\n";
    std::fs::write(b.dir.path().join("0.log"), lines).expect("written");
    for (path, status, text) in [
        ("/containerLogs/ns/web/c", 200, "one\ntwo\n"),
        ("/containerLogs/ns/web/c?tailLines=1&timestamps=true", 200, "2026-01-01T00:00:01.000000000Z two\n"),
        ("/containerLogs/ns/web/c?limitBytes=2", 200, "on"),
        ("/containerLogs/ns/web/x", 404, "Container \"x\" not found in Pod \"web\"\n"),
        ("/containerLogs/ns/gone/c", 404, "pod \"gone\" not found\n"),
        (
            "/containerLogs/ns/web/c?previous=true",
            400,
            "previous terminated container \"c\" in pod \"web\" not found\n",
        ),
        (
            "/containerLogs/ns/web/w",
            400,
            "container \"w\" in pod \"web\" is waiting to start: ContainerCreating\n",
        ),
    ] {
        assert_eq!(b.get(path).await, (status, text.to_string()), "{path}");
    }
    assert_eq!(b.get("/containerLogs/ns/web/c?tailLines=x").await.0, 422);
    b.end().await;
}

#[tokio::test]
async fn commands_run_through_the_runtime() {
    let b = Bench::start().await;
    let path = "/exec/ns/web/c?command=cat&command=-u&input=1&output=1";
    let options = Options { stdin: true, stdout: true, ..Options::default() };
    for protocol in [EXEC_WEBSOCKET_V5, EXEC_SPDY_V4] {
        let io = b.upgrade(path, protocol).await.expect("upgraded");
        let mut session = match protocol.transport {
            Transport::Spdy => remote_command::connect_spdy(io, options, &b.tasks).await.expect("streams"),
            _ => remote_command::connect_websocket(io, protocol, options, &b.tasks).await,
        };
        let mut stdin = session.stdin.take().expect("in");
        stdin.write_all(b"hello").await.expect("sent");
        drop(stdin);
        let mut text = String::new();
        let mut stdout = session.stdout.take().expect("out");
        let reading = corten_rt::timeout(Duration::from_secs(20), stdout.read_to_string(&mut text));
        reading.await.expect("in time").expect("read");
        assert_eq!((text.as_str(), session.status.outcome().await), ("hello", Outcome::exit(7)));
    }
    for (path, want) in [
        ("/exec/ns/web/c?output=1", "400"),
        ("/exec/ns/web/c?command=cat", "at least 1 of stdin, stdout, stderr"),
        ("/exec/ns/web/x?command=cat&output=1", "container not found (\"x\")"),
        ("/attach/ns/web/c?output=1", "does not implement"),
    ] {
        let refusal = b.upgrade(path, EXEC_WEBSOCKET_V5).await.map(|_| ()).expect_err("refused");
        assert!(refusal.contains(want), "{path}: {refusal}");
    }
    assert_eq!(b.get(path).await.0, 400, "no upgrade was asked for");
    b.end().await;
}

#[tokio::test]
async fn ports_are_forwarded_through_the_runtime() {
    let b = Bench::start().await;
    let io = b.upgrade("/portForward/ns/web", FORWARD_SPDY).await.expect("upgraded");
    let client = port_forward::Client::start(io, &b.tasks).expect("a client");
    for port in [80, 8080] {
        let mut dialed = client.open(port).await.expect("opened");
        dialed.writer.write_all(b"hello").await.expect("sent");
        drop(dialed.writer);
        let text = corten_rt::timeout(Duration::from_secs(20), dialed.reader.read_all(1000)).await;
        assert_eq!(text, Some(format!("hello at {port}").into_bytes()));
    }
    drop(client);
    b.end().await;
}
