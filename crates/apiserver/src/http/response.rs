//! Answers: bodies, `Status` errors, headers that every answer has.

use std::io::Write;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use corten_semantics::ApiError;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures::{Stream, StreamExt};
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER,
    VARY, WARNING,
};
use http::{HeaderMap, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, SizeHint};

use super::formats;
use super::negotiate::{Accepted, Format};
use super::pieces::Pieces;

/// What goes wrong while a body is sent.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;
/// The body of an answer.
pub type Body = UnsyncBoxBody<Bytes, BodyError>;
/// An answer.
pub type Response = http::Response<Body>;

/// Bodies above this are compressed for clients that take it, in bytes.
const COMPRESS_ABOVE: usize = 128 * 1024;
/// What is compressed between two looks at the other tasks, in bytes.
const COMPRESS_STEP: usize = 64 * 1024;
/// What is handed over at a time of a body that is all there, in bytes.
const PIECE: usize = 64 * 1024;
/// The longest text of one warning, in bytes, and of all of them, as upstream's.
const WARNING_BYTES: usize = 256;
const ALL_WARNINGS_BYTES: usize = 4096;

/// The identifier of the request in logs.
pub const AUDIT_ID: HeaderName = HeaderName::from_static("audit-id");

/// A body that is all there.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Whole(bytes.into()).boxed_unsync()
}

/// Handed over piece by piece, so that no more of it waits for a client than what is on its way.
struct Whole(Bytes);

impl hyper::body::Body for Whole {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let next = self.0.len().min(PIECE);
        Poll::Ready((next > 0).then(|| Ok(Frame::data(self.0.split_to(next)))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.len() as u64)
    }
}

/// The answer, whose body drops `guard` once it has ended or is given up.
pub fn guarded<G: Send + Unpin + 'static>(answer: Response, guard: G) -> Response {
    measured(answer, move |_| drop(guard))
}

/// The answer, whose bytes are counted until its body has ended or is given up.
pub fn measured(answer: Response, told: impl FnOnce(u64) + Send + Unpin + 'static) -> Response {
    answer.map(|inner| Measured { inner, bytes: 0, told: Some(told) }.boxed_unsync())
}

struct Measured<F: FnOnce(u64)> {
    inner: Body,
    bytes: u64,
    told: Option<F>,
}

impl<F: FnOnce(u64) + Unpin> hyper::body::Body for Measured<F> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            self.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl<F: FnOnce(u64)> Drop for Measured<F> {
    fn drop(&mut self) {
        if let Some(told) = self.told.take() {
            told(self.bytes);
        }
    }
}

/// A body that arrives piece by piece.
pub fn streamed<S>(pieces: S) -> Body
where
    S: Stream<Item = Result<Bytes, BodyError>> + Send + 'static,
{
    StreamBody::new(pieces.map(|piece| piece.map(Frame::data))).boxed_unsync()
}

/// An answer with a body.
pub fn answer(code: StatusCode, content_type: &'static str, bytes: impl Into<Bytes>) -> Response {
    with_body(code, content_type, full(bytes))
}

