//! What `/metrics` shows (Prometheus text), under upstream's names. A request costs one look-up and a few
//! additions; texts are made when somebody asks.

use std::collections::HashMap;
use std::fmt::Write;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use corten_auth::authenticate::TokenUses;
use parking_lot::{Mutex, RwLock};

use super::histogram::Histogram;
use super::path::RequestInfo;
use super::reloads::Reloads;
use super::{Api, version};
use crate::identity::AskedAll;

/// Combinations of verb, resource and scope beyond this are counted together.
const MOST_SERIES: usize = 2000;

/// Requests of one verb on one resource in one scope.
#[derive(Debug, Default)]
struct Series {
    /// Group, resource, scope, subresource, verb, version, as labels.
    labels: String,
    /// Answers by code.
    codes: Mutex<Vec<(u16, u64)>>,
    durations: Histogram,
    /// Open ones, of those that last.
    open: AtomicI64,
    is_long: bool,
}

/// Events sent to watches of one resource.
#[derive(Debug)]
struct Sent {
    labels: String,
    events: Arc<AtomicU64>,
}

/// Counters of the HTTP layer.
#[derive(Debug, Default)]
pub struct Metrics {
    series: RwLock<HashMap<u64, Arc<Series>>>,
    watched: Mutex<HashMap<u64, Sent>>,
    /// Requests that read, and that change something, under way.
    reading: AtomicI64,
    writing: AtomicI64,
    /// Open connections.
    pub connections: AtomicI64,
    /// Handshakes that failed.
    pub handshake_errors: AtomicU64,
    /// Requests refused because too many were worked on.
    pub dropped: AtomicU64,
    /// Requests whose caller was authenticated, or not.
    pub authenticated: AtomicU64,
    pub unauthenticated: AtomicU64,
    /// Configuration that is taken over while the server runs.
    pub reloads: Mutex<Vec<Arc<Reloads>>>,
    /// Webhooks that authorize.
    pub asked: AskedAll,
}

/// A request under way.
pub struct Under<'a> {
    kind: &'a AtomicI64,
}

