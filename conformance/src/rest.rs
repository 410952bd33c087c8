//! Plain JSON over HTTPS, as dynamic clients speak it: for kinds that are no Rust types, for headers, and for answers
//! that are refusals.

use crate::Cluster;
use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use corten_client::PatchType;
use corten_rt::{Tasks, timeout};
use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap};
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::Value;
use std::collections::VecDeque;
use std::time::Duration;

const JSON: &str = "application/json";
/// How long one call may take.
const CALL_TIME: Duration = Duration::from_secs(90);

/// Connections run in the spec's tasks.
#[derive(Clone)]
struct InTasks(Tasks);

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for InTasks {
    fn execute(&self, connection: F) {
        self.0.spawn_until_stopped("connection", connection);
    }
}

/// The connections of a spec.
pub(crate) struct Http(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

impl Http {
    pub(crate) fn new(tls: rustls::ClientConfig, tasks: &Tasks) -> Self {
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_only().enable_all_versions();
        Http(Client::builder(InTasks(tasks.clone())).build(connector.build()))
    }
}

/// A request that is being written.
pub struct Ask<'a> {
    http: &'a Http,
    method: Method,
    url: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Ask<'_> {
    /// With a header. `Accept` is JSON if none is given.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// With a body.
    #[must_use]
    pub fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self.header(CONTENT_TYPE.as_str(), content_type)
    }

    /// With a body of JSON.
    #[must_use]
    pub fn json(self, body: &Value) -> Self {
        self.body(JSON, body.to_string())
    }

    async fn open(self) -> Result<http::Response<Incoming>> {
        let mut request = Request::builder().method(self.method).uri(&self.url);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if !self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(ACCEPT.as_str())) {
            request = request.header(ACCEPT, JSON);
        }
        let request = request.body(Full::new(Bytes::from(self.body)))?;
        self.http.0.request(request).await.with_context(|| format!("ask {}", self.url))
    }

    /// Sends the request, and gives what is answered, whatever it is.
    pub async fn send(self) -> Result<Reply> {
        let (method, url) = (self.method.clone(), self.url.clone());
        let exchange = async {
            let (parts, body) = self.open().await?.into_parts();
            let body = body.collect().await.context("read the answer")?.to_bytes();
            Ok(Reply { code: parts.status.as_u16(), headers: parts.headers, body })
        };
        let reply: Result<Reply> = timeout(CALL_TIME, exchange).await.context("no answer in time")?;
        reply.with_context(|| format!("{method} {url}"))
    }

    /// Sends the request, and gives the object of an answer that is no refusal.
    pub async fn ok(self) -> Result<Value> {
        let (method, url) = (self.method.clone(), self.url.clone());
        self.send().await?.ok().with_context(|| format!("{method} {url}"))
    }
}

/// An answer.
#[derive(Debug)]
pub struct Reply {
    pub code: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Reply {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The object; a refusal becomes a [`Refused`].
    pub fn ok(&self) -> Result<Value> {
        if !(200..300).contains(&self.code) {
            return Err(Refused { code: self.code, status: self.text() }.into());
        }
        serde_json::from_slice(&self.body).with_context(|| format!("no JSON: {}", self.text()))
    }

    /// The message of a refusal with this code.
    pub fn refused(&self, code: u16) -> Result<String> {
        ensure!(self.code == code, "{} instead of {code}: {}", self.code, self.text());
        let status: Value = serde_json::from_slice(&self.body).with_context(|| self.text())?;
        Ok(status["message"].as_str().unwrap_or_default().to_string())
    }

    /// The texts of all `Warning` headers.
    pub fn warnings(&self) -> Vec<&str> {
        self.headers.get_all("warning").iter().filter_map(|value| value.to_str().ok()).collect()
    }
}

/// What a server answered that refused.
#[derive(Debug)]
pub struct Refused {
    pub code: u16,
    /// The answer's body, most often a Status.
    pub status: String,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code, self.status)
    }
}

impl std::error::Error for Refused {}

/// The refusal that a call must have met.
pub fn refusal<T: std::fmt::Debug>(result: Result<T>) -> Result<Refused> {
    match result {
        Ok(done) => bail!("this was not refused: {done:?}"),
        Err(e) => e.downcast::<Refused>(),
    }
}

