//! Calls as HTTP requests, and answers as objects.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use corten_api::meta::v1::{self as meta, Status};
use corten_api::{KindInfo, Object};
use corten_codec::{Problems, json, list as lists};
use corten_rt::{Instant, Tasks};
use corten_semantics::{ApiError, ApiResult};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, USER_AGENT};
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioTimer;
use parking_lot::Mutex;

use super::{HttpConfig, HttpError, Token};
use crate::transport::{Answer, Call, DeleteOptions, ListOptions, ObjectList, Target, WriteOptions};

/// The longest answer that is read, in bytes.
const ANSWER_BYTES: usize = 256 << 20;
/// How long a token from a file is used before the file is read again.
const TOKEN_TIME: Duration = Duration::from_secs(60);
const CONNECT_TIME: Duration = Duration::from_secs(10);

/// Runs connections in the transport's tasks.
#[derive(Clone)]
struct InTasks(Tasks);

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for InTasks {
    fn execute(&self, connection: F) {
        self.0.spawn_until_stopped("client connection", connection);
    }
}

/// Requests to one server under one identity.
pub struct Exchange {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    server: String,
    user_agent: HeaderValue,
    token: TokenKeeper,
}

/// What a request says beside its target.
#[derive(Default)]
pub struct Message {
    pub query: Vec<(&'static str, String)>,
    pub content_type: &'static str,
    pub body: Vec<u8>,
}

impl Exchange {
    pub fn new(config: &HttpConfig, tasks: &Tasks) -> Result<Self, HttpError> {
        let server = config.server.trim_end_matches('/').to_string();
        if !server.starts_with("https://") {
            return Err(HttpError::Config(format!("the server {server:?} is no https:// address")));
        }
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_TIME));
        let builder = HttpsConnectorBuilder::new().with_tls_config(config.tls()?).https_only();
        let connector = match config.name()? {
            Some(name) => builder
                .with_server_name_resolver(FixedServerNameResolver::new(name))
                .enable_all_versions()
                .wrap_connector(tcp),
            None => builder.enable_all_versions().wrap_connector(tcp),
        };
        let client = Client::builder(InTasks(tasks.clone()))
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .http2_keep_alive_interval(Duration::from_secs(30))
            .http2_keep_alive_timeout(Duration::from_secs(15))
            .http2_keep_alive_while_idle(true)
            .build(connector);
        let agent = match config.user_agent.as_str() {
            "" => concat!("corten/", env!("CARGO_PKG_VERSION")),
            own => own,
        };
        let user_agent =
            HeaderValue::from_str(agent).map_err(|e| HttpError::Config(format!("user agent: {e}")))?;
        Ok(Exchange { client, server, user_agent, token: TokenKeeper::new(&config.token) })
    }

    /// Sends a request; refusals become errors.
    pub async fn send(
        &self,
        method: Method,
        target: &Target,
        message: Message,
    ) -> ApiResult<Response<Incoming>> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{}", self.server, path(target, &message.query)))
            .header(ACCEPT, "application/json")
            .header(USER_AGENT, &self.user_agent);
        if !message.content_type.is_empty() {
            request = request.header(CONTENT_TYPE, message.content_type);
        }
        if let Some(token) = self.token.current().await? {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request
            .body(Full::new(Bytes::from(message.body)))
            .map_err(|e| ApiError::bad_request(format!("the request cannot be written: {e}")))?;
        let response = self.client.request(request).await.map_err(|e| self.unreachable(&e))?;
        if response.status().is_success() { Ok(response) } else { Err(refused(response).await) }
    }

    fn unreachable(&self, error: &dyn std::error::Error) -> ApiError {
        let mut why = error.to_string();
        let mut source = error.source();
        while let Some(inner) = source {
            why = format!("{why}: {inner}");
            source = inner.source();
        }
        ApiError::unavailable(format!("the server {} cannot be reached: {why}", self.server))
    }

    pub async fn call(&self, target: &Target, call: Call) -> ApiResult<Answer> {
        let (method, message) = plan(&call);
        let is_list = matches!(call, Call::List(_) | Call::DeleteCollection(..));
        let response = self.send(method, target, message).await?;
        let body = read(response.into_body()).await?;
        match (is_list, call) {
            (true, Call::List(_)) => list(target.kind, &body),
            (true, _) => Ok(Answer::Done),
            (false, _) => answer(&body),
        }
    }
}

