//! Calls of a plugin, over gRPC on its unix socket.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use corten_node_api::channel;
use corten_rt::Instant;
use http::uri::PathAndQuery;
use tonic::client::Grpc;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

use super::metrics::Counts;
use super::wire::SERVICE;

/// The way to one plugin.
pub struct Caller {
    socket: PathBuf,
    channel: OnceLock<Channel>,
    timeout: Duration,
}

impl Caller {
    /// To the plugin at `socket`; connects at the first call, and again after a loss.
    pub fn new(socket: &Path, timeout: Duration) -> Self {
        Caller { socket: socket.to_path_buf(), channel: OnceLock::new(), timeout }
    }

    /// One call, within the plugin's time.
    ///
    /// # Errors
    /// As Go's client tells them.
    pub async fn call<Q, A>(&self, method: &'static str, question: Q, counts: &Counts) -> Result<A, String>
    where
        Q: prost::Message + Send + Sync + 'static,
        A: prost::Message + Default + Send + Sync + 'static,
    {
        let begun = Instant::now();
        let answer = corten_rt::timeout(self.timeout, self.send(method, question)).await;
        let answer = answer.unwrap_or_else(|| Err(Status::deadline_exceeded("context deadline exceeded")));
        let code = answer.as_ref().map_or_else(Status::code, |_| Code::Ok);
        counts.called(method, code, begun.elapsed());
        answer.map_err(|status| format!("rpc error: code = {:?} desc = {}", status.code(), status.message()))
    }

    async fn send<Q, A>(&self, method: &'static str, question: Q) -> Result<A, Status>
    where
        Q: prost::Message + Send + Sync + 'static,
        A: prost::Message + Default + Send + Sync + 'static,
    {
        // Made by the first call: configurations are judged where no runtime is.
        let channel = self.channel.get_or_init(|| channel(&self.socket, self.timeout));
        let mut grpc = Grpc::new(channel.clone());
        grpc.ready().await.map_err(|e| Status::unavailable(e.to_string()))?;
        let path = PathAndQuery::try_from(format!("{SERVICE}{method}"));
        let path = path.map_err(|e| Status::internal(e.to_string()))?;
        let answer = grpc.unary(Request::new(question), path, ProstCodec::<Q, A>::default()).await?;
        Ok(answer.into_inner())
    }
}
