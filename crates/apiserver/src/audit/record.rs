//! What is known of one request, and the events it becomes: a line of JSON per stage, with the fields of
//! `audit.k8s.io/v1 Event`.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use corten_admission::Notes;
use corten_api::Object;
use corten_api::authentication::v1::UserInfo;
use corten_api::meta::v1::{ObjectMeta, Status};
use corten_codec::json;
use corten_rt::Timestamp;
use http::HeaderMap;
use http::header::{HeaderValue, USER_AGENT};
use parking_lot::Mutex;
use serde_json::Value;

use super::policy::{Decision, Level, Stage};
use super::{Audit, Pending};
use crate::http::path::RequestInfo;

/// The longest user agent and request URI that are recorded whole, in bytes.
const USER_AGENT_BYTES: usize = 1024;
const URI_BYTES: usize = 16 * 1024;

/// What a request said of itself.
pub struct Head {
    pub id: HeaderValue,
    pub uri: http::Uri,
    pub user_agent: Option<HeaderValue>,
    pub sources: Vec<IpAddr>,
    pub received: Timestamp,
}

impl Head {
    /// Takes what is recorded out of a request.
    pub fn of(
        id: HeaderValue,
        uri: &http::Uri,
        headers: &HeaderMap,
        from: Option<IpAddr>,
        now: Timestamp,
    ) -> Self {
        let (uri, user_agent) = (uri.clone(), headers.get(USER_AGENT).cloned());
        Head { id, uri, user_agent, sources: sources(headers, from), received: now }
    }

    /// The same without a share in the room that the request was read into, for a record that lasts.
    pub fn apart(mut self) -> Self {
        let copy = |value: &HeaderValue| HeaderValue::from_bytes(value.as_bytes()).ok();
        self.id = copy(&self.id).unwrap_or(self.id);
        self.user_agent = self.user_agent.as_ref().and_then(copy);
        self.uri = self.uri.to_string().try_into().unwrap_or(self.uri);
        self
    }
}

/// Where a request says it comes from, proxies included, and last where it does come from.
fn sources(headers: &HeaderMap, from: Option<IpAddr>) -> Vec<IpAddr> {
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let mut all: Vec<IpAddr> =
        text("x-forwarded-for").split(',').filter_map(|part| part.trim().parse().ok()).take(32).collect();
    all.extend(text("x-real-ip").trim().parse().ok().filter(|ip| !all.contains(ip)));
    all.extend(from.map(|ip| ip.to_canonical()).filter(|ip| all.last() != Some(ip)));
    all
}

/// One request's record, from which its events are written.
pub struct Record {
    audit: Arc<Audit>,
    decision: Decision,
    head: Head,
    info: Arc<RequestInfo>,
    /// Who was authenticated; nobody when that failed.
    user: Option<Arc<UserInfo>>,
    notes: Arc<Notes>,
    told: Mutex<Told>,
}

/// What became known while the request was worked on.
#[derive(Default)]
struct Told {
    impersonated: Option<Arc<UserInfo>>,
    name: String,
    namespace: String,
    uid: String,
    resource_version: String,
    request: Option<Bytes>,
    response: Option<Bytes>,
    status: Option<Status>,
    completed: bool,
    /// Events that the request has to wait for.
    pending: Vec<Pending>,
}

impl Record {
    /// Decides about a request and begins its record; `None` when nothing of it is recorded.
    pub fn begin(
        audit: &Arc<Audit>,
        head: impl FnOnce() -> Head,
        user: Option<Arc<UserInfo>>,
        info: &Arc<RequestInfo>,
        notes: &Arc<Notes>,
    ) -> Option<Arc<Record>> {
        let decision = audit.policy.decide(user.as_deref(), info);
        if decision.level == Level::None {
            return None;
        }
        let record = Record {
            audit: Arc::clone(audit),
            decision,
            head: head(),
            info: Arc::clone(info),
            user,
            notes: Arc::clone(notes),
            told: Mutex::default(),
        };
        record.emit(Stage::RequestReceived);
        Some(Arc::new(record))
    }

    /// As whom the request acts.
    pub fn impersonated(&self, user: &Arc<UserInfo>) {
        self.told.lock().impersonated = Some(Arc::clone(user));
    }

    /// The object of the request's body.
    pub fn request(&self, object: &dyn Object) {
        let body = self.wants(Level::Request).then(|| Bytes::from(json::encode(object)));
        self.request_about(object.meta(), body);
    }

    /// The request's body as it came: a patch.
    pub fn request_body(&self, body: &Bytes) {
        if self.wants(Level::Request) && serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok() {
            self.told.lock().request = Some(body.clone());
        }
    }

