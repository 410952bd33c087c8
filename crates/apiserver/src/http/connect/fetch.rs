//! Documents of kubelets that the server reads itself.

use bytes::Bytes;
use corten_api::core::v1::Node;
use corten_rt::Tasks;
use corten_semantics::{ApiError, ApiResult};
use http::Request;
use http::header::HOST;
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::rt::TokioIo;
use std::sync::Arc;

use super::backend::{KubeletTls, encrypted};
use super::kubelet::address;

/// The most bytes of a document.
const MOST: usize = 64 << 20;

impl KubeletTls {
    /// Reads a document of the node's kubelet.
    ///
    /// # Errors
    /// It cannot be reached or refuses.
    pub async fn fetch(&self, node: &Node, path: &str, tasks: &Tasks) -> ApiResult<String> {
        let backend = encrypted(&address(node)?, Arc::clone(&self.kubelets)).await?;
        let failed = |e: hyper::Error| ApiError::unavailable(format!("error asking the kubelet: {e}"));
        let request = Request::get(path).header(HOST, backend.authority()).body(Empty::<Bytes>::new());
        let request = request.map_err(ApiError::internal)?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(backend.io)).await.map_err(failed)?;
        tasks.spawn_until_stopped("kubelet document", async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to a kubelet ended early");
            }
        });
        let response = sender.send_request(request).await.map_err(failed)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MOST).collect().await;
        let body = body.map_err(|e| ApiError::unavailable(format!("error reading from the kubelet: {e}")))?;
        let text = String::from_utf8_lossy(&body.to_bytes()).into_owned();
        if status.is_success() { Ok(text) } else { Err(ApiError::unavailable(format!("{status}: {text}"))) }
    }
}