impl Drop for Under<'_> {
    fn drop(&mut self) {
        self.kind.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A watch or stream that is open.
#[derive(Debug)]
pub struct Lasting(Arc<Series>);

impl Drop for Lasting {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

fn scope(info: &RequestInfo) -> &'static str {
    match info {
        _ if !info.name.is_empty() || info.verb == "create" => "resource",
        _ if !info.namespace.is_empty() => "namespace",
        _ if info.is_resource => "cluster",
        _ => "",
    }
}

/// The verb as upstream's metrics name it.
fn verb(info: &RequestInfo) -> &str {
    match info.verb.as_str() {
        "get" | "head" => "GET",
        "list" => "LIST",
        "watch" => "WATCH",
        "create" | "post" => "POST",
        "update" | "put" => "PUT",
        "patch" => "PATCH",
        "delete" => "DELETE",
        "deletecollection" => "DELETECOLLECTION",
        "proxy" => "CONNECT",
        _ => "other",
    }
}

impl Metrics {
    fn series(&self, info: &RequestInfo, is_long: bool) -> Arc<Series> {
        // Paths that are no resource are not told apart.
        let subresource = if info.is_resource { info.subresource.as_str() } else { "" };
        let (scope, verb) = (scope(info), verb(info));
        let mut hasher = DefaultHasher::new();
        (&info.group, &info.version, &info.resource, subresource, scope, verb, is_long).hash(&mut hasher);
        let key = hasher.finish();
        if let Some(series) = self.series.read().get(&key) {
            return Arc::clone(series);
        }
        let mut all = self.series.write();
        let full = all.len() >= MOST_SERIES;
        let (group, version, resource, key) = match full {
            true => ("", "", "other", 0),
            false => (info.group.as_str(), info.version.as_str(), info.resource.as_str(), key),
        };
        let make = || {
            let labels = format!(
                "component=\"apiserver\",dry_run=\"\",group=\"{}\",resource=\"{}\",scope=\"{scope}\",subresource=\"{}\",verb=\"{verb}\",version=\"{}\"",
                label(group),
                label(resource),
                label(subresource),
                label(version),
            );
            Arc::new(Series { labels, is_long, ..Series::default() })
        };
        Arc::clone(all.entry(key).or_insert_with(make))
    }

    /// Counts one answered request, and how long it took unless it lasts.
    pub fn count(&self, info: &RequestInfo, known: bool, code: u16, took: Duration, is_long: bool) {
        let unknown = RequestInfo { verb: info.verb.clone(), ..RequestInfo::default() };
        // What does not exist has no series of its own: anybody may ask for anything.
        let series = self.series(if known { info } else { &unknown }, is_long);
        let mut codes = series.codes.lock();
        match codes.iter_mut().find(|(c, _)| *c == code) {
            Some((_, count)) => *count += 1,
            None => codes.push((code, 1)),
        }
        drop(codes);
        if !is_long {
            series.durations.observe(took.as_secs_f64());
        }
    }

    /// Whether more than `most` such requests are under way.
    pub fn is_crowded(&self, is_read: bool, most: usize) -> bool {
        let kind = if is_read { &self.reading } else { &self.writing };
        usize::try_from(kind.load(Ordering::Relaxed)).is_ok_and(|count| most > 0 && count > most)
    }

    /// Counts a request that reads or changes something as long as it is worked on.
    pub fn under_way(&self, is_read: bool) -> Under<'_> {
        let kind = if is_read { &self.reading } else { &self.writing };
        kind.fetch_add(1, Ordering::Relaxed);
        Under { kind }
    }

    /// Whether no request is worked on, watches and streams aside.
    pub fn is_idle(&self) -> bool {
        self.reading.load(Ordering::Relaxed) <= 0 && self.writing.load(Ordering::Relaxed) <= 0
    }

    /// Counts a watch or stream for as long as it is open.
    pub fn lasts(&self, info: &RequestInfo) -> Lasting {
        let series = self.series(info, true);
        series.open.fetch_add(1, Ordering::Relaxed);
        Lasting(series)
    }

    /// The counter of events sent to watches of a resource.
    pub fn events(&self, info: &RequestInfo) -> Arc<AtomicU64> {
        let mut hasher = DefaultHasher::new();
        (&info.group, &info.version, &info.resource).hash(&mut hasher);
        let (group, version, resource) = (label(&info.group), label(&info.version), label(&info.resource));
        let mut watched = self.watched.lock();
        let sent = watched.entry(hasher.finish()).or_insert_with(|| Sent {
            labels: format!("group=\"{group}\",resource=\"{resource}\",version=\"{version}\""),
            events: Arc::default(),
        });
        Arc::clone(&sent.events)
    }

    fn write_requests(&self, out: &mut String) {
        let mut all: Vec<Arc<Series>> = self.series.read().values().map(Arc::clone).collect();
        all.sort_by(|a, b| a.labels.cmp(&b.labels));
        head(out, "apiserver_request_total", "counter", "Requests by verb, resource and code.");
        for series in &all {
            for (code, count) in series.codes.lock().iter() {
                let _ = writeln!(out, "apiserver_request_total{{code=\"{code}\",{}}} {count}", series.labels);
            }
        }
        head(out, "apiserver_request_duration_seconds", "histogram", "How long requests took.");
        for series in all.iter().filter(|s| !s.is_long && s.durations.count() > 0) {
            series.durations.write(out, "apiserver_request_duration_seconds", &series.labels);
        }
        head(out, "apiserver_longrunning_requests", "gauge", "Open watches and streams.");
        for series in all.iter().filter(|s| s.is_long) {
            let labels = series.labels.replace("dry_run=\"\",", "");
            let open = series.open.load(Ordering::Relaxed);
            let _ = writeln!(out, "apiserver_longrunning_requests{{{labels}}} {open}");
        }
        head(out, "apiserver_watch_events_total", "counter", "Events sent to watches.");
        for sent in self.watched.lock().values() {
            let count = sent.events.load(Ordering::Relaxed);
            let _ = writeln!(out, "apiserver_watch_events_total{{{}}} {count}", sent.labels);
        }
        head(out, "apiserver_current_inflight_requests", "gauge", "Requests that are worked on.");
        for (kind, count) in [("mutating", &self.writing), ("readOnly", &self.reading)] {
            let count = count.load(Ordering::Relaxed);
            let _ = writeln!(out, "apiserver_current_inflight_requests{{request_kind=\"{kind}\"}} {count}");
        }
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        head(out, "authentication_attempts", "counter", "Requests by whether their caller was known.");
        for (result, count) in [("success", &self.authenticated), ("failure", &self.unauthenticated)] {
            let _ = writeln!(out, "authentication_attempts{{result=\"{result}\"}} {}", read(count));
        }
        let connections = u64::try_from(self.connections.load(Ordering::Relaxed)).unwrap_or(0);
        for (name, kind, help, value) in [
            ("apiserver_open_connections", "gauge", "Open connections.", connections),
            (
                "apiserver_dropped_requests_total",
                "counter",
                "Requests refused for want of room.",
                read(&self.dropped),
            ),
            (
                "apiserver_tls_handshake_errors_total",
                "counter",
                "TLS handshakes that failed.",
                read(&self.handshake_errors),
            ),
        ] {
            head(out, name, kind, help);
            let _ = writeln!(out, "{name} {value}");
        }
    }
}