    fn request_about(&self, meta: &ObjectMeta, body: Option<Bytes>) {
        let mut told = self.told.lock();
        told.name.clone_from(&meta.name);
        told.namespace.clone_from(&meta.namespace);
        told.uid.clone_from(&meta.uid);
        told.resource_version.clone_from(&meta.resource_version);
        told.request = body;
    }

    /// Whether at least this much is recorded.
    pub fn wants(&self, level: Level) -> bool {
        self.decision.level >= level
    }

    /// The answer as JSON.
    pub fn response(&self, body: Bytes) {
        self.told.lock().response = Some(body);
    }

    /// The answer is a status.
    pub fn status(&self, status: &Status) {
        let mut told = self.told.lock();
        if self.wants(Level::RequestResponse) {
            told.response = Some(json::encode_struct(status).into());
        }
        told.status = Some(Status { metadata: Default::default(), ..status.clone() });
    }

    /// The answer's head goes out.
    pub fn started(&self, code: u16) {
        self.told.lock().status.get_or_insert_default().code = i32::from(code);
        self.emit(Stage::ResponseStarted);
    }

    /// The request is answered in full; what is said later is not heard.
    pub fn completed(&self, code: u16) {
        let mut told = self.told.lock();
        if told.completed {
            return;
        }
        told.status.get_or_insert_default().code = i32::from(code);
        drop(told);
        self.end(Stage::ResponseComplete);
    }

    /// The caller was not authenticated; `tried` says how they tried.
    pub fn refused(&self, tried: String) {
        let mut told = self.told.lock();
        told.status = Some(Status { message: tried, code: 401, ..Status::default() });
        told.completed = true;
        drop(told);
        self.emit(Stage::ResponseStarted);
    }

    /// The handler panicked.
    pub fn panicked(&self, message: &str) {
        self.told.lock().status = Some(Status {
            status: "Failure".into(),
            reason: "InternalError".into(),
            message: format!("APIServer panic'd: {message}"),
            code: 500,
            ..Status::default()
        });
        self.end(Stage::Panic);
    }

    fn end(&self, stage: Stage) {
        if !std::mem::replace(&mut self.told.lock().completed, true) {
            self.emit(stage);
        }
    }

    fn emit(&self, stage: Stage) {
        if self.decision.wants(stage) {
            let now = self.audit.clock.now();
            let pending = self.audit.write(|out, bodies| self.line(out, stage, now, bodies));
            if let Some(pending) = pending {
                self.told.lock().pending.push(pending);
            }
        }
    }

    /// Whether the request has to wait until its events are where they belong.
    pub fn waits(&self) -> bool {
        self.audit.blocks() && !self.told.lock().pending.is_empty()
    }

    /// Waits until the events so far are where they belong; whether they are, where that is demanded.
    pub async fn settled(&self) -> bool {
        let pending = std::mem::take(&mut self.told.lock().pending);
        let mut all = true;
        for one in pending {
            all &= self.audit.settle(one).await;
        }
        all
    }

    /// Nobody waits any more.
    pub fn left(&self) {
        if self.audit.blocks() {
            std::mem::take(&mut self.told.lock().pending).into_iter().for_each(|one| self.audit.later(one));
        }
    }

    /// Writes one event, without a line's end; `bodies` may have to be left out, since it is too large.
    fn line(&self, out: &mut Vec<u8>, stage: Stage, now: Timestamp, bodies: bool) {
        let told = self.told.lock();
        out.extend_from_slice(b"{\"kind\":\"Event\",\"apiVersion\":\"audit.k8s.io/v1\",\"level\":\"");
        out.extend_from_slice(self.decision.level.name().as_bytes());
        out.extend_from_slice(b"\",\"auditID\":");
        text(out, self.head.id.to_str().unwrap_or_default());
        out.extend_from_slice(b",\"stage\":\"");
        out.extend_from_slice(stage.name().as_bytes());
        out.extend_from_slice(b"\",\"requestURI\":");
        let uri = self.head.uri.path_and_query().map_or("/", |p| p.as_str());
        text(out, cut(uri, URI_BYTES));
        field(out, "verb", &self.info.verb);
        out.extend_from_slice(b",\"user\":");
        match &self.user {
            Some(user) => json::encode_into(out, &**user),
            None => out.extend_from_slice(b"{}"),
        }
        if let Some(user) = &told.impersonated {
            out.extend_from_slice(b",\"impersonatedUser\":");
            json::encode_into(out, &**user);
        }
        self.origin(out);
        if self.info.is_resource {
            self.object(out, &told);
        }
        if let Some(status) = &told.status {
            out.extend_from_slice(b",\"responseStatus\":");
            status_json(out, status);
        }
        for (name, body) in [("requestObject", &told.request), ("responseObject", &told.response)] {
            if let Some(body) = body.as_ref().filter(|_| bodies) {
                out.extend_from_slice(format!(",\"{name}\":").as_bytes());
                self.body(out, body);
            }
        }
        times(out, self.head.received, now);
        self.annotations(out, !bodies);
        out.push(b'}');
    }

