//! Port-forward: many connections to ports of a pod, over any protocol.
//!
//! [`serve`] yields the connections that a client asks for; [`Client`] asks for them; [`proxy`] joins the two,
//! which is how the kubelet hands a client to the runtime.

mod client;
mod server;

pub use client::Client;
pub use server::{Server, serve};

use crate::pipe::{PipeReader, PipeWriter, pump};
use corten_rt::Tasks;
use std::sync::Arc;

/// One forwarded connection at the called end.
#[derive(Debug)]
pub struct Forwarded {
    /// The pod's port.
    pub port: u16,
    /// What the client sends.
    pub reader: PipeReader,
    /// What the client is sent; dropping it tells that the pod closed.
    pub writer: PipeWriter,
    /// Where a failure goes, as text. Drop it, with or without having written, when the connection is over.
    pub error: PipeWriter,
}

/// One forwarded connection at the calling end.
#[derive(Debug)]
pub struct Dialed {
    /// What the pod sends.
    pub reader: PipeReader,
    /// What the pod is sent; dropping it is the half-close.
    pub writer: PipeWriter,
    /// A failure, as text; empty for none.
    pub error: PipeReader,
}

/// More than any error's text.
const MAX_ERROR: usize = 16 * 1024;

/// Serves every connection that `server` yields through `client`, until either end is gone.
pub async fn proxy(mut server: Server, client: Client, tasks: &Tasks) {
    let client = Arc::new(client);
    loop {
        let next = tokio::select! {
            next = server.next() => next,
            () = client.ended().stopped() => None,
        };
        let Some(forwarded) = next else { return };
        let client = client.clone();
        tasks.spawn_until_stopped("forwarded connection", async move { forward(forwarded, &client).await });
    }
}

async fn forward(mut forwarded: Forwarded, client: &Client) {
    let port = forwarded.port;
    let failure = match client.open(port).await {
        Ok(dialed) => join(forwarded.reader, forwarded.writer, dialed).await,
        Err(e) => format!("error forwarding port {port}: {e}").into_bytes(),
    };
    if !failure.is_empty() {
        let _ = forwarded.error.send(failure.into()).await;
    }
}

/// Copies both ways until the pod's side ends; returns its failure, empty for none.
async fn join(reader: PipeReader, writer: PipeWriter, dialed: Dialed) -> Vec<u8> {
    let Dialed { reader: from_pod, writer: to_pod, mut error } = dialed;
    let sending = async {
        pump(reader, to_pod).await;
        std::future::pending::<()>().await
    };
    tokio::select! {
        () = pump(from_pod, writer) => {}
        () = sending => {}
    }
    // The runtime ends this one too, having written to it if the connection failed.
    error.read_all(MAX_ERROR).await
}
