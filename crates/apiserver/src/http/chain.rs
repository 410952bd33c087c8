//! What every request goes through, in upstream's order: who is it, as whom do they act, is there room, may
//! they, and then the work itself, within its time.

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use corten_admission::Notes;
use corten_api::authentication::v1::UserInfo;
use corten_api::selector::{FieldSelector, Selector};
use corten_auth::authenticate::{Peer, Remarks, bearer};
use corten_auth::{Attributes, Impersonation};
use corten_rt::Instant;
use corten_semantics::gates::Gates;
use corten_semantics::{ApiError, ApiResult, identity};
use futures::FutureExt;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use hyper::Request;
use hyper::body::Incoming;

use super::metrics::{self, Judgement, Known, Told};
use super::negotiate::{self, Offer};
use super::passage::{Passage, attempted};
use super::path::RequestInfo;
use super::query::Query;
use super::response::{self, AUDIT_ID, Response};
use super::{Api, reviews, route, timely};
use crate::audit::Record;
use crate::flow::{self, Place, Refused};
use crate::registry::RequestContext;

/// A request on its way.
pub struct Exchange {
    pub api: Arc<Api>,
    pub request: Request<()>,
    /// Until it is read or passed on.
    pub body: Option<Incoming>,
    pub info: Arc<RequestInfo>,
    pub query: Query,
    pub context: RequestContext,
    /// What the audit log is told; none when it wants nothing of this request.
    pub record: Option<Arc<Record>>,
}

impl Exchange {
    /// The request's headers.
    pub fn headers(&self) -> &HeaderMap {
        self.request.headers()
    }

    /// The features that are on.
    pub fn gates(&self) -> Gates {
        self.api.registry.gates()
    }
}

/// Answers one request; never fails.
pub async fn serve(
    api: Arc<Api>,
    peer: Arc<Peer>,
    from: Option<IpAddr>,
    request: Request<Incoming>,
) -> Response {
    if api.refusing.load(Ordering::Acquire)
        && !ENDS_EXEMPT.iter().any(|p| request.uri().path().starts_with(p))
    {
        return sent_away(request.version());
    }
    let origin = api.browsers.origin(request.headers());
    if origin.is_some() && request.method() == http::Method::OPTIONS {
        let mut answer = response::answer(StatusCode::NO_CONTENT, "", "");
        api.browsers.tell(origin, answer.headers_mut());
        return answer;
    }
    let passage = Passage::new(&api, audit_id(request.headers()), from);
    let query = Query::parse(request.uri().query().unwrap_or_default());
    let info = RequestInfo::new(request.method(), request.uri().path(), &query);
    // An error is told in the format that an answer would have had.
    let accepted = negotiate::answer(request.headers(), &query, Offer::Plain, api.registry.gates());
    let accepted = accepted.unwrap_or_default();
    let info = Arc::new(info);
    let long = info.is_long_running();
    let end =
        (!long).then(|| passage.started + request_time(&api, &query).unwrap_or(api.limits.request_time));
    let bodiless = request.method() == http::Method::HEAD;
    let told = Told {
        is_long: long,
        applies: info.verb == "patch" && is_apply(request.headers()),
        dry_run: metrics::dry_run(&query),
        ..Told::default()
    };
    let work = admit(Arc::clone(&api), &peer, request, Arc::clone(&info), query, &passage);
    let work = AssertUnwindSafe(work).catch_unwind().await;
    let answer = match work {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => {
            if let Some(record) = passage.record.get() {
                record.status(error.status());
            }
            let mut answer = response::error(&error, accepted);
            response::warn(&mut answer, &passage.notes.take_warnings());
            if bodiless {
                *answer.body_mut() = response::full("");
            }
            answer
        }
        Err(panic) => {
            if let Some(record) = passage.record.get() {
                record.panicked(panic.downcast_ref::<String>().map_or("", String::as_str));
            }
            passage.terminate();
            tracing::error!(verb = info.verb, path = info.path, "a request's handler panicked");
            let message = "This request caused apiserver to panic. Look in the logs for details.";
            response::text(StatusCode::INTERNAL_SERVER_ERROR, message)
        }
    };
    let answer = counted(&api, &info, &passage, told, answer);
    let mut answer = passage.answered(answer, long);
    passage.settled().await;
    passage.class(&mut answer);
    response::finish(&mut answer, &passage.audit_id);
    api.browsers.tell(origin, answer.headers_mut());
    match end {
        Some(end) => timely::until(end, answer),
        None => answer,
    }
}