/// The text of `/metrics`.
pub fn text(api: &Api) -> String {
    let mut out = String::new();
    api.metrics.write_requests(&mut out);
    api.flow.write_metrics(&mut out);
    let extents = api.registry.extents();
    head(&mut out, "apiserver_storage_objects", "gauge", "Stored objects by kind.");
    for (kind, extent) in &extents {
        let dot = if kind.group.is_empty() { "" } else { "." };
        let _ = writeln!(
            out,
            "apiserver_storage_objects{{resource=\"{}{dot}{}\"}} {}",
            kind.plural, kind.group, extent.objects
        );
    }
    head(&mut out, "apiserver_resource_objects", "gauge", "Stored objects by kind.");
    for (kind, extent) in &extents {
        let _ = writeln!(
            out,
            "apiserver_resource_objects{{group=\"{}\",resource=\"{}\"}} {}",
            kind.group, kind.plural, extent.objects
        );
    }
    write_audit(&mut out, api);
    write_tokens(&mut out, &api.authenticator.service_accounts.uses);
    if let Some(encryption) = api.registry.encryption() {
        encryption.write_metrics(&mut out);
    }
    for reloads in api.metrics.reloads.lock().iter() {
        reloads.write(&mut out);
    }
    api.metrics.asked.write(&mut out);
    api.registry.write_admission_metrics(&mut out);
    api.registry.custom.write_metrics(&mut out);
    api.aggregation.write_metrics(&mut out);
    head(&mut out, "kubernetes_build_info", "gauge", "What this server is.");
    let _ = writeln!(out, "kubernetes_build_info{{git_version=\"{}\"}} 1", label(&version::git_version()));
    write_process(&mut out);
    out
}

fn write_tokens(out: &mut String, uses: &TokenUses) {
    for (name, count, what) in [
        ("legacy_tokens", &uses.legacy, "Uses of tokens without audience."),
        ("stale_tokens", &uses.stale, "Uses of tokens that should have been read again."),
        ("valid_tokens", &uses.valid, "Uses of tokens that may live longer, in their time."),
        ("legacy_manual_token_uses", &uses.manual, "Uses of tokens of Secrets that people made."),
        ("legacy_auto_token_uses", &uses.generated, "Uses of tokens of Secrets made by themselves."),
        ("invalid_legacy_auto_token_uses", &uses.invalid, "Uses of the same that are marked as invalid."),
    ] {
        head(out, &format!("serviceaccount_{name}_total"), "counter", what);
        let _ = writeln!(out, "serviceaccount_{name}_total {}", count.load(Ordering::Relaxed));
    }
}

