//! Limits on connections, headers, time and numbers of requests; and an end that lets work finish.

use crate::world::{Call, World};
use corten_apiserver::http::Limits;
use http_body_util::{BodyExt, Full};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test]
async fn headers_are_bounded_in_size_and_time() {
    let limits =
        Limits { header_bytes: 16 * 1024, header_time: Duration::from_millis(300), ..Limits::default() };
    let world = World::with(limits).await;
    let mut io = world.connect(Some(&world.pki.admin)).await;
    let request = format!("GET /version HTTP/1.1\r\nhost: x\r\nlong: {}\r\n\r\n", "x".repeat(64 * 1024));
    let _ = io.write_all(request.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = io.read_to_end(&mut answer).await;
    assert!(answer.starts_with(b"HTTP/1.1 431"), "{}", String::from_utf8_lossy(&answer));
    // A client that never ends its headers is let go.
    let mut io = world.connect(Some(&world.pki.admin)).await;
    io.write_all(b"GET /version HTTP/1.1\r\nhost:").await.expect("sent");
    let mut answer = Vec::new();
    let ended = corten_rt::timeout(Duration::from_secs(5), io.read_to_end(&mut answer)).await;
    assert!(ended.is_some(), "the connection is closed");
    assert_eq!(world.admin("GET", "/livez", "").await.code, 200);
    world.end().await;
}

#[tokio::test]
async fn connections_are_counted() {
    let world = World::with(Limits { connections: 1, ..Limits::default() }).await;
    let held = world.connect(Some(&world.pki.admin)).await;
    let call = Call { method: "GET", path: "/livez", headers: &[], body: b"" };
    let mut second = Box::pin(world.ask(Some(&world.pki.admin), &call));
    assert!(corten_rt::timeout(Duration::from_millis(200), second.as_mut()).await.is_none(), "no room yet");
    drop(held);
    assert_eq!(second.as_mut().await.code, 200);
    drop(second);
    world.end().await;
}

#[tokio::test]
async fn the_end_of_the_server_ends_watches_cleanly() {
    let world = World::new().await;
    let call = Call { method: "GET", path: "/api/v1/pods?watch=1", headers: &[], body: b"" };
    let watch = world.open(Some(&world.pki.admin), &call).await;
    world.tasks.stop().stop();
    let rest = corten_rt::timeout(Duration::from_secs(5), watch.into_body().collect()).await;
    assert!(rest.is_some_and(|r| r.is_ok()), "the stream ends without an error");
    world.end().await;
}

/// A connection serves requests again once a watch over it has ended.
#[tokio::test]
async fn requests_follow_a_watch() {
    let world = World::new().await;
    let mut io = world.connect(Some(&world.pki.admin)).await;
    let watch = "GET /api/v1/pods?watch=1&timeoutSeconds=1 HTTP/1.1\r\nhost: x\r\n\r\n";
    io.write_all(watch.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n0\r\n\r\n") {
        let read = corten_rt::timeout(Duration::from_secs(60), io.read_buf(&mut answer)).await;
        assert!(read.is_some_and(|read| read.is_ok_and(|bytes| bytes > 0)), "the watch ends in order");
    }
    assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"), "{}", String::from_utf8_lossy(&answer));
    io.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.expect("sent");
    let mut answer = String::new();
    io.read_to_string(&mut answer).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("ok"), "{answer}");
    world.end().await;
}