/// What a call is as a request.
fn plan(call: &Call) -> (Method, Message) {
    const JSON: &str = "application/json";
    let written = |object: &Arc<dyn Object>, options: &WriteOptions| Message {
        query: write_query(options),
        content_type: JSON,
        body: json::encode(&**object),
    };
    match call {
        Call::Get => (Method::GET, Message::default()),
        Call::List(options) => (Method::GET, Message { query: list_query(options), ..Message::default() }),
        Call::Create(object, options) => (Method::POST, written(object, options)),
        Call::Update(object, options) => (Method::PUT, written(object, options)),
        Call::Patch(kind, patch, options) => {
            let content_type = kind.content_type();
            (Method::PATCH, Message { query: write_query(options), content_type, body: patch.clone() })
        }
        Call::Delete(options) => {
            (Method::DELETE, Message { query: Vec::new(), content_type: JSON, body: delete_body(options) })
        }
        Call::DeleteCollection(list, options) => (
            Method::DELETE,
            Message { query: list_query(list), content_type: JSON, body: delete_body(options) },
        ),
    }
}

fn write_query(options: &WriteOptions) -> Vec<(&'static str, String)> {
    let mut query = Vec::new();
    if options.dry_run {
        query.push(("dryRun", "All".into()));
    }
    if !options.field_manager.is_empty() {
        query.push(("fieldManager", options.field_manager.clone()));
    }
    if options.force {
        query.push(("force", "true".into()));
    }
    query
}

fn list_query(options: &ListOptions) -> Vec<(&'static str, String)> {
    let limit = if options.limit == 0 { String::new() } else { options.limit.to_string() };
    let all = [
        ("labelSelector", options.label_selector.clone()),
        ("fieldSelector", options.field_selector.clone()),
        ("limit", limit),
        ("continue", options.continue_.clone()),
        ("resourceVersion", options.resource_version.clone()),
    ];
    all.into_iter().filter(|(_, value)| !value.is_empty()).collect()
}

fn delete_body(options: &DeleteOptions) -> Vec<u8> {
    json::encode_struct(&meta::DeleteOptions {
        grace_period_seconds: options.grace_period_seconds,
        preconditions: options.preconditions.clone().map(Box::new),
        propagation_policy: options.propagation_policy.clone(),
        dry_run: if options.dry_run { vec!["All".into()] } else { Vec::new() },
        ..meta::DeleteOptions::default()
    })
}

