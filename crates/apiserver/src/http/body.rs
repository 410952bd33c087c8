//! Reading request bodies, bounded.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use corten_semantics::{ApiError, ApiResult};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};

/// How much of a body that is too large is still read, so that the client sees the answer; in bytes.
const DRAIN_BYTES: usize = 32 << 20;
/// How long that may take.
const DRAIN_TIME: Duration = Duration::from_secs(5);

/// The whole body; 413 above `limit` bytes.
pub async fn read(mut body: Incoming, limit: usize) -> ApiResult<Bytes> {
    let declared = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    let mut first: Option<Bytes> = None;
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|e| ApiError::bad_request(format!("reading the request's body: {e}")))?;
        let Ok(data) = frame.into_data() else { continue };
        let held = first.as_ref().map_or(all.len(), Bytes::len);
        if held + data.len() > limit || declared > limit {
            corten_rt::timeout(DRAIN_TIME, drain(body)).await;
            return Err(too_large(limit));
        }
        match first.take() {
            None if all.is_empty() => first = Some(data),
            None => all.extend_from_slice(&data),
            Some(one) => {
                all.reserve(one.len() + data.len());
                all.extend_from_slice(&one);
                all.extend_from_slice(&data);
            }
        }
    }
    Ok(first.unwrap_or_else(|| all.freeze()))
}

async fn drain(mut body: Incoming) {
    let mut seen = 0;
    while let Some(Ok(frame)) = body.frame().await {
        seen += frame.data_ref().map_or(0, Bytes::len);
        if seen > DRAIN_BYTES {
            return;
        }
    }
}

fn too_large(limit: usize) -> ApiError {
    ApiError::too_large(format!("Request entity too large: limit is {limit}"))
}
