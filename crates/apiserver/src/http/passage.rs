//! What is kept of a request beside the request: when it came and from where, its record for the audit log,
//! and what admission said. It outlives the handler, so that even a panic is recorded.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use corten_admission::Notes;
use corten_api::authentication::v1::UserInfo;
use corten_auth::authenticate::Peer;
use corten_rt::{Instant, Timestamp};
use http::HeaderMap;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use hyper::Request;

use super::Api;
use super::path::RequestInfo;
use super::query::Query;
use super::response::{self, Response};
use crate::audit::{Head, Record};
use crate::flow::Ids;

const FLOW_SCHEMA: HeaderName = HeaderName::from_static("x-kubernetes-pf-flowschema-uid");
const PRIORITY_LEVEL: HeaderName = HeaderName::from_static("x-kubernetes-pf-prioritylevel-uid");

/// One request's way through the chain.
pub struct Passage {
    pub audit_id: HeaderValue,
    pub received: Timestamp,
    pub started: Instant,
    /// The other end of the connection.
    pub from: Option<IpAddr>,
    pub notes: Arc<Notes>,
    pub record: OnceLock<Arc<Record>>,
    /// The class that the request was put into.
    pub class: OnceLock<Ids>,
    /// How long it waited for a place.
    pub queued: OnceLock<Duration>,
    /// Whether it was ended for the server's own sake.
    pub terminated: AtomicBool,
}

impl Passage {
    /// Begins with a request.
    pub fn new(api: &Api, audit_id: HeaderValue, from: Option<IpAddr>) -> Self {
        Passage {
            audit_id,
            received: api.clock.now(),
            started: Instant::now(),
            from,
            notes: Arc::default(),
            record: OnceLock::new(),
            class: OnceLock::new(),
            queued: OnceLock::new(),
            terminated: AtomicBool::new(false),
        }
    }

    /// Begins the record if the policy wants one; `user` is nobody if authentication failed.
    pub fn record<B>(
        &self,
        api: &Api,
        request: &Request<B>,
        user: Option<&Arc<UserInfo>>,
        info: &Arc<RequestInfo>,
    ) -> Option<&Arc<Record>> {
        let audit = api.audit.as_ref()?;
        let (id, uri, headers) = (&self.audit_id, request.uri(), request.headers());
        let head = || {
            let head = Head::of(id.clone(), uri, headers, self.from, self.received);
            if info.verb == "watch" || !info.subresource.is_empty() { head.apart() } else { head }
        };
        let record = Record::begin(audit, head, user.cloned(), info, &self.notes)?;
        Some(self.record.get_or_init(|| record))
    }

    /// Waits until the events are where they belong, where that is asked for; whether they are.
    pub async fn settled(&self) -> bool {
        match self.record.get().filter(|record| record.waits()) {
            Some(record) => Box::pin(record.settled()).await,
            None => true,
        }
    }

    /// Tells the client the class of its request.
    pub fn class(&self, answer: &mut Response) {
        if let Some(ids) = self.class.get() {
            answer.headers_mut().insert(FLOW_SCHEMA, ids.schema.clone());
            answer.headers_mut().insert(PRIORITY_LEVEL, ids.level.clone());
        }
    }

    /// The request was ended for the server's own sake.
    pub fn terminate(&self) {
        self.terminated.store(true, Ordering::Relaxed);
    }

    /// Records the answer; that of a watch or stream is complete only when its body has ended.
    pub fn answered(&self, answer: Response, long: bool) -> Response {
        let Some(record) = self.record.get() else { return answer };
        let code = answer.status().as_u16();
        if !long {
            record.completed(code);
            return answer;
        }
        record.started(code);
        let end = End { record: Arc::clone(record), code };
        response::guarded(answer, end)
    }
}

/// What a caller tried who was not authenticated, in upstream's words.
pub fn attempted(headers: &HeaderMap, query: &Query, peer: &Peer) -> String {
    let header = headers.get(AUTHORIZATION).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let scheme = header.trim().split(' ').next().unwrap_or_default().to_ascii_lowercase();
    let tried: Vec<&str> = [
        (scheme == "basic", "basic"),
        (scheme == "bearer", "bearer"),
        (query.get("access_token").is_some_and(|t| !t.trim().is_empty()), "access_token"),
        (!matches!(peer, Peer::None), "x509"),
    ]
    .into_iter()
    .filter_map(|(is, name)| is.then_some(name))
    .collect();
    if tried.is_empty() {
        return "Authentication failed, no credentials provided".into();
    }
    format!("Authentication failed, attempted: {}", tried.join(", "))
}

/// The end of an answer that lasts.
struct End {
    record: Arc<Record>,
    code: u16,
}

impl Drop for End {
    fn drop(&mut self) {
        self.record.completed(self.code);
        self.record.left();
    }
}