    fn origin(&self, out: &mut Vec<u8>) {
        if !self.head.sources.is_empty() {
            out.extend_from_slice(b",\"sourceIPs\":[");
            for (i, ip) in self.head.sources.iter().enumerate() {
                let comma = if i == 0 { "" } else { "," };
                out.extend_from_slice(format!("{comma}\"{ip}\"").as_bytes());
            }
            out.push(b']');
        }
        if let Some(agent) = &self.head.user_agent {
            let agent = String::from_utf8_lossy(agent.as_bytes());
            let short = cut(&agent, USER_AGENT_BYTES);
            let mark = if short.len() < agent.len() { "...TRUNCATED" } else { "" };
            field(out, "userAgent", &format!("{short}{mark}"));
        }
    }

    fn object(&self, out: &mut Vec<u8>, told: &Told) {
        let info = &self.info;
        let or =
            |path: &'_ str, body: &'_ str| if path.is_empty() { body.to_string() } else { path.to_string() };
        out.extend_from_slice(b",\"objectRef\":{");
        let start = out.len();
        for (name, value) in [
            ("resource", info.resource.clone()),
            ("namespace", or(&info.namespace, &told.namespace)),
            ("name", or(&info.name, &told.name)),
            ("uid", told.uid.clone()),
            ("apiGroup", info.group.clone()),
            ("apiVersion", info.version.clone()),
            ("resourceVersion", told.resource_version.clone()),
            ("subresource", info.subresource.clone()),
        ] {
            if !value.is_empty() {
                field(out, name, &value);
            }
        }
        if out.len() > start {
            out.remove(start);
        }
        out.push(b'}');
    }

    /// A request's or an answer's object.
    fn body(&self, out: &mut Vec<u8>, body: &Bytes) {
        if self.decision.omit_managed_fields
            && let Ok(mut value) = serde_json::from_slice::<Value>(body)
        {
            drop_managed_fields(&mut value);
            for item in value.get_mut("items").and_then(Value::as_array_mut).into_iter().flatten() {
                drop_managed_fields(item);
            }
            for row in value.get_mut("rows").and_then(Value::as_array_mut).into_iter().flatten() {
                row.get_mut("object").map(drop_managed_fields);
            }
            out.extend_from_slice(value.to_string().as_bytes());
            return;
        }
        // A line's end would end the event.
        out.extend(body.iter().filter(|b| !matches!(b, b'\n' | b'\r')));
    }

    fn annotations(&self, out: &mut Vec<u8>, truncated: bool) {
        let mut annotations = self.notes.annotations();
        if truncated {
            annotations.push(("audit.k8s.io/truncated".into(), "true".into()));
        }
        if self.wants(Level::Request) {
            annotations.extend(self.notes.details());
        }
        for (i, (key, value)) in annotations.iter().enumerate() {
            out.extend_from_slice(if i == 0 { b",\"annotations\":{" } else { b"," });
            text(out, key);
            out.push(b':');
            text(out, value);
        }
        if !annotations.is_empty() {
            out.push(b'}');
        }
    }
}

fn drop_managed_fields(object: &mut Value) {
    if let Some(meta) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        meta.remove("managedFields");
    }
}

/// The bounded fields of a status, as upstream writes them.
fn status_json(out: &mut Vec<u8>, status: &Status) {
    out.extend_from_slice(b"{\"metadata\":{}");
    for (name, value) in
        [("status", &status.status), ("message", &status.message), ("reason", &status.reason)]
    {
        if !value.is_empty() {
            field(out, name, value);
        }
    }
    if let Some(details) = &status.details {
        out.extend_from_slice(b",\"details\":");
        json::encode_into(out, &**details);
    }
    out.extend_from_slice(format!(",\"code\":{}}}", status.code).as_bytes());
}

fn times(out: &mut Vec<u8>, received: Timestamp, now: Timestamp) {
    out.extend_from_slice(
        format!(",\"requestReceivedTimestamp\":\"{received:.6}\",\"stageTimestamp\":\"{now:.6}\"").as_bytes(),
    );
}

