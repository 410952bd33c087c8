//! Answers, and refusals as upstream words them.

use bytes::Bytes;
use corten_streaming::upgrade::UpgradeError;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use std::convert::Infallible;
use std::io;

/// The body of every answer.
pub type Body = UnsyncBoxBody<Bytes, io::Error>;
/// An answer or a refusal.
pub type Answer = Result<Response<Body>, Refusal>;

/// Why there is no answer.
#[derive(Debug)]
pub struct Refusal {
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
    message: String,
}

impl Refusal {
    /// A refusal with its words.
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Refusal { status, headers: Vec::new(), message: message.into() }
    }

    /// 400.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// 404.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    /// 500.
    pub fn internal(error: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
    }

    /// The answer that tells it.
    pub fn into_response(self) -> Response<Body> {
        let mut response = full(self.message + "\n", "text/plain; charset=utf-8");
        *response.status_mut() = self.status;
        for (name, value) in self.headers {
            response.headers_mut().append(name, value);
        }
        response
    }
}

impl From<UpgradeError> for Refusal {
    fn from(error: UpgradeError) -> Self {
        Refusal { status: error.status, headers: error.headers.clone(), message: error.to_string() }
    }
}

/// A whole body.
pub fn full(body: impl Into<Bytes>, content_type: &'static str) -> Response<Body> {
    let body = Full::new(body.into()).map_err(|never: Infallible| match never {}).boxed_unsync();
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
