//! Frames of upgraded connections: a server is told `input` by a client that then leaves, and must come to an end.

use corten_rt::{Stop, Tasks, timeout};
use corten_streaming::{FORWARD_SPDY, port_forward, websocket};
use futures::StreamExt;
use std::time::Duration;
use tokio::io::{AsyncWriteExt, duplex};

/// Longer than anything may take when the clock is virtual.
const PATIENCE: Duration = Duration::from_secs(3600);

fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(future)
}

pub fn spdy(input: &[u8]) {
    block_on(async {
        let tasks = Tasks::new(Stop::new());
        let (mut near, far) = duplex(1 << 20);
        let Ok(mut server) = port_forward::serve(far, FORWARD_SPDY, &[], &tasks).await else { return };
        near.write_all(input).await.expect("room");
        near.shutdown().await.expect("an open connection");
        while server.next().await.is_some() {}
        timeout(PATIENCE, server.ended().stopped()).await.expect("the session ends");
        assert!(tasks.shutdown(PATIENCE).await, "the tasks end");
    });
}

pub fn websocket(input: &[u8]) {
    block_on(async {
        let (mut near, far) = duplex(1 << 20);
        let mut server = websocket::server(far).await;
        near.write_all(input).await.expect("room");
        near.shutdown().await.expect("an open connection");
        let reading = async { while server.next().await.is_some_and(|message| message.is_ok()) {} };
        timeout(PATIENCE, reading).await.expect("the session ends");
    });
}