fn field(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    text(out, value);
}

/// A JSON string.
fn text(out: &mut Vec<u8>, value: &str) {
    if serde_json::to_writer(&mut *out, value).is_err() {
        out.extend_from_slice(b"\"\"");
    }
}

fn cut(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::policy::Policy;
    use crate::http::query::Query;
    use corten_api::core::v1::Secret;
    use corten_rt::Clock;

    fn written(level: &str, act: impl FnOnce(&Record)) -> Vec<Value> {
        let policy = format!(
            "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitManagedFields: true\nrules: [{{level: {level}}}]"
        );
        let policy = Policy::parse(policy.as_bytes()).expect("a policy");
        let audit = Arc::new(Audit::new(policy, Clock::system()));
        let user =
            Arc::new(UserInfo { username: "ann".into(), groups: vec!["g".into()], ..UserInfo::default() });
        let path = "/api/v1/namespaces/a/secrets?dryRun=All";
        let info = RequestInfo::new(&http::Method::POST, "/api/v1/namespaces/a/secrets", &Query::default());
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", HeaderValue::from_static("10.0.0.1, x, 10.0.0.2"));
        headers.insert("user-agent", HeaderValue::from_static("kubectl/v1.35"));
        let head = || {
            let from = Some("::ffff:192.0.2.1".parse().expect("an address"));
            let id = HeaderValue::from_static("the-id");
            let now = "2026-01-02T03:04:05.5Z".parse().expect("a time");
            Head::of(id, &path.parse().expect("a URI"), &headers, from, now)
        };
        let notes = Arc::new(Notes::default());
        let record = Record::begin(&audit, head, Some(user), &Arc::new(info), &notes).expect("recorded");
        notes.annotate("authorization.k8s.io/decision", "allow");
        act(&record);
        let lines = audit.take().lines;
        let lines = std::str::from_utf8(&lines).expect("text");
        lines.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
    }

    fn secret() -> Secret {
        let mut secret = Secret::default();
        secret.metadata.name = "s".into();
        secret.metadata.managed_fields.push(Default::default());
        secret.data.insert("k".into(), b"hidden".to_vec());
        secret
    }

    #[test]
    fn metadata_tells_who_did_what_but_no_bodies() {
        let events = written("Metadata", |record| {
            record.request(&secret());
            record.completed(201);
            record.completed(500);
        });
        assert_eq!(events.len(), 2, "{events:?}");
        assert_eq!(events[0]["stage"], "RequestReceived");
        let event = &events[1];
        let mut want = serde_json::json!({
            "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Metadata", "auditID": "the-id",
            "stage": "ResponseComplete", "requestURI": "/api/v1/namespaces/a/secrets?dryRun=All",
            "verb": "create", "user": {"username": "ann", "groups": ["g"]},
            "sourceIPs": ["10.0.0.1", "10.0.0.2", "192.0.2.1"], "userAgent": "kubectl/v1.35",
            "objectRef": {"resource": "secrets", "namespace": "a", "name": "s", "apiVersion": "v1"},
            "responseStatus": {"metadata": {}, "code": 201},
            "requestReceivedTimestamp": "2026-01-02T03:04:05.500000Z",
            "annotations": {"authorization.k8s.io/decision": "allow"},
        });
        want["stageTimestamp"] = event["stageTimestamp"].clone();
        assert_eq!(*event, want);
    }

    #[test]
    fn bodies_are_recorded_where_the_policy_asks() {
        let events = written("RequestResponse", |record| {
            record.request(&secret());
            record.response(json::encode(&secret()).into());
            record.completed(201);
        });
        for body in ["requestObject", "responseObject"] {
            assert_eq!(events[1][body]["data"]["k"], "aGlkZGVu", "{body}");
            assert!(events[1][body]["metadata"]["managedFields"].is_null(), "{body}");
        }
        let events = written("Request", |record| {
            record.status(corten_semantics::ApiError::bad_request("no\nway").status());
            record.completed(400);
        });
        assert!(events[1]["responseObject"].is_null());
        assert_eq!(events[1]["responseStatus"]["message"], "no\nway");
        assert_eq!(events[1]["responseStatus"]["reason"], "BadRequest");
    }

    #[test]
    fn a_panic_is_recorded_in_its_own_stage() {
        let events = written("Metadata", |record| record.panicked("oh"));
        assert_eq!(
            (&events[1]["stage"], &events[1]["responseStatus"]["code"]),
            (&"Panic".into(), &500.into())
        );
    }
}
