//! A container's log, passed through from the kubelet as text or as messages of a WebSocket.

use bytes::Bytes;
use corten_api::core::v1::{Node, Pod};
use corten_client::Target;
use corten_semantics::{ApiError, ApiResult};
use corten_streaming::upgrade::{accept_log, wants_websocket};
use corten_streaming::websocket::{Framing, WebSocketWriter};
use http::StatusCode;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;

use super::{backend, kubelet, object};
use crate::http::chain::Exchange;
use crate::http::response::{Response, full, text};

/// The most bytes of a kubelet's refusal that are passed on.
const REFUSAL_BYTES: usize = 50_000;

/// Answers with the log.
pub async fn answer(mut exchange: Exchange, target: Target) -> ApiResult<Response> {
    let pod = object::<Pod>(&exchange, target.namespace.as_deref().unwrap_or_default(), &target.name).await?;
    let path = kubelet::log_path(&pod, &exchange.query)?;
    if pod.spec.node_name.is_empty() {
        return Ok(text(StatusCode::NO_CONTENT, ""));
    }
    let node = object::<Node>(&exchange, "", &pod.spec.node_name).await?;
    let connection = backend::kubelet(&exchange.api, kubelet::address(&node)?).await?;
    exchange.body = None;
    let response = backend::forward(&mut exchange, connection, &path).await?;
    if !response.status().is_success() {
        return Err(refused(response).await);
    }
    if wants_websocket(exchange.headers()) {
        return over_websocket(exchange, response.into_body());
    }
    let mut answer = backend::through(response);
    answer.headers_mut().remove(CONTENT_LENGTH);
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    Ok(answer)
}

/// The kubelet's refusal as a status.
async fn refused(response: http::Response<Incoming>) -> ApiError {
    let code = response.status().as_u16();
    let body = Limited::new(response.into_body(), REFUSAL_BYTES).collect().await;
    let body = body.map(|b| b.to_bytes()).unwrap_or_default();
    let message = String::from_utf8_lossy(&body).trim_end().to_string();
    match code {
        400 => ApiError::bad_request(message),
        404 => ApiError::new(404, "NotFound", "the server could not find the requested resource").with_cause(
            "UnexpectedServerResponse",
            &message,
            "",
        ),
        403 => ApiError::new(403, "Forbidden", message),
        500 => ApiError::internal(message),
        503 => ApiError::unavailable(message),
        other => ApiError::new(other, "", message),
    }
}

fn over_websocket(mut exchange: Exchange, mut log: Incoming) -> ApiResult<Response> {
    let granted = accept_log(exchange.headers()).map_err(super::refusal)?;
    let framing = if granted.protocol.base64 { Framing::Base64 } else { Framing::Binary };
    let upgrade = hyper::upgrade::on(&mut exchange.request);
    let tasks = exchange.api.tasks.clone();
    exchange.api.tasks.spawn_until_stopped("websocket log", async move {
        let Ok(upgraded) = upgrade.await else { return };
        let mut out = WebSocketWriter::start(TokioIo::new(upgraded), framing, &tasks).await;
        let gone = out.gone().clone();
        while let Some(Some(Ok(frame))) = gone.run(log.frame()).await {
            let Ok(bytes) = frame.into_data() else { continue };
            if out.send(bytes).await.is_err() {
                return;
            }
        }
        out.close().await;
    });
    Ok(granted.response.map(|()| full(Bytes::new())))
}
