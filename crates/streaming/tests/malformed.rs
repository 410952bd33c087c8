//! Peers that send anything at all: nothing panics, and every session ends.

use bytes::Bytes;
use corten_rt::{Stop, Tasks, timeout};
use corten_streaming::spdy::{Connection, Headers, Role};
use corten_streaming::{EXEC_WEBSOCKET_V5, port_forward, remote_command, websocket};
use futures::{SinkExt, StreamExt};
use proptest::prelude::*;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio_tungstenite::tungstenite::Message;

fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(future)
}

/// Feeds `bytes` to a server of port-forward and lets go; it must end by itself.
async fn feed(bytes: &[u8]) {
    let tasks = Tasks::new(Stop::new());
    let (mut near, far) = duplex(1 << 20);
    let protocol = corten_streaming::FORWARD_SPDY;
    let mut server = port_forward::serve(far, protocol, &[], &tasks).await.expect("served");
    near.write_all(bytes).await.expect("written");
    near.shutdown().await.expect("shut down");
    while server.next().await.is_some() {}
    timeout(Duration::from_secs(60), server.ended().stopped()).await.expect("the session ends");
    assert!(tasks.shutdown(Duration::from_secs(60)).await);
}

/// What a client says that opens one stream, sends a little and leaves.
async fn conversation() -> Vec<u8> {
    let tasks = Tasks::new(Stop::new());
    let (near, mut far) = duplex(1 << 20);
    let (client, _) = Connection::start(near, Role::Client, &tasks).expect("started");
    let headers = [("streamtype", "data"), ("port", "80"), ("requestid", "0")];
    // Nobody answers, so only the frame that opens the stream is sent.
    let _ = timeout(Duration::from_secs(1), client.open(Headers::new(&headers))).await;
    drop(client);
    let mut said = Vec::new();
    far.read_to_end(&mut said).await.expect("read");
    said.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 3, b'a', b'b', b'c']);
    said
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn noise_ends_the_connection(noise in prop::collection::vec(any::<u8>(), 0..400)) {
        block_on(feed(&noise));
    }

    #[test]
    fn noise_after_a_frame_head_ends_the_connection(
        kind in 0u8..12, flags: u8, length in 0u8..60, payload in prop::collection::vec(any::<u8>(), 0..80)
    ) {
        let mut bytes = vec![0x80, 3, 0, kind, flags, 0, 0, length];
        bytes.extend_from_slice(&payload);
        block_on(feed(&bytes));
    }

    #[test]
    fn a_damaged_conversation_ends(at in 0usize..500, byte: u8) {
        block_on(async {
            let mut said = conversation().await;
            let at = at % said.len();
            said[at] = byte;
            feed(&said).await;
        });
    }

    #[test]
    fn channels_take_any_message(messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..20)) {
        block_on(async {
            let tasks = Tasks::new(Stop::new());
            let (near, far) = duplex(1 << 20);
            let options = remote_command::Options { stdin: true, stdout: true, ..Default::default() };
            let session = remote_command::serve(far, EXEC_WEBSOCKET_V5, options, &tasks).await.expect("served");
            let mut socket = websocket::client(near).await;
            for message in messages {
                if socket.send(Message::Binary(Bytes::from(message))).await.is_err() {
                    break;
                }
            }
            let _ = socket.close(None).await;
            // The command reads all its input, as one does.
            let mut stdin = session.stdin.expect("stdin");
            while stdin.next().await.is_some() {}
            while socket.next().await.is_some_and(|message| message.is_ok()) {}
            timeout(Duration::from_secs(60), session.ended.stopped()).await.expect("the session ends");
            assert!(tasks.shutdown(Duration::from_secs(60)).await);
        });
    }
}

#[test]
fn streams_beyond_the_limit_are_refused() {
    block_on(async {
        let tasks = Tasks::new(Stop::new());
        let (near, far) = duplex(1 << 16);
        let (client, _) = Connection::start(near, Role::Client, &tasks).expect("started");
        let (server, mut incoming) = Connection::start(far, Role::Server, &tasks).expect("started");
        let accepting = server.clone();
        let (sender, mut kept) = tokio::sync::mpsc::unbounded_channel();
        tasks.spawn_until_stopped("accepting", async move {
            while let Some(stream) = incoming.next().await {
                let _ = sender.send(accepting.accept(stream).await);
            }
        });
        let mut open = Vec::new();
        let refused = loop {
            match client.open(Headers::new(&[("streamtype", "data")])).await {
                Ok(stream) => open.push(stream),
                Err(e) => break e,
            }
            assert!(open.len() <= 1000, "no limit");
        };
        assert_eq!((open.len(), refused.to_string().as_str()), (1000, "the peer refused the stream"));
        // Once both sides are done with a stream there is room for another.
        drop((open.pop(), kept.try_recv()));
        kept.close();
        while kept.recv().await.is_some() {}
        drop(open);
        tokio::time::sleep(Duration::from_secs(1)).await;
        client.open(Headers::new(&[("streamtype", "data")])).await.expect("room again");
        assert!(tasks.shutdown(Duration::from_secs(60)).await);
    });
}
