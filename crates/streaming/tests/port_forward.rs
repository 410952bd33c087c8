//! Port-forward over every protocol, joined by a pipe in memory, and the old form of channel pairs.

use bytes::Bytes;
use corten_rt::{Stop, Tasks, timeout};
use corten_streaming::port_forward::{Client, Forwarded, Server, proxy, serve};
use corten_streaming::websocket::{self, Tunnel};
use corten_streaming::{FORWARD_SPDY, FORWARD_TUNNEL, Protocol, Transport};
use futures::{SinkExt, StreamExt};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio_tungstenite::tungstenite::Message;

async fn joined(protocol: Protocol, tasks: &Tasks) -> (Server, Client) {
    let (near, far) = duplex(4096);
    let server = serve(far, protocol, &[], tasks).await.expect("served");
    let client = match protocol.transport {
        Transport::TunneledSpdy => Client::start(Tunnel::new(websocket::client(near).await), tasks),
        _ => Client::start(near, tasks),
    };
    (server, client.expect("started"))
}

/// A pod: port 80 echoes in capitals until the client half-closes, the others refuse.
async fn pod(mut server: Server, tasks: Tasks) {
    while let Some(forwarded) = server.next().await {
        tasks.spawn_until_stopped("pod", async move {
            let Forwarded { port, mut reader, mut writer, mut error } = forwarded;
            if port != 80 {
                error.write_all(format!("port {port}: connection refused").as_bytes()).await.expect("sent");
                return;
            }
            while let Some(chunk) = reader.next().await {
                writer.send(chunk.to_ascii_uppercase().into()).await.expect("sent");
            }
        });
    }
}

async fn talk(client: &Client) {
    let asking = async |text: String| {
        let dialed = client.open(80).await.expect("opened");
        let (mut reader, mut writer, mut error) = (dialed.reader, dialed.writer, dialed.error);
        let sending = async move { writer.write_all(text.as_bytes()).await.expect("sent") };
        let mut answer = String::new();
        let (_, read) = tokio::join!(sending, reader.read_to_string(&mut answer));
        read.expect("read");
        assert!(error.read_all(99).await.is_empty());
        answer
    };
    let long = "abc".repeat(50_000);
    let (short_answer, long_answer) = tokio::join!(asking("hello".into()), asking(long.clone()));
    assert_eq!(short_answer, "HELLO");
    assert!(long_answer == long.to_ascii_uppercase());

    let mut dialed = client.open(81).await.expect("opened");
    assert_eq!(dialed.reader.next().await, None);
    assert_eq!(dialed.error.read_all(99).await, b"port 81: connection refused");
}

#[tokio::test]
async fn connections_are_forwarded_over_spdy_tunnel_and_proxy() {
    for protocol in [FORWARD_SPDY, FORWARD_TUNNEL] {
        let tasks = Tasks::new(Stop::new());
        let (server, client) = joined(protocol, &tasks).await;
        tasks.spawn_until_stopped("pod", pod(server, tasks.clone()));
        timeout(Duration::from_secs(20), talk(&client)).await.expect("no hang");

        let (outer_server, outer_client) = joined(protocol, &tasks).await;
        let both = tasks.clone();
        tasks.spawn_until_stopped("proxy", async move { proxy(outer_server, client, &both).await });
        timeout(Duration::from_secs(20), talk(&outer_client)).await.expect("no hang");
        assert!(tasks.shutdown(Duration::from_secs(5)).await);
    }
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_server() {
    let tasks = Tasks::new(Stop::new());
    let (mut server, client) = joined(FORWARD_SPDY, &tasks).await;
    let dialed = client.open(80).await.expect("opened");
    let mut forwarded = server.next().await.expect("a connection");
    drop((client, dialed));
    assert_eq!(forwarded.reader.next().await, None);
    assert!(server.next().await.is_none());
    server.ended().stopped().await;
    assert!(tasks.shutdown(Duration::from_secs(5)).await);
}

#[tokio::test]
async fn channel_pairs_begin_with_their_port() {
    let tasks = Tasks::new(Stop::new());
    let (near, far) = duplex(4096);
    let protocol = Protocol { name: "v4.channel.k8s.io", ..websocket_channels() };
    let server = serve(far, protocol, &[80, 8081], &tasks).await.expect("served");
    tasks.spawn_until_stopped("pod", pod(server, tasks.clone()));
    let mut socket = websocket::client(near).await;
    socket.send(Message::Binary(Bytes::from_static(b"\x00hello"))).await.expect("sent");
    let mut seen = Vec::new();
    while seen.len() < 6 {
        seen.push(socket.next().await.expect("a message").expect("sound").into_data().to_vec());
    }
    seen.sort();
    let expected: [&[u8]; 6] = [
        b"\x00HELLO",
        b"\x00\x50\x00",
        b"\x01\x50\x00",
        b"\x02\x91\x1f",
        b"\x03port 8081: connection refused",
        b"\x03\x91\x1f",
    ];
    assert_eq!(seen, expected);
    assert!(tasks.shutdown(Duration::from_secs(5)).await);
}

fn websocket_channels() -> Protocol {
    Protocol {
        name: "",
        transport: Transport::WebSocket,
        base64: false,
        half_close: false,
        status: false,
        resize: false,
    }
}