/// Paths that a server answers until its end.
const ENDS_EXEMPT: [&str; 4] = ["/readyz", "/livez", "/healthz", "/metrics"];

/// The answer of a server that is about to end.
fn sent_away(version: http::Version) -> Response {
    let why = "The apiserver is shutting down, please try again later.\n";
    let mut answer = response::text(StatusCode::TOO_MANY_REQUESTS, why);
    answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(5));
    if version < http::Version::HTTP_2 {
        answer.headers_mut().insert(http::header::CONNECTION, HeaderValue::from_static("close"));
    }
    answer
}

/// Counts an answered request.
fn counted(api: &Api, info: &RequestInfo, passage: &Passage, told: Told, answer: Response) -> Response {
    let exists = || api.registry.kind(&info.group, &info.version, &info.resource).is_some();
    let known = answer.status().as_u16() < 400 || info.is_resource && exists();
    let told = Told {
        known,
        terminated: passage.terminated.load(Ordering::Relaxed),
        took: passage.started.elapsed(),
        waited: passage.queued.get().copied().unwrap_or_default() + passage.notes.asking(),
        ..told
    };
    api.metrics.requests.count(info, told, answer)
}

fn is_apply(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/apply-patch+"))
}

/// The identifier that the caller gave the request, or a new one.
fn audit_id(headers: &HeaderMap) -> HeaderValue {
    let given = headers.get(AUDIT_ID).filter(|v| !v.is_empty() && v.len() <= 64);
    given.cloned().unwrap_or_else(|| {
        let id = uuid::Builder::from_random_bytes(corten_rt::random::bytes16()).into_uuid().to_string();
        HeaderValue::from_str(&id).unwrap_or(HeaderValue::from_static(""))
    })
}

async fn admit(
    api: Arc<Api>,
    peer: &Peer,
    request: Request<Incoming>,
    info: Arc<RequestInfo>,
    query: Query,
    passage: &Passage,
) -> ApiResult<Response> {
    let identified = identify(&api, peer, &request, &info, &passage.notes).await;
    let record = passage.record(&api, &request, identified.as_ref().ok(), &info).cloned();
    if !passage.settled().await {
        return Ok(unrecorded(&api, request.uri()));
    }
    let user = identified.inspect_err(|_| {
        if let Some(record) = &record {
            record.refused(attempted(request.headers(), &query, peer));
        }
    })?;
    let caller = Arc::clone(&user);
    let user = impersonate(&api, user, request.headers())?;
    if let Some(record) = record.as_ref().filter(|_| !Arc::ptr_eq(&caller, &user)) {
        record.impersonated(&user);
    }
    let long = info.is_long_running();
    let _place = match enter(&api, &user, &info, &query, passage).await {
        Ok(place) => place,
        Err(refused) => return Ok(too_many(&api, passage, refused)),
    };
    let metrics = Arc::clone(&api.metrics);
    let _under_way = (!long).then(|| metrics.under_way(info.is_read()));
    if !long && !api.limits.fair && is_crowded(&api, &user, &info) {
        return Ok(too_many(&api, passage, Refused { retry_after: 1 }));
    }
    let notes = record.as_ref().map(|_| &*passage.notes);
    authorize(&api, &user, &info, &query, notes)?;
    let time = request_time(&api, &query)?;
    let (parts, body) = request.into_parts();
    let request = Request::from_parts(parts, ());
    let agent = if info.is_read() { Arc::default() } else { manager_name(request.headers()).into() };
    let exchange = Exchange {
        request,
        body: Some(body),
        info,
        query,
        context: RequestContext {
            user,
            notes: Arc::clone(&passage.notes),
            agent,
            deadline: (!long).then(|| Instant::now() + time),
        },
        record,
        api,
    };
    if long {
        return route::dispatch(exchange).await;
    }
    corten_rt::timeout(time, route::dispatch(exchange)).await.unwrap_or_else(|| {
        passage.terminate();
        let why = "Timeout: request did not complete within requested timeout - context deadline exceeded";
        Err(ApiError::timeout(why, 0))
    })
}