fn write_audit(out: &mut String, api: &Api) {
    let Some(counts) = api.audit.as_ref().map(|audit| audit.counts()) else { return };
    head(out, "apiserver_audit_event_total", "counter", "Audit events written.");
    let _ = writeln!(out, "apiserver_audit_event_total {}", counts.events);
    head(out, "apiserver_audit_error_total", "counter", "Audit events lost, by what lost them.");
    for (plugin, lost) in [
        ("log", counts.failed),
        ("buffered", counts.dropped),
        ("webhook", counts.unsent),
        ("truncate", counts.oversized),
    ] {
        let _ = writeln!(out, "apiserver_audit_error_total{{plugin=\"{plugin}\"}} {lost}");
    }
    head(out, "apiserver_audit_level_total", "counter", "Requests by the audit policy's level.");
    for (level, count) in &counts.levels {
        let _ = writeln!(out, "apiserver_audit_level_total{{level=\"{level}\"}} {count}");
    }
    head(
        out,
        "apiserver_audit_requests_rejected_total",
        "counter",
        "Requests refused for want of an audit log.",
    );
    let _ = writeln!(out, "apiserver_audit_requests_rejected_total {}", counts.rejected);
}

/// What the process itself uses.
fn write_process(out: &mut String) {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // What follows the command's name, which may hold anything.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let field = |n: usize| fields.get(n - 3).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    // In hundredths of a second, and pages, as Linux has them for programs.
    let cpu = (field(14) + field(15)) / 100.0;
    let files = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    for (name, kind, help, value) in [
        ("process_cpu_seconds_total", "counter", "CPU time of the process.", cpu),
        ("process_resident_memory_bytes", "gauge", "Resident memory.", field(24) * 4096.0),
        ("process_virtual_memory_bytes", "gauge", "Virtual memory.", field(23)),
        ("process_open_fds", "gauge", "Open files.", files as f64),
    ] {
        head(out, name, kind, help);
        let _ = writeln!(out, "{name} {value}");
    }
}

pub(crate) fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn label(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::query::Query;

    fn text(metrics: &Metrics) -> String {
        let mut out = String::new();
        metrics.write_requests(&mut out);
        out
    }

    #[test]
    fn requests_are_counted_by_verb_resource_and_code() {
        let metrics = Metrics::default();
        let info = RequestInfo::new(&http::Method::GET, "/apis/apps/v1/deployments", &Query::default());
        metrics.count(&info, true, 200, Duration::from_millis(30), false);
        metrics.count(&info, true, 200, Duration::from_millis(1), false);
        let labels = "component=\"apiserver\",dry_run=\"\",group=\"apps\",resource=\"deployments\",scope=\"cluster\",subresource=\"\",verb=\"LIST\",version=\"v1\"";
        let out = text(&metrics);
        for line in [
            format!("apiserver_request_total{{code=\"200\",{labels}}} 2\n"),
            format!("apiserver_request_duration_seconds_bucket{{{labels},le=\"0.005\"}} 1\n"),
            format!("apiserver_request_duration_seconds_count{{{labels}}} 2\n"),
        ] {
            assert!(out.contains(&line), "{line}{out}");
        }
    }

    #[test]
    fn strangers_cannot_make_series_without_end() {
        let metrics = Metrics::default();
        for i in 0..5000 {
            let path = format!("/apis/g{i}/v1/things");
            let info = RequestInfo::new(&http::Method::GET, &path, &Query::default());
            metrics.count(&info, false, 404, Duration::ZERO, false);
            metrics.count(&info, true, 200, Duration::ZERO, false);
        }
        assert!(metrics.series.read().len() <= MOST_SERIES + 1);
        assert!(text(&metrics).contains("resource=\"other\""));
    }

    #[test]
    fn open_watches_are_shown_while_they_are_open() {
        let metrics = Metrics::default();
        let info = RequestInfo::new(&http::Method::GET, "/api/v1/pods", &Query::parse("watch=1"));
        let lasting = metrics.lasts(&info);
        let line = |n| {
            format!(
                "resource=\"pods\",scope=\"cluster\",subresource=\"\",verb=\"WATCH\",version=\"v1\"}} {n}\n"
            )
        };
        assert!(text(&metrics).contains(&line(1)));
        drop(lasting);
        assert!(text(&metrics).contains(&line(0)), "{}", text(&metrics));
    }
}