/// An answer with a body that may be streamed.
pub fn with_body(code: StatusCode, content_type: &'static str, body: Body) -> Response {
    let mut response = http::Response::new(body);
    *response.status_mut() = code;
    if !content_type.is_empty() {
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    response
}

/// Plain text, as upstream answers where nothing is negotiated.
pub fn text(code: StatusCode, message: &str) -> Response {
    let mut response = answer(code, "text/plain; charset=utf-8", message.to_string());
    response
        .headers_mut()
        .insert(HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"));
    response
}

/// JSON that is ready.
pub fn json(bytes: impl Into<Bytes>) -> Response {
    answer(StatusCode::OK, Format::Json.media_type(), bytes)
}

/// An error as `Status`, in the format that the client wants.
pub fn error(error: &ApiError, accepted: Accepted) -> Response {
    let code = StatusCode::from_u16(error.code()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let (content_type, bytes) = match formats::structure(error.status(), accepted) {
        Ok(bytes) => (accepted.format.media_type(), bytes),
        Err(_) => (Format::Json.media_type(), formats::structure_json(error.status()).into()),
    };
    let mut response = answer(code, content_type, bytes);
    let seconds = error.status().details.as_ref().map_or(0, |d| d.retry_after_seconds);
    if seconds > 0 {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// Headers that every answer has unless it says otherwise.
pub fn finish(response: &mut Response, audit_id: &HeaderValue) {
    let headers = response.headers_mut();
    headers.insert(AUDIT_ID, audit_id.clone());
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-cache, private"));
}

/// Adds a `Warning` header for each text; long ones are cut.
pub fn warn(response: &mut Response, warnings: &[String]) {
    let whole: usize = warnings.iter().map(String::len).sum();
    let most = if whole > ALL_WARNINGS_BYTES { WARNING_BYTES } else { ALL_WARNINGS_BYTES };
    let mut left = ALL_WARNINGS_BYTES;
    let mut seen: Vec<&String> = Vec::new();
    for text in warnings {
        let cut: String = text.chars().filter(|c| !c.is_control()).take(most.min(left)).collect();
        if cut.is_empty() || seen.contains(&text) {
            continue;
        }
        seen.push(text);
        left = left.saturating_sub(cut.len());
        let quoted = cut.replace('\\', "\\\\").replace('"', "\\\"");
        if let Ok(value) = HeaderValue::from_bytes(format!("299 - \"{quoted}\"").as_bytes()) {
            response.headers_mut().append(WARNING, value);
        }
    }
}

/// Compresses a large body for a client that takes gzip, piece by piece while it is sent.
pub fn object_answer(
    request: &HeaderMap,
    code: StatusCode,
    content_type: &'static str,
    bytes: Bytes,
) -> Response {
    if bytes.len() <= COMPRESS_ABOVE || !takes_gzip(request) {
        return answer(code, content_type, bytes);
    }
    let mut rest = bytes;
    let steps = std::iter::from_fn(move || {
        let step = rest.split_to(rest.len().min(COMPRESS_STEP));
        (!step.is_empty()).then_some(step)
    });
    compressed(code, content_type, steps)
}

/// Sends a large list while it is written, compressed for a client that takes gzip.
pub fn list_answer(request: &HeaderMap, content_type: &'static str, pieces: Pieces) -> Response {
    if takes_gzip(request) {
        return compressed(StatusCode::OK, content_type, pieces);
    }
    let body = pieces.map_err(|never| match never {}).boxed_unsync();
    with_body(StatusCode::OK, content_type, body)
}

fn takes_gzip(request: &HeaderMap) -> bool {
    request
        .get_all(ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(','))
        .any(|word| word.split(';').next().is_some_and(|w| w.trim() == "gzip"))
}

fn compressed(
    code: StatusCode,
    content_type: &'static str,
    steps: impl Iterator<Item = Bytes> + Send + 'static,
) -> Response {
    let mut response = with_body(code, content_type, streamed(gzip(steps)));
    response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    response.headers_mut().append(VARY, HeaderValue::from_static("Accept-Encoding"));
    response
}

fn gzip(steps: impl Iterator<Item = Bytes> + Send) -> impl Stream<Item = Result<Bytes, BodyError>> + Send {
    let start = (steps, Some(GzEncoder::new(Vec::new(), Compression::fast())));
    futures::stream::try_unfold(start, |(mut rest, encoder)| async move {
        let Some(mut encoder) = encoder else { return Ok(None) };
        loop {
            let Some(step) = rest.next() else {
                let last = encoder.finish()?;
                return Ok(Some((Bytes::from(last), (rest, None))));
            };
            encoder.write_all(&step)?;
            tokio::task::yield_now().await;
            if !encoder.get_ref().is_empty() {
                let ready = std::mem::take(encoder.get_mut());
                return Ok(Some((Bytes::from(ready), (rest, Some(encoder)))));
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn warnings_are_quoted_once_each() {
        let mut response = text(StatusCode::OK, "");
        warn(&mut response, &["unknown field \"a\"".into(), "unknown field \"a\"".into(), "b\nc".into()]);
        let got: Vec<_> = response.headers().get_all(WARNING).iter().map(|v| v.as_bytes()).collect();
        assert_eq!(got, [br#"299 - "unknown field \"a\"""#.as_slice(), br#"299 - "bc""#.as_slice()]);
    }

    #[tokio::test]
    async fn a_whole_body_is_handed_over_in_pieces() {
        for (length, pieces) in [(0, 0), (1, 1), (PIECE, 1), (PIECE + 1, 2), (3 * PIECE, 3)] {
            let mut body = full(vec![b'x'; length]);
            let (mut seen, mut count) = (0, 0);
            while let Some(frame) = body.frame().await {
                seen += frame.expect("no error").into_data().expect("data").len();
                count += 1;
                assert_eq!(hyper::body::Body::size_hint(&body).exact(), Some((length - seen) as u64));
            }
            assert_eq!((seen, count), (length, pieces));
            assert!(hyper::body::Body::is_end_stream(&body));
        }
    }

    #[tokio::test]
    async fn large_bodies_are_compressed_for_who_takes_it() {
        let mut headers = HeaderMap::new();
        let bytes = Bytes::from("corten ".repeat(100_000));
        let plain = object_answer(&headers, StatusCode::OK, "application/json", bytes.clone());
        assert!(!plain.headers().contains_key(CONTENT_ENCODING));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("deflate, gzip;q=0.9"));
        let packed = object_answer(&headers, StatusCode::OK, "application/json", bytes.clone());
        assert_eq!(packed.headers()[CONTENT_ENCODING], "gzip");
        let packed = packed.into_body().collect().await.expect("a body").to_bytes();
        let mut text = Vec::new();
        flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut text).expect("gzip");
        assert_eq!(text, bytes);
    }
}