/// The answer to a request whose first event is lost, where none may be.
fn unrecorded(api: &Api, uri: &http::Uri) -> Response {
    api.audit.iter().for_each(|audit| audit.rejected());
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let message = format!("Internal Server Error: {path:?}: failed to store audit event\n");
    response::text(StatusCode::INTERNAL_SERVER_ERROR, &message)
}

/// What the client calls itself, up to a slash: the owner of fields that it writes without another name.
fn manager_name(headers: &HeaderMap) -> String {
    const MOST: usize = 128;
    let agent = headers.get(http::header::USER_AGENT).map(|h| String::from_utf8_lossy(h.as_bytes()));
    let agent = agent.as_deref().unwrap_or_default();
    let mut name = String::new();
    for c in agent.split('/').next().unwrap_or_default().chars() {
        let printable = !c.is_control() && (c == ' ' || !c.is_whitespace());
        if printable && name.len() + c.len_utf8() > MOST {
            break;
        }
        if printable {
            name.push(c);
        }
    }
    name
}

/// The smaller of the server's limit and what `?timeout=` asks for.
fn request_time(api: &Api, query: &Query) -> ApiResult<Duration> {
    let most = api.limits.request_time;
    match query.get("timeout").filter(|t| !t.is_empty()) {
        None => Ok(most),
        Some(text) => match go_duration(text) {
            Some(asked) if asked.is_zero() => Ok(most),
            Some(asked) => Ok(asked.min(most)),
            None => Err(ApiError::bad_request("invalid timeout specified in the request URL")),
        },
    }
}

/// A duration as Go writes it: `32s`, `1m30s`, `500ms`; a bare number is no duration.
fn go_duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = 0.0;
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let (unit, seconds) =
            [("ms", 1e-3), ("us", 1e-6), ("ns", 1e-9), ("s", 1.0), ("m", 60.0), ("h", 3600.0)]
                .into_iter()
                .find(|(unit, _)| rest.starts_with(unit))?;
        rest = &rest[unit.len()..];
        total += number * seconds;
    }
    Duration::try_from_secs_f64(total).ok()
}

async fn identify(
    api: &Api,
    peer: &Peer,
    request: &Request<Incoming>,
    info: &RequestInfo,
    notes: &Notes,
) -> ApiResult<Arc<UserInfo>> {
    let (begun, callers) = (Instant::now(), &api.metrics.callers);
    let texts =
        request.headers().iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    if let Some(user) = api.authenticator.proxied(peer, texts) {
        callers.identified(Known::Success, begun.elapsed());
        callers.is(&user.username);
        return Ok(user);
    }
    if let Peer::Known(known) = peer.own() {
        callers.showed_certificate(known.not_after.duration_since(api.clock.now()).as_secs_f64());
    }
    let header = request.headers().get(AUTHORIZATION).and_then(|h| h.to_str().ok()).and_then(bearer);
    let token = header.map(str::to_string).or_else(|| websocket_token(request.headers()));
    let mut remarks = Remarks::default();
    let user = api.authenticator.request(peer, token.as_deref(), &info.path, &mut remarks).await;
    reviews::remarked(notes, remarks);
    let known = match &user {
        Ok(user) => {
            callers.is(&user.username);
            Known::Success
        }
        Err(_) if token.is_none() && matches!(peer, Peer::None) => Known::Failure,
        Err(_) => Known::Error,
    };
    callers.identified(known, begun.elapsed());
    user
}

/// The token that a browser hides among the protocols of its WebSocket.
fn websocket_token(headers: &HeaderMap) -> Option<String> {
    use base64::Engine;
    let protocols = headers.get(http::header::SEC_WEBSOCKET_PROTOCOL)?.to_str().ok()?;
    let hidden =
        protocols.split(',').find_map(|p| p.trim().strip_prefix("base64url.bearer.authorization.k8s.io."))?;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(hidden).ok()?;
    String::from_utf8(bytes).ok()
}

