//! Logs, exec and proxies, against a kubelet and a pod of the test's own.

use crate::world::{Call, World};
use bytes::Bytes;
use corten_auth::tls::{ServerIdentity, server_config};
use corten_streaming::websocket;
use futures::StreamExt;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// Tells what it was asked; grants any upgrade and then sends back what it gets.
async fn echo(mut request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let line = format!("{} {}\n", request.method(), request.uri());
    if let Some(protocol) = request.headers().get("upgrade").cloned() {
        let upgrade = hyper::upgrade::on(&mut request);
        #[allow(clippy::disallowed_methods)]
        tokio::spawn(async move {
            let Ok(io) = upgrade.await else { return };
            let (mut from, mut to) = tokio::io::split(TokioIo::new(io));
            let _ = to.write_all(line.as_bytes()).await;
            if line.contains("/bye") {
                let _ = to.shutdown().await;
            }
            let ended = tokio::io::copy(&mut from, &mut to).await;
            if line.contains("/end") && ended.is_ok() {
                let _ = to.write_all(b" and the end").await;
                let _ = to.shutdown().await;
            }
        });
        let granted =
            Response::builder().status(101).header("connection", "upgrade").header("upgrade", protocol);
        return Ok(granted.body(Full::default()).expect("a response"));
    }
    let (path, code) = (request.uri().path().to_string(), if line.contains("refuse") { 400 } else { 200 });
    let secret = request.headers().contains_key("authorization");
    let body = request.into_body().collect().await.expect("a body").to_bytes();
    let text = format!("{line}{}{}", String::from_utf8_lossy(&body), if secret { "SECRET" } else { "" });
    let mut response = Response::builder().status(code);
    if path == "/page" {
        let page = r#"<a href="/b">b</a><a href="c">c</a>"#;
        let page = response.header("content-type", "text/html; charset=utf-8").body(Full::from(page));
        return Ok(page.expect("a response"));
    }
    if path == "/moved" {
        response = response.status(302).header("location", "/elsewhere");
    }
    Ok(response.body(Full::from(text)).expect("a response"))
}

async fn serve<T>(io: T)
where
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let connection =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(io), service_fn(echo));
    let _ = connection.with_upgrades().await;
}

/// A kubelet on loopback that asks for the server's client certificate.
async fn kubelet(world: &World) -> SocketAddr {
    let now = corten_rt::Clock::system().now();
    let loopback = [std::net::IpAddr::from([127, 0, 0, 1])];
    let identity = world.pki.node_server("n", &loopback, now).expect("a certificate");
    let identity = Arc::new(ServerIdentity::new(&identity).expect("an identity"));
    let mut tls = server_config(identity, std::slice::from_ref(world.pki.ca.certificate())).expect("TLS");
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (acceptor, tasks) = (TlsAcceptor::from(Arc::new(tls)), world.tasks.clone());
    world.tasks.spawn_until_stopped("test kubelet", async move {
        while let Ok((io, _)) = listener.accept().await {
            let Ok(io) = acceptor.accept(io).await else { continue };
            assert!(io.get_ref().1.peer_certificates().is_some(), "the server shows its certificate");
            tasks.spawn_until_stopped("test kubelet connection", serve(io));
        }
    });
    address
}

/// An address of this machine that is not loopback, which no pod may have.
fn own_address() -> Option<std::net::IpAddr> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("10.255.255.255:9").ok()?;
    socket.local_addr().ok().map(|a| a.ip()).filter(|ip| !ip.is_loopback() && !ip.is_unspecified())
}