/// Whether a call was refused with this code; other failures stay failures.
pub fn is_refused<T>(result: Result<T>, code: u16) -> Result<bool> {
    match result {
        Ok(_) => Ok(false),
        Err(e) => match e.downcast_ref::<Refused>() {
            Some(refused) if refused.code == code => Ok(true),
            _ => Err(e),
        },
    }
}

/// The objects of one resource, of any kind.
pub struct Resource<'a> {
    cluster: &'a Cluster,
    /// Of the collection, `/apis/apps/v1/namespaces/x/deployments`.
    pub path: String,
}

impl Cluster {
    /// A request to a path of the API.
    pub fn ask(&self, method: Method, path: &str) -> Ask<'_> {
        let url = format!("{}{path}", self.config.server.trim_end_matches('/'));
        Ask { http: &self.http, method, url, headers: Vec::new(), body: Vec::new() }
    }

    /// Reads a path of the API.
    pub async fn read(&self, path: &str) -> Result<Value> {
        self.ask(Method::GET, path).ok().await
    }

    /// The objects of a resource in the spec's namespace: `("apps/v1", "deployments")`.
    pub fn resource(&self, api_version: &str, plural: &str) -> Resource<'_> {
        self.resource_in(&self.namespace, api_version, plural)
    }

    /// The same in another namespace.
    pub fn resource_in(&self, namespace: &str, api_version: &str, plural: &str) -> Resource<'_> {
        self.at(format!("{}/namespaces/{namespace}/{plural}", prefix(api_version)))
    }

    /// The objects of a resource outside namespaces, or in all of them.
    pub fn wide(&self, api_version: &str, plural: &str) -> Resource<'_> {
        self.at(format!("{}/{plural}", prefix(api_version)))
    }

    fn at(&self, path: String) -> Resource<'_> {
        Resource { cluster: self, path }
    }
}

/// Where a group's version is served.
fn prefix(api_version: &str) -> String {
    if api_version.contains('/') { format!("/apis/{api_version}") } else { format!("/api/{api_version}") }
}

impl Resource<'_> {
    fn one(&self, method: Method, name: &str) -> Ask<'_> {
        self.cluster.ask(method, &format!("{}/{name}", self.path))
    }

    /// Reads an object, or its subresource (`NAME/status`).
    pub async fn get(&self, name: &str) -> Result<Value> {
        self.one(Method::GET, name).ok().await
    }

    /// Reads the list, with a query (`?limit=5`).
    pub async fn list(&self, query: &str) -> Result<Value> {
        self.cluster.ask(Method::GET, &format!("{}{query}", self.path)).ok().await
    }

    /// The objects of a list.
    pub async fn items(&self, query: &str) -> Result<Vec<Value>> {
        match self.list(query).await?["items"].take() {
            Value::Array(items) => Ok(items),
            other => bail!("a list whose items are {other}"),
        }
    }

    /// Creates an object.
    pub async fn create(&self, object: &Value) -> Result<Value> {
        self.create_with("", object).await
    }

    /// The same with a query.
    pub async fn create_with(&self, query: &str, object: &Value) -> Result<Value> {
        self.cluster.ask(Method::POST, &format!("{}{query}", self.path)).json(object).ok().await
    }

    /// Replaces an object, or its subresource.
    pub async fn put(&self, name: &str, object: &Value) -> Result<Value> {
        self.one(Method::PUT, name).json(object).ok().await
    }

    /// Patches an object, or its subresource.
    pub async fn patch(&self, name: &str, kind: PatchType, patch: &Value) -> Result<Value> {
        self.one(Method::PATCH, name).body(kind.content_type(), patch.to_string()).ok().await
    }

    /// Merges into an object, or its subresource.
    pub async fn merge(&self, name: &str, patch: &Value) -> Result<Value> {
        self.patch(name, PatchType::Merge, patch).await
    }

    /// Reads, changes and replaces an object (or its subresource), again when somebody else was faster.
    pub async fn change(&self, name: &str, change: impl Fn(&mut Value)) -> Result<Value> {
        for _ in 0..20 {
            let mut object = self.get(name).await?;
            change(&mut object);
            match self.put(name, &object).await {
                Err(e) if e.downcast_ref::<Refused>().is_some_and(|refused| refused.code == 409) => {}
                other => return other,
            }
        }
        bail!("{name} was changed by others twenty times in a row")
    }

    /// Deletes an object.
    pub async fn delete(&self, name: &str) -> Result<Value> {
        self.one(Method::DELETE, name).ok().await
    }

    /// Deletes an object as options say.
    pub async fn delete_with(&self, name: &str, options: &Value) -> Result<Value> {
        self.one(Method::DELETE, name).json(options).ok().await
    }

    /// Deletes what a query (`?labelSelector=a%3Db`) selects.
    pub async fn delete_all(&self, query: &str) -> Result<Value> {
        self.cluster.ask(Method::DELETE, &format!("{}{query}", self.path)).ok().await
    }

    /// Waits until an object does not exist any more.
    pub async fn gone(&self, name: &str) -> Result<()> {
        let what = format!("the end of {}/{name}", self.path);
        crate::wait(&what, async || Ok(is_refused(self.get(name).await, 404)?.then_some(()))).await
    }

    /// Waits until an object is as it must be.
    pub async fn until(&self, name: &str, what: &str, done: impl Fn(&Value) -> bool) -> Result<Value> {
        let mut last = Value::Null;
        let found = crate::wait(what, async || {
            last = self.get(name).await?;
            Ok(done(&last).then(|| last.clone()))
        })
        .await;
        found.with_context(|| format!("last seen: {last}"))
    }

    /// Watches the resource, with more parameters (`&resourceVersion=5`).
    pub async fn watch(&self, parameters: &str) -> Result<Events> {
        let reply =
            self.cluster.ask(Method::GET, &format!("{}?watch=1{parameters}", self.path)).open().await?;
        let (code, body) = (reply.status().as_u16(), reply.into_body());
        if code != 200 {
            let status = String::from_utf8_lossy(&body.collect().await?.to_bytes()).into_owned();
            return Err(Refused { code, status }.into());
        }
        Ok(Events { body, rest: Vec::new(), ready: VecDeque::new() })
    }
}

