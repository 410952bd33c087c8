//! The end of a server, in upstream's order: it is no longer ready, serves on for a while, listens no more, ends
//! watches, and answers what is under way.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::world::{Call, World};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

#[allow(clippy::disallowed_methods)] // the test waits for the task
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_under_way_are_answered_and_new_ones_are_not_taken() {
    let world = Arc::new(World::new().await);
    let admin = Some(&world.pki.admin);
    // A write whose body is not all there yet, and a watch.
    let body = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"late"}}"#;
    let mut io = world.connect(admin).await;
    let path = "/api/v1/namespaces/default/configmaps";
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\nexpect: 100-continue\r\n\r\n",
        body.len()
    );
    assert_eq!(
        world.admin("POST", "/api/v1/namespaces", r#"{"metadata":{"name":"default"}}"#).await.code,
        201
    );
    io.write_all(head.as_bytes()).await.expect("sent");
    io.flush().await.expect("sent");
    // The server asks for the body once it works on the request.
    let mut asked = [0; "HTTP/1.1 100 Continue\r\n\r\n".len()];
    io.read_exact(&mut asked).await.expect("an answer");
    let call = Call { method: "GET", path: "/api/v1/pods?watch=1", headers: &[], body: b"" };
    let watch = world.open(admin, &call).await;
    assert_eq!(watch.status(), 200);

    let ending = {
        let world = Arc::clone(&world);
        tokio::spawn(async move { world.server.end(Duration::ZERO, PATIENCE).await })
    };
    let ended = corten_rt::timeout(PATIENCE, watch.into_body().collect()).await;
    assert!(ended.is_some_and(|body| body.is_ok()), "the watch ends, and cleanly");
    while tokio::net::TcpStream::connect(world.address).await.is_ok() {
        corten_rt::sleep(Duration::from_millis(10)).await;
    }
    assert!(!ending.is_finished(), "the write is waited for");
    io.write_all(body.as_bytes()).await.expect("sent");
    io.flush().await.expect("sent");
    let mut answer = String::new();
    // Without close_notify this would be an error.
    io.read_to_string(&mut answer).await.expect("a connection that is closed in order");
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    assert!(ending.await.expect("no panic"), "everything was answered");
    assert!(world.tasks.shutdown(PATIENCE).await);
}

#[allow(clippy::disallowed_methods)] // the test waits for the task
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_leaves_is_not_ready_but_serves() {
    let world = World::new().await;
    assert_eq!(world.admin("GET", "/readyz", "").await.code, 200);
    let server = world.server.clone();
    let ending = tokio::spawn(async move { server.end(PATIENCE, PATIENCE).await });
    loop {
        let ready = world.admin("GET", "/readyz", "").await;
        if ready.code == 500 {
            assert!(ready.text().contains("[-]shutdown failed: reason withheld\n"), "{}", ready.text());
            break;
        }
        corten_rt::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(world.admin("GET", "/livez", "").await.code, 200);
    assert_eq!(world.admin("GET", "/readyz?exclude=shutdown", "").await.text(), "ok");
    let one = world.admin("GET", "/readyz/shutdown", "").await;
    assert_eq!(one.text(), "internal server error: process is shutting down\n");
    assert_eq!(world.admin("GET", "/api/v1/namespaces", "").await.code, 200);
    ending.abort();
    world.end().await;
}

#[allow(clippy::disallowed_methods)] // the test waits for the task
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_ends_may_send_requests_away_until_those_under_way_are_answered() {
    let limits = corten_apiserver::http::Limits { retry_after: true, ..Default::default() };
    let world = Arc::new(World::built(limits, |_, _| {}).await);
    let admin = Some(&world.pki.admin);
    let body = r#"{"metadata":{"name":"late"}}"#;
    let mut io = world.connect(admin).await;
    let head = format!(
        "POST /api/v1/namespaces HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\nexpect: 100-continue\r\n\r\n",
        body.len()
    );
    io.write_all(head.as_bytes()).await.expect("sent");
    io.flush().await.expect("sent");
    let mut asked = [0; "HTTP/1.1 100 Continue\r\n\r\n".len()];
    io.read_exact(&mut asked).await.expect("an answer");
    let ending = {
        let world = Arc::clone(&world);
        tokio::spawn(async move { world.server.end(Duration::ZERO, PATIENCE).await })
    };
    let refused = loop {
        let answer = world.admin("GET", "/api/v1/namespaces", "").await;
        if answer.code != 200 {
            break answer;
        }
        corten_rt::sleep(Duration::from_millis(10)).await;
    };
    assert_eq!(refused.code, 429);
    assert_eq!(refused.text(), "The apiserver is shutting down, please try again later.\n");
    assert_eq!(world.admin("GET", "/livez", "").await.code, 200, "health is told until the end");
    io.write_all(body.as_bytes()).await.expect("sent");
    io.flush().await.expect("sent");
    let mut answer = String::new();
    io.read_to_string(&mut answer).await.expect("a connection that is closed in order");
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    assert!(ending.await.expect("no panic"), "everything was answered");
    assert!(world.tasks.shutdown(PATIENCE).await);
}