/// The path and query of a request.
fn path(target: &Target, query: &[(&'static str, String)]) -> String {
    let kind = target.kind;
    let mut path = if kind.group.is_empty() {
        format!("/api/{}", kind.version)
    } else {
        format!("/apis/{}/{}", kind.group, kind.version)
    };
    let namespace = target.namespace.as_deref().filter(|n| !n.is_empty());
    let places = namespace.into_iter().flat_map(|n| ["namespaces", n]);
    for part in places.chain([kind.plural, target.name.as_str(), target.subresource]) {
        if !part.is_empty() {
            path.push('/');
            escape(&mut path, part);
        }
    }
    for (at, (key, value)) in query.iter().enumerate() {
        path.push(if at == 0 { '?' } else { '&' });
        path.push_str(key);
        path.push('=');
        escape(&mut path, value);
    }
    path
}

fn escape(out: &mut String, text: &str) {
    for &byte in text.as_bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~:".contains(&byte) {
            out.push(byte as char);
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
}

async fn read(body: Incoming) -> ApiResult<Bytes> {
    let body = Limited::new(body, ANSWER_BYTES).collect().await;
    body.map(|b| b.to_bytes()).map_err(|e| ApiError::unavailable(format!("reading the server's answer: {e}")))
}

async fn refused(response: Response<Incoming>) -> ApiError {
    let code = response.status().as_u16();
    let body = read(response.into_body()).await.unwrap_or_default();
    match status(&body) {
        Some(status) if status.code != 0 => status.into(),
        _ => {
            let reason = match code {
                401 => "Unauthorized",
                403 => "Forbidden",
                404 => "NotFound",
                429 => "TooManyRequests",
                503 => "ServiceUnavailable",
                504 => "Timeout",
                _ => "",
            };
            ApiError::new(code, reason, String::from_utf8_lossy(&body).trim().to_string())
        }
    }
}

/// The body as a `Status`, if it is one.
pub fn status(body: &[u8]) -> Option<Status> {
    let head = json::type_meta(body).ok()?;
    if head.kind != "Status" {
        return None;
    }
    let mut status = Status::default();
    json::decode_struct(body, &mut status, &mut Problems::ignore()).ok()?;
    Some(status)
}

/// An answer that took longer than the server itself waits.
pub fn timed_out() -> ApiError {
    ApiError::timeout("the server did not answer in time", 0)
}

fn answer(body: &[u8]) -> ApiResult<Answer> {
    if status(body).is_some() {
        return Ok(Answer::Done);
    }
    object(body, None).map(Answer::Object)
}

/// An object in JSON, of the kind that it says it is; `expected` for one that says nothing.
pub fn object(body: &[u8], expected: Option<&'static KindInfo>) -> ApiResult<Arc<dyn Object>> {
    let broken = |e: &dyn std::fmt::Display| ApiError::internal(format!("the server's answer: {e}"));
    let head = json::type_meta(body).map_err(|e| broken(&e))?;
    let (group, version) = head.group_version();
    let told = corten_api::builtin::KINDS.iter().chain(corten_api::builtin::OPTIONAL).copied();
    let kind = told.into_iter().find(|k| (k.group, k.version, k.kind) == (group, version, &*head.kind));
    let blank = kind.or(expected).and_then(KindInfo::blank);
    let mut object =
        blank.ok_or_else(|| broken(&format!("unknown kind {:?} of {:?}", head.kind, head.api_version)))?;
    json::decode(body, &mut *object, &mut Problems::ignore()).map_err(|e| broken(&e))?;
    Ok(object.into())
}

fn list(kind: &'static KindInfo, body: &[u8]) -> ApiResult<Answer> {
    if kind.blank().is_none() {
        return Err(ApiError::internal("the kind has no objects"));
    }
    let blank = || kind.blank().unwrap_or_else(|| Box::new(corten_api::DynamicObject::new(kind)));
    let read = lists::decode_json(body, blank, &mut Problems::ignore())
        .map_err(|e| ApiError::internal(format!("the server's answer: {e}")))?;
    Ok(Answer::List(ObjectList {
        items: read.items.into_iter().map(Into::into).collect(),
        resource_version: read.meta.resource_version,
        continue_: read.meta.continue_,
    }))
}

/// A bearer token, read again from its file now and then.
enum TokenKeeper {
    None,
    Text(String),
    File(PathBuf, Mutex<Option<(Instant, String)>>),
}

impl TokenKeeper {
    fn new(token: &Token) -> Self {
        match token {
            Token::None => TokenKeeper::None,
            Token::Text(text) => TokenKeeper::Text(text.clone()),
            Token::File(path) => TokenKeeper::File(path.clone(), Mutex::default()),
        }
    }

    async fn current(&self) -> ApiResult<Option<String>> {
        let (path, kept) = match self {
            TokenKeeper::None => return Ok(None),
            TokenKeeper::Text(text) => return Ok(Some(text.clone())),
            TokenKeeper::File(path, kept) => (path, kept),
        };
        if let Some((at, token)) = &*kept.lock()
            && at.elapsed() < TOKEN_TIME
        {
            return Ok(Some(token.clone()));
        }
        let text = tokio::fs::read_to_string(path)
            .await
            .map_err(|e| ApiError::unavailable(format!("the token file {}: {e}", path.display())))?;
        let token = text.trim().to_string();
        *kept.lock() = Some((Instant::now(), token.clone()));
        Ok(Some(token))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::Kind;
    use corten_api::apps::v1::Deployment;
    use corten_api::core::v1::Node;

    #[test]
    fn targets_become_paths() {
        let target = |kind, namespace: Option<&str>, name: &str, subresource| Target {
            kind,
            namespace: namespace.map(str::to_string),
            name: name.into(),
            subresource,
        };
        for (target, query, want) in [
            (target(Node::INFO, None, "n", "status"), vec![], "/api/v1/nodes/n/status"),
            (target(Deployment::INFO, None, "", ""), vec![], "/apis/apps/v1/deployments"),
            (
                target(Deployment::INFO, Some("a"), "d", ""),
                vec![("labelSelector", "a=b,c".to_string())],
                "/apis/apps/v1/namespaces/a/deployments/d?labelSelector=a%3Db%2Cc",
            ),
        ] {
            assert_eq!(path(&target, &query), want);
        }
    }
}
