//! One call: JSON goes, JSON comes, in bounded time and size, and refusals are told as client-go does.

use std::time::Duration;

use bytes::Bytes;
use corten_api::admissionregistration::v1::WebhookClientConfig;
use http::header::{ACCEPT, CONTENT_TYPE, HOST, USER_AGENT};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Either, Full, Limited};

use super::failure::Failure;
use super::peer::Body;
use super::{Credential, Credentials, Hook, Outbound};

/// The most bytes of an admission webhook's answer: a patch may be as large as the object.
const ADMISSION_BYTES: usize = 8 << 20;
/// The most bytes of a refusal that are told on.
const TOLD: usize = 2048;
const AGENT: &str = concat!("corten-apiserver/", env!("CARGO_PKG_VERSION"));

/// What a peer answered.
#[derive(Clone, Debug)]
pub struct Answer {
    pub code: StatusCode,
    pub content_type: String,
    pub body: Bytes,
}

impl Outbound {
    /// Posts a review to an admission webhook.
    ///
    /// # Errors
    /// In client-go's words, as they follow `failed to call webhook: `.
    pub async fn call(
        &self,
        hook: &WebhookClientConfig,
        credentials: Option<&Credentials>,
        body: Vec<u8>,
        within: Duration,
    ) -> Result<Vec<u8>, String> {
        let hook = Hook::admission(hook)?;
        let credential = credentials.and_then(|credentials| credentials.find(&hook.destination));
        let answer = self.post(&hook, credential.map(AsRef::as_ref), body, within, ADMISSION_BYTES).await?;
        Ok(answer.to_vec())
    }

    /// Posts JSON and gives the answer's body, of at most `most` bytes.
    ///
    /// # Errors
    /// In client-go's words.
    pub async fn post(
        &self,
        hook: &Hook,
        credential: Option<&Credential>,
        body: Vec<u8>,
        within: Duration,
        most: usize,
    ) -> Result<Bytes, String> {
        let seconds = within.as_secs() + u64::from(within.subsec_nanos() > 0);
        let query = format!("?timeout={seconds}s");
        let posted = |failure: Failure| format!("Post \"{}{query}\": {failure}", hook.url);
        let identity = credential.and_then(Credential::identity);
        let peer = self.peer(&hook.destination, &hook.trust, identity)?;
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(format!("{}{query}", hook.path))
            .header(HOST, peer.destination().authority())
            .header(USER_AGENT, AGENT)
            .header(ACCEPT, "application/json, */*")
            .header(CONTENT_TYPE, "application/json");
        if let Some(credential) = credential {
            request = credential.sign(request)?;
        }
        let request = request
            .body(Either::Left(Full::new(Bytes::from(body))))
            .map_err(|e| format!("Unparsable URL: {e}"))?;
        let deadline = corten_rt::Instant::now() + within;
        let response = corten_rt::timeout(within, peer.send(request)).await;
        let response = response.unwrap_or_else(|| Err(Failure::deadline())).map_err(posted)?;
        let left = deadline.saturating_duration_since(corten_rt::Instant::now());
        let answer = corten_rt::timeout(left, read(response, most)).await;
        let answer = answer.unwrap_or_else(|| Err(Failure::deadline())).map_err(unread)?;
        judge(&answer)?;
        Ok(answer.body)
    }

    /// Sends a request to whoever is at a destination and reads the whole answer.
    ///
    /// # Errors
    /// In Go's words.
    pub async fn exchange(
        &self,
        peer: &std::sync::Arc<super::Peer>,
        request: Request<Body>,
        within: Duration,
        most: usize,
    ) -> Result<Answer, Failure> {
        let work = async {
            let response = peer.send(request).await?;
            read(response, most).await
        };
        corten_rt::timeout(within, work).await.unwrap_or_else(|| Err(Failure::deadline()))
    }
}