fn impersonate(api: &Api, caller: Arc<UserInfo>, headers: &HeaderMap) -> ApiResult<Arc<UserInfo>> {
    let texts = headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    let Some(wish) = Impersonation::from_headers(texts)? else { return Ok(caller) };
    for check in &wish.checks {
        api.authorizer.check(&check.attributes(&caller))?;
    }
    Ok(Arc::new(wish.user))
}

/// Whether they may; `notes` are told how it was decided.
fn authorize(
    api: &Api,
    user: &UserInfo,
    info: &RequestInfo,
    query: &Query,
    notes: Option<&Notes>,
) -> ApiResult<()> {
    if !info.is_resource {
        return decide(api, &Attributes::path(user, &info.verb, &info.path), notes);
    }
    let many = matches!(info.verb.as_str(), "list" | "watch" | "deletecollection");
    let fields = query.get("fieldSelector").filter(|_| many).and_then(|text| FieldSelector::parse(text).ok());
    let labels = query.get("labelSelector").filter(|_| many).and_then(|text| Selector::parse(text).ok());
    let attributes =
        Attributes { fields: fields.as_ref(), labels: labels.as_ref(), ..info.attributes(user, &info.verb) };
    decide(api, &attributes, notes)
}

fn decide(api: &Api, attributes: &Attributes<'_>, notes: Option<&Notes>) -> ApiResult<()> {
    let begun = Instant::now();
    let decision = api.authorizer.authorize(attributes);
    let judgement = match &decision {
        it if it.allowed => Judgement::Allowed,
        it if !it.error.is_empty() => Judgement::Error,
        it if it.denied => Judgement::Denied,
        _ => Judgement::NoOpinion,
    };
    api.metrics.callers.authorized(judgement, begun.elapsed());
    if let Some(notes) = notes {
        let word = if decision.allowed { "allow" } else { "forbid" };
        notes.annotate("authorization.k8s.io/decision", word);
        notes.annotate("authorization.k8s.io/reason", decision.reason.to_string());
    }
    if decision.allowed { Ok(()) } else { Err(attributes.forbidden(&decision.reason.to_string())) }
}

/// Whether there are too many requests, where only their number counts.
fn is_crowded(api: &Api, user: &UserInfo, info: &RequestInfo) -> bool {
    let most = if info.is_read() { api.limits.reads } else { api.limits.writes };
    // Whoever may do anything has to be answered.
    api.metrics.is_crowded(info.is_read(), most) && !identity::in_group(user, identity::MASTERS)
}

/// The longest that a request waits for a seat.
const MOST_PATIENCE: Duration = Duration::from_secs(60);

/// Takes a place, which a watch holds until it has begun; streams need none.
async fn enter(
    api: &Api,
    user: &UserInfo,
    info: &RequestInfo,
    query: &Query,
    passage: &Passage,
) -> Result<Option<Place>, Refused> {
    if !api.limits.fair || info.is_long_running() && info.verb != "watch" {
        return Ok(None);
    }
    let time = request_time(api, query).unwrap_or(api.limits.request_time);
    let extent = || api.registry.extent(&info.group, &info.version, &info.resource);
    let work = |most| flow::work(info, query, most, extent, &api.flow.watches);
    let begun = Instant::now();
    let (class, entered) = api.flow.enter(user, info, (time / 4).min(MOST_PATIENCE), work).await;
    let _ = passage.queued.set(begun.elapsed());
    if let Some(class) = class {
        let _ = passage.class.set(class);
    }
    entered
}

fn too_many(api: &Api, passage: &Passage, refused: Refused) -> Response {
    passage.terminate();
    api.metrics.dropped.fetch_add(1, Ordering::Relaxed);
    let message = "Too many requests, please try again later.\n";
    let mut answer = response::text(StatusCode::TOO_MANY_REQUESTS, message);
    answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(refused.retry_after));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_writes_them() {
        for (text, want) in [
            ("32s", Some(32_000)),
            ("1m30s", Some(90_000)),
            ("500ms", Some(500)),
            ("0", Some(0)),
            ("1.5s", Some(1500)),
            ("5", None),
            ("s", None),
            ("x", None),
            ("-5s", None),
        ] {
            assert_eq!(go_duration(text).map(|d| d.as_millis()), want, "{text}");
        }
    }
}