/// What a watch tells.
pub struct Events {
    body: Incoming,
    rest: Vec<u8>,
    ready: VecDeque<(String, Value)>,
}

impl Events {
    /// The next event's type and object; `None` when none comes in time.
    pub async fn next_within(&mut self, limit: Duration) -> Result<Option<(String, Value)>> {
        timeout(limit, self.next()).await.transpose()
    }

    async fn next(&mut self) -> Result<(String, Value)> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(event);
            }
            let frame = self.body.frame().await.context("the watch ended")??;
            self.rest.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
            while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                let mut event: Value = serde_json::from_slice(&line).context("an event")?;
                let kind = event["type"].as_str().unwrap_or_default().to_string();
                self.ready.push_back((kind, event["object"].take()));
            }
        }
    }

    /// Waits for an event, passing over others.
    pub async fn until(&mut self, what: &str, done: impl Fn(&str, &Value) -> bool) -> Result<Value> {
        let mut seen = Vec::new();
        let found = timeout(Duration::from_secs(60), async {
            loop {
                let (kind, object) = self.next().await?;
                if done(&kind, &object) {
                    return Ok(object);
                }
                seen.push(format!("{kind} {}", object["metadata"]["name"]));
            }
        })
        .await;
        found.unwrap_or_else(|| bail!("the watch does not tell of {what}, but of {seen:?}"))
    }

    /// The next event, which must be of this type.
    pub async fn expect(&mut self, wanted: &str) -> Result<Value> {
        let seen = self.next_within(Duration::from_secs(60)).await?;
        let (kind, object) = seen.with_context(|| format!("no {wanted} within a minute"))?;
        ensure!(kind == wanted, "{kind} instead of {wanted}: {object}");
        Ok(object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_stand_below_apis() {
        assert_eq!(prefix("v1"), "/api/v1");
        assert_eq!(prefix("apps/v1"), "/apis/apps/v1");
    }

    #[test]
    fn refusals_are_told_from_failures() {
        let refused = || -> Result<()> { Err(Refused { code: 404, status: String::new() }.into()) };
        assert!(is_refused(refused(), 404).expect("a refusal"));
        assert!(is_refused(refused(), 409).is_err());
        assert!(!is_refused(Ok(()), 404).expect("no failure"));
        assert!(refusal(Ok(())).is_err());
    }
}
