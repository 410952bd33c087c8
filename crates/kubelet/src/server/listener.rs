//! Connections, and the way of a request through them.

use super::response::{Answer, Body, Refusal, full};
use super::route::{Route, find};
use super::{Node, access, health, logs, machine_logs, metrics, pods, query::Query, streams, summary};
use corten_auth::authenticate::Peer;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;

/// Open connections; further ones wait.
const CONNECTIONS: usize = 4096;
/// How long a client may take for the handshake, and for a request's headers.
const PATIENCE: Duration = Duration::from_secs(30);

/// Accepts connections for as long as it is polled.
pub async fn accept(listener: TcpListener, tls: Arc<rustls::ServerConfig>, node: Arc<Node>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let tls = TlsAcceptor::from(tls);
    loop {
        let Ok(place) = room.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let serving = serve(stream, tls.clone(), node.clone(), place);
                node.tasks.spawn_until_stopped("node API connection", serving);
            }
            Err(error) => {
                tracing::warn!(%error, "a connection to the node's API could not be accepted");
                corten_rt::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, tls: TlsAcceptor, node: Arc<Node>, _place: OwnedSemaphorePermit) {
    let _ = stream.set_nodelay(true);
    let stream = match corten_rt::timeout(PATIENCE, tls.accept(stream)).await {
        Some(Ok(stream)) => stream,
        failed => {
            tracing::debug!(?failed, "TLS handshake failed");
            return;
        }
    };
    let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
    let peer = Arc::new(node.certificates.peer(chain, node.clock.now()));
    let service = service_fn(move |request| {
        let (node, peer) = (node.clone(), peer.clone());
        async move { Ok::<_, Infallible>(respond(node, &peer, request).await) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a connection to the node's API ended early");
    }
}

async fn respond(node: Arc<Node>, peer: &Peer, request: Request<Incoming>) -> Response<Body> {
    Box::pin(answer(node, peer, request)).await.unwrap_or_else(Refusal::into_response)
}

async fn answer(node: Arc<Node>, peer: &Peer, request: Request<Incoming>) -> Answer {
    let route = find(request.uri().path());
    if route == Some(Route::Healthz) {
        return Ok(full("ok", "text/plain; charset=utf-8"));
    }
    access::check(&node, peer, request.headers(), request.method(), request.uri().path()).await?;
    let query = Query::parse(request.uri().query().unwrap_or_default());
    let json = |body: Vec<u8>| Ok(full(body, "application/json"));
    let metrics = |text: String| Ok(full(text, metrics::TEXT_FORMAT));
    match route.ok_or_else(|| Refusal::not_found("404 page not found"))? {
        Route::Healthz => Ok(full("ok", "text/plain; charset=utf-8")),
        Route::SyncLoop => health::sync_loop(&node),
        Route::Configuration => json(node.directory.configuration().to_string().into_bytes()),
        Route::Pods => json(pods::list(&node.directory.pods())),
        Route::RunningPods => json(pods::running(&node.directory.pods())),
        Route::NodeLogs(path) => machine_logs::answer(&path).await,
        Route::Logs(target) => logs::answer(&node, &target, &query).await,
        Route::Exec(target) => streams::exec(&node, request, &target, &query).await,
        Route::Attach(target) => streams::attach(&node, request, &target, &query).await,
        Route::PortForward(target) => streams::port_forward(&node, request, &target, &query).await,
        Route::Metrics => metrics(metrics::metrics(&node).await),
        Route::ResourceMetrics => metrics(metrics::resource(&node).await),
        Route::CadvisorMetrics => metrics(metrics::cadvisor(&node).await),
        Route::ProbeMetrics => metrics(metrics::probes(&node)),
        Route::Summary => json(summary::answer(&node, &query).await),
    }
}