fn unread(failure: Failure) -> String {
    format!("unexpected error when reading response body. Please retry. Original error: {failure}")
}

async fn read(response: http::Response<hyper::body::Incoming>, most: usize) -> Result<Answer, Failure> {
    let code = response.status();
    let content_type = response.headers().get(CONTENT_TYPE).and_then(|v| v.to_str().ok());
    let content_type = content_type.unwrap_or_default().to_string();
    let body = Limited::new(response.into_body(), most).collect().await.map_err(|e| {
        match e.downcast_ref::<hyper::Error>() {
            Some(e) if e.is_incomplete_message() || e.is_body_write_aborted() => {
                Failure("unexpected EOF".into())
            }
            Some(e) => Failure::http(e),
            None => Failure(format!("the answer is longer than {most} bytes")),
        }
    })?;
    Ok(Answer { code, content_type, body: body.to_bytes() })
}

/// A refusal as client-go tells it (`NewGenericServerResponse`), unless the body is a `Status` that says more.
fn judge(answer: &Answer) -> Result<(), String> {
    if (200..=206).contains(&answer.code.as_u16()) {
        if answer.body.is_empty() {
            return Err(format!(
                "0-length response with status code: {} and content type: {}",
                answer.code.as_u16(),
                answer.content_type
            ));
        }
        return Ok(());
    }
    let status: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    if status["kind"] == "Status"
        && status["status"] != "Success"
        && let Some(message) = status["message"].as_str().filter(|m| !m.is_empty())
    {
        return Err(message.to_string());
    }
    let is_text = answer.content_type.is_empty() || answer.content_type.starts_with("text/");
    let told = &answer.body[..answer.body.len().min(TOLD)];
    let told = if is_text { String::from_utf8_lossy(told).trim().to_string() } else { "unknown".into() };
    Err(generic(answer.code.as_u16(), &told))
}

fn generic(code: u16, told: &str) -> String {
    match code {
        400 => "the server rejected our request for an unknown reason".into(),
        401 => "the server has asked for the client to provide credentials".into(),
        403 | 415 => told.into(),
        404 => "the server could not find the requested resource".into(),
        405 => "the server does not allow this method on the requested resource".into(),
        406 if told.is_empty() || told == "unknown" => {
            "the server was unable to respond with a content type that the client supports".into()
        }
        406 => told.into(),
        409 => "the server reported a conflict".into(),
        422 => "the server rejected our request due to an error in our request".into(),
        429 => "the server has received too many requests and has asked us to try again later".into(),
        503 => "the server is currently unable to handle the request".into(),
        504 => {
            "the server was unable to return a response in the time allotted, but may still be processing \
                the request"
                .into()
        }
        500.. => format!("an error on the server ({told:?}) has prevented the request from succeeding"),
        _ => {
            format!("the server responded with the status code {code} but did not return more information")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_told_as_client_go_does() {
        for (code, content_type, body, want) in [
            (200, "application/json", "{}", Ok(())),
            (
                200,
                "text/plain",
                "",
                Err("0-length response with status code: 200 and content type: text/plain"),
            ),
            (
                500,
                "text/plain",
                "boom\n",
                Err("an error on the server (\"boom\") has prevented the request from succeeding"),
            ),
            (404, "text/plain", "x", Err("the server could not find the requested resource")),
            (
                302,
                "text/html",
                "x",
                Err("the server responded with the status code 302 but did not return more information"),
            ),
            (500, "application/json", r#"{"kind":"Status","message":"own words"}"#, Err("own words")),
            (
                502,
                "application/json",
                "{}",
                Err("an error on the server (\"unknown\") has prevented the request from succeeding"),
            ),
        ] {
            let answer = Answer {
                code: StatusCode::from_u16(code).expect("a code"),
                content_type: content_type.into(),
                body: body.into(),
            };
            assert_eq!(judge(&answer), want.map_err(String::from), "{code} {body}");
        }
    }
}
