//! The one-way writer of logs and watches.

use bytes::Bytes;
use corten_rt::{Stop, Tasks, timeout};
use corten_streaming::websocket::{self, Framing, WebSocketWriter};
use futures::StreamExt;
use std::time::Duration;
use tokio::io::duplex;
use tokio_tungstenite::tungstenite::Message;

#[tokio::test]
async fn each_framing_and_the_close() {
    for (framing, expected) in [
        (Framing::Binary, Message::Binary(Bytes::from_static(b"line\n"))),
        (Framing::Text, Message::text("line\n")),
        (Framing::Base64, Message::text("bGluZQo=")),
    ] {
        let tasks = Tasks::new(Stop::new());
        let (near, far) = duplex(4096);
        let mut client = websocket::client(near).await;
        let mut writer = WebSocketWriter::start(far, framing, &tasks).await;
        writer.send(Bytes::from_static(b"line\n")).await.expect("sent");
        let hearing = async {
            assert_eq!(client.next().await.expect("a message").expect("sound"), expected);
            assert!(matches!(client.next().await, Some(Ok(Message::Close(_)))), "{framing:?}");
            while client.next().await.is_some_and(|message| message.is_ok()) {}
        };
        let ((), ()) = timeout(Duration::from_secs(9), async { tokio::join!(writer.close(), hearing) })
            .await
            .expect("no hang");
        assert!(tasks.shutdown(Duration::from_secs(5)).await);
    }
}

#[tokio::test]
async fn a_client_that_leaves_is_noticed() {
    let tasks = Tasks::new(Stop::new());
    let (near, far) = duplex(4096);
    let mut writer = WebSocketWriter::start(far, Framing::Text, &tasks).await;
    assert!(writer.send(Bytes::from_static(b"\xff")).await.is_err(), "no UTF-8");
    drop(near);
    timeout(Duration::from_secs(9), writer.gone().stopped()).await.expect("noticed");
    assert!(writer.send(Bytes::from_static(b"x")).await.is_err());
    assert!(tasks.shutdown(Duration::from_secs(5)).await);
}