/// Watchers that never read hold nobody up: writers are answered, and who reads hears everything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watchers_that_never_read_disturb_nobody() {
    let world = World::new().await;
    let admin = Some(&world.pki.admin);
    assert_eq!(world.admin("POST", "/api/v1/namespaces", r#"{"metadata":{"name":"a"}}"#).await.code, 201);
    let path = "/api/v1/namespaces/a/configmaps";
    let mut deaf = Vec::new();
    for _ in 0..16 {
        let mut io = world.connect(admin).await;
        let request = format!("GET {path}?watch=1&resourceVersion=0 HTTP/1.1\r\nhost: x\r\n\r\n");
        io.write_all(request.as_bytes()).await.expect("sent");
        io.flush().await.expect("sent");
        deaf.push(io);
    }
    let (query, writes) = (format!("{path}?watch=1&resourceVersion=0"), 300);
    let call = Call { method: "GET", path: &query, headers: &[], body: b"" };
    let mut heard = world.open(admin, &call).await.into_body();
    // More than sockets hold: 300 times 32 KiB to each.
    let text = "x".repeat(32 * 1024);
    for number in 0..writes {
        let map = format!(r#"{{"metadata":{{"name":"m-{number}"}},"data":{{"text":"{text}"}}}}"#);
        assert_eq!(world.admin("POST", path, &map).await.code, 201);
    }
    let (mut all, mut lines) = (Vec::new(), 0);
    while lines < writes {
        let frame = corten_rt::timeout(Duration::from_secs(120), heard.frame()).await.expect("in time");
        let data = frame.expect("more").expect("no error").into_data().expect("data");
        lines += data.iter().filter(|byte| **byte == b'\n').count();
        all.extend_from_slice(&data);
    }
    let last = format!(r#""name":"m-{}""#, writes - 1);
    assert!(all.windows(last.len()).any(|part| part == last.as_bytes()));
    drop((heard, deaf));
    world.end().await;
}

/// A list that its client does not read is held for the time of its request, and then broken off.
#[tokio::test]
async fn a_list_that_nobody_reads_is_broken_off() {
    let world = World::with(Limits { request_time: Duration::from_secs(2), ..Limits::default() }).await;
    assert_eq!(world.admin("POST", "/api/v1/namespaces", r#"{"metadata":{"name":"a"}}"#).await.code, 201);
    let path = "/api/v1/namespaces/a/configmaps";
    let (text, count) = ("x".repeat(1_000_000), 20);
    for number in 0..count {
        let map = format!(r#"{{"metadata":{{"name":"m-{number}"}},"data":{{"text":"{text}"}}}}"#);
        assert_eq!(world.admin("POST", path, &map).await.code, 201);
    }
    let mut io = world.connect(Some(&world.pki.admin)).await;
    io.write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).await.expect("sent");
    corten_rt::sleep(Duration::from_secs(3)).await;
    let mut answer = Vec::new();
    let ended = corten_rt::timeout(Duration::from_secs(60), io.read_to_end(&mut answer)).await;
    assert!(ended.is_some(), "the connection is closed");
    assert!(answer.starts_with(b"HTTP/1.1 200") && answer.len() < count * text.len(), "{}", answer.len());
    // Over HTTP/2 it is the stream that ends; others on the connection go on.
    let (mut shared, connection) = world.connect_shared().await;
    world.tasks.spawn("test connection", async move {
        let _ = connection.await;
    });
    let mut ask = |path: &str| {
        let request = hyper::Request::get(format!("https://x{path}")).body(Full::default());
        shared.send_request(request.expect("a request"))
    };
    let unread = ask(path).await.expect("an answer").into_body();
    corten_rt::sleep(Duration::from_secs(3)).await;
    assert_eq!(ask("/livez").await.expect("an answer").status(), 200);
    let ended = corten_rt::timeout(Duration::from_secs(60), unread.collect()).await;
    assert!(ended.is_some_and(|all| all.is_err()), "the stream is reset");
    drop(shared);
    world.end().await;
}

#[tokio::test]
async fn garbage_is_survived() {
    let world = World::new().await;
    let noise: Vec<u8> = (0..4096u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let messages: [&[u8]; 9] = [
        &noise,
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\x00/x HTTP/1.1\r\nhost: x\r\n\r\n",
        b"POST /api/v1/namespaces HTTP/1.1\r\nhost: x\r\ncontent-length: -5\r\n\r\n",
        b"POST /api/v1/namespaces HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /api/v1/namespaces HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"GET /api/v1/namespaces/%ff%00%zz/pods/%2e%2e%2f HTTP/1.1\r\nhost: x\r\n\r\n",
        &[preface.as_slice(), &noise].concat(),
    ];
    for message in messages {
        let mut io = world.connect(Some(&world.pki.admin)).await;
        let _ = io.write_all(message).await;
        let _ = io.shutdown().await;
        let mut answer = Vec::new();
        let ended = corten_rt::timeout(Duration::from_secs(5), io.read_to_end(&mut answer)).await;
        assert!(ended.is_some(), "{:?}", String::from_utf8_lossy(message));
        assert_eq!(world.admin("GET", "/livez", "").await.code, 200);
    }
    // And on the bare socket, where TLS is expected.
    for message in [noise.as_slice(), b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"] {
        let mut io = tokio::net::TcpStream::connect(world.address).await.expect("a connection");
        let _ = io.write_all(message).await;
        let mut answer = Vec::new();
        let ended = corten_rt::timeout(Duration::from_secs(5), io.read_to_end(&mut answer)).await;
        assert!(ended.is_some(), "the connection is closed");
    }
    let namespaces = world.admin("GET", "/api/v1/namespaces", "").await.json();
    assert_eq!(namespaces["items"], serde_json::json!([]));
    world.end().await;
}