/// A plain HTTP server, as a pod would be.
async fn plain(world: &World, ip: std::net::IpAddr) -> SocketAddr {
    let listener = TcpListener::bind((ip, 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let tasks = world.tasks.clone();
    world.tasks.spawn_until_stopped("test pod", async move {
        while let Ok((io, _)) = listener.accept().await {
            tasks.spawn_until_stopped("test pod connection", serve(io));
        }
    });
    address
}

/// A node whose kubelet is ours, and a pod on it.
async fn populate(world: &World, kubelet: SocketAddr) {
    world.furnish().await;
    let node = world.admin("POST", "/api/v1/nodes", r#"{"metadata":{"name":"n"}}"#).await;
    assert_eq!(node.code, 201, "{}", node.text());
    let status = format!(
        r#"{{"status":{{"addresses":[{{"type":"InternalIP","address":"127.0.0.1"}}],"daemonEndpoints":{{"kubeletEndpoint":{{"Port":{}}}}}}}}}"#,
        kubelet.port()
    );
    let status = world.admin("PATCH", "/api/v1/nodes/n/status", &status).await;
    assert_eq!(status.code, 200, "{}", status.text());
    for name in ["p", "refuse"] {
        let pod = format!(
            r#"{{"metadata":{{"name":"{name}"}},"spec":{{"nodeName":"n","containers":[{{"name":"c","image":"i"}}]}}}}"#
        );
        let pod = world.admin("POST", "/api/v1/namespaces/default/pods", &pod).await;
        assert_eq!(pod.code, 201, "{}", pod.text());
    }
}

const POD: &str = "/api/v1/namespaces/default/pods/p";

#[tokio::test]
async fn logs_come_through() {
    let world = World::new().await;
    populate(&world, kubelet(&world).await).await;
    let log = world.admin("GET", &format!("{POD}/log?tailLines=5&follow=true"), "").await;
    assert_eq!((log.code, log.headers["content-type"].as_str()), (200, "text/plain"));
    assert_eq!(log.text(), "GET /containerLogs/default/p/c?follow=true&tailLines=5\n");
    let refused = world.admin("GET", "/api/v1/namespaces/default/pods/refuse/log", "").await.refusal();
    let want = (400, "BadRequest".into(), "GET /containerLogs/default/refuse/c".into());
    assert_eq!(refused, want);
    // The same over a WebSocket.
    let path = format!("{POD}/log");
    let headers: &[(&str, &str)] = &[
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("sec-websocket-protocol", "binary.k8s.io"),
    ];
    let call = Call { method: "GET", path: &path, headers, body: b"" };
    let granted = world.open(Some(&world.pki.admin), &call).await;
    assert_eq!(
        (granted.status().as_u16(), &granted.headers()["sec-websocket-protocol"]),
        (101, &"binary.k8s.io".parse().expect("a header"))
    );
    let io = hyper::upgrade::on(granted).await.expect("an upgrade");
    let mut messages = websocket::client(TokioIo::new(io)).await;
    let first = messages.next().await.expect("a message").expect("a message");
    assert_eq!(first.into_data(), "GET /containerLogs/default/p/c\n");
    drop(messages);
    world.end().await;
}

#[tokio::test]
async fn exec_is_handed_to_the_kubelet() {
    let world = World::new().await;
    populate(&world, kubelet(&world).await).await;
    let path = format!("{POD}/exec?command=sh&command=-c&stdin=true&stdout=true");
    let headers: &[(&str, &str)] = &[
        ("connection", "Upgrade"),
        ("upgrade", "SPDY/3.1"),
        ("x-stream-protocol-version", "v4.channel.k8s.io"),
    ];
    let call = Call { method: "POST", path: &path, headers, body: b"" };
    let granted = world.open(Some(&world.pki.admin), &call).await;
    assert_eq!(granted.status(), 101);
    let mut io = TokioIo::new(hyper::upgrade::on(granted).await.expect("an upgrade"));
    let want = "POST /exec/default/p/c?input=1&output=1&command=sh&command=-c\n";
    let mut line = vec![0; want.len()];
    io.read_exact(&mut line).await.expect("a line");
    assert_eq!(String::from_utf8_lossy(&line), want);
    io.write_all(b"hello").await.expect("sent");
    let mut back = [0; 5];
    let read = corten_rt::timeout(Duration::from_secs(5), io.read_exact(&mut back)).await;
    assert!(read.is_some_and(|r| r.is_ok()) && &back == b"hello");
    drop(io);
    let plain = world.admin("GET", &path, "").await.refusal();
    assert_eq!(plain, (400, "BadRequest".into(), "Upgrade request required".into()));
    world.end().await;
}

#[tokio::test]
async fn services_are_reached_through_the_proxy() {
    let world = World::new().await;
    populate(&world, kubelet(&world).await).await;
    let Some(ip) = own_address() else {
        println!("skipped: the machine has no address but loopback");
        return world.end().await;
    };
    let pod = plain(&world, ip).await;
    let service = r#"{"metadata":{"name":"s"},"spec":{"ports":[{"name":"web","port":80}]}}"#;
    let made = world.admin("POST", "/api/v1/namespaces/default/services", service).await;
    assert_eq!(made.code, 201, "{}", made.text());
    let proxy = "/api/v1/namespaces/default/services/s:web/proxy";
    let nobody = world.admin("GET", &format!("{proxy}/"), "").await.refusal();
    assert_eq!(nobody, (503, "ServiceUnavailable".into(), "no endpoints available for service \"s\"".into()));
    let slice = format!(
        r#"{{"metadata":{{"name":"s-1","labels":{{"kubernetes.io/service-name":"s"}}}},"addressType":"IPv4","endpoints":[{{"addresses":["10.0.0.1"],"conditions":{{"ready":false}}}},{{"addresses":["{ip}"],"targetRef":{{"kind":"Pod","namespace":"default","name":"p"}}}}],"ports":[{{"name":"web","port":{}}}]}}"#,
        pod.port()
    );
    let status = format!(r#"{{"status":{{"podIP":"{ip}","podIPs":[{{"ip":"{ip}"}}]}}}}"#);
    let status = world.admin("PATCH", &format!("{POD}/status"), &status).await;
    assert_eq!(status.code, 200, "{}", status.text());
    let slices = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices";
    let made = world.admin("POST", slices, &slice).await;
    assert_eq!(made.code, 201, "{}", made.text());
    let answer = world.admin("POST", &format!("{proxy}/a/b%20c?d=e"), "body").await;
    assert_eq!((answer.code, answer.text()), (200, "POST /a/b%20c?d=e\nbody".into()));
    let moved = world.admin("GET", &format!("{proxy}/moved"), "").await;
    let want = format!("{proxy}/elsewhere");
    assert_eq!((moved.code, moved.headers["location"].as_str()), (302, want.as_str()));
    let page = world.admin("GET", &format!("{proxy}/page"), "").await;
    assert_eq!(page.text(), format!(r#"<a href="{proxy}/b">b</a><a href="c">c</a>"#));
    let slash = world.admin("GET", &format!("{proxy}?q=1"), "").await;
    assert_eq!((slash.code, slash.headers["location"].as_str()), (301, format!("{proxy}/?q=1").as_str()));
    world.end().await;
}

/// TLS tells a proper end from a connection that was cut: the readers fail at the latter.
#[tokio::test]
async fn the_end_of_an_upgraded_connection_is_passed_on() {
    let world = World::new().await;
    populate(&world, kubelet(&world).await).await;
    for (path, own_words) in [("/bye", ""), ("/end", "last words")] {
        let path = format!("/api/v1/nodes/n/proxy{path}");
        let headers = [("connection", "upgrade"), ("upgrade", "echo")];
        let call = Call { method: "GET", path: &path, headers: &headers, body: b"" };
        let answer = world.open(Some(&world.pki.admin), &call).await;
        assert_eq!(answer.status(), 101, "{path}");
        let mut io = TokioIo::new(hyper::upgrade::on(answer).await.expect("an upgrade"));
        if !own_words.is_empty() {
            io.write_all(own_words.as_bytes()).await.expect("written");
            io.shutdown().await.expect("closed");
        }
        let mut all = String::new();
        io.read_to_string(&mut all).await.expect("a proper end");
        let heard = all.split_once('\n').expect("a line").1;
        let want = if own_words.is_empty() { "" } else { "last words and the end" };
        assert_eq!(heard, want, "{path}");
    }
    world.end().await;
}

#[tokio::test]
async fn pods_are_reached_through_the_proxy() {
    let world = World::new().await;
    populate(&world, kubelet(&world).await).await;
    let proxied = |port: u16| format!("/api/v1/namespaces/default/pods/http:p:{port}/proxy/x");
    let refused = world.admin("GET", &proxied(80), "").await.refusal();
    assert_eq!(refused, (400, "BadRequest".into(), "address not allowed".into()));
    if let Some(ip) = own_address() {
        let pod = plain(&world, ip).await;
        let status = format!(r#"{{"status":{{"podIP":"{ip}","podIPs":[{{"ip":"{ip}"}}]}}}}"#);
        let status = world.admin("PATCH", &format!("{POD}/status"), &status).await;
        assert_eq!(status.code, 200, "{}", status.text());
        let answer = world.admin("DELETE", &proxied(pod.port()), "").await;
        assert_eq!((answer.code, answer.text()), (200, "DELETE /x\n".into()));
        let closed = world.admin("GET", &proxied(1), "").await.refusal();
        let why = format!("error trying to reach service: dial tcp {ip}:1: connect: connection refused");
        assert_eq!(closed, (503, "ServiceUnavailable".into(), why));
    }
    // A node's proxy leads to its kubelet.
    let node = world.admin("GET", "/api/v1/nodes/n/proxy/healthz?a=b", "").await;
    assert_eq!((node.code, node.text()), (200, "GET /healthz?a=b\n".into()));
    world.end().await;
}

#[tokio::test]
async fn a_watch_over_a_websocket() {
    let world = World::new().await;
    world.furnish().await;
    let path = "/api/v1/namespaces/default/configmaps?watch=true";
    let headers: &[(&str, &str)] = &[
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    let granted = world.open(Some(&world.pki.admin), &Call { method: "GET", path, headers, body: b"" }).await;
    assert_eq!(granted.status(), 101);
    let io = hyper::upgrade::on(granted).await.expect("an upgrade");
    let mut messages = websocket::client(TokioIo::new(io)).await;
    let first = messages.next().await.expect("a message").expect("a message");
    let event: serde_json::Value = serde_json::from_slice(&first.into_data()).expect("JSON");
    assert_eq!((&event["type"], &event["object"]["metadata"]["name"]), (&"ADDED".into(), &"there".into()));
    drop(messages);
    world.end().await;
}
