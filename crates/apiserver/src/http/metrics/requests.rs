//! Requests by verb, resource and scope. One costs a look-up and a few additions.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use corten_metrics::{Histogram, Kind, Text, labels};
use http::StatusCode;
use hyper::body::Body as _;
use parking_lot::{Mutex, RwLock};

use crate::http::path::RequestInfo;
use crate::http::query::Query;
use crate::http::response::{self, Response};

/// Combinations of verb, resource and scope beyond this are counted together.
const MOST: usize = 2000;
/// The upper bounds of the buckets, in seconds: of all that a request took, and of the server's own part in it.
const TOOK: [f64; 23] = [
    0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0,
    20.0, 30.0, 45.0, 60.0,
];
const OWN: [f64; 21] = [
    0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0, 20.0, 30.0,
    45.0, 60.0,
];
/// The same in bytes.
const SIZES: [f64; 7] = [1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];

/// Requests of one verb on one resource in one scope.
#[derive(Debug, Default)]
struct Series {
    /// Group, resource, scope, subresource, verb, version, as labels.
    labels: String,
    dry_run: &'static str,
    /// Answers by code, and those among them that the server gave to protect itself.
    codes: Mutex<Vec<(u16, u64)>>,
    terminations: Mutex<Vec<(u16, u64)>>,
    /// Of those that do not last.
    took: OnceLock<Histogram>,
    own: OnceLock<Histogram>,
    sizes: OnceLock<Histogram>,
    /// Open ones, of those that last.
    open: AtomicI64,
    is_long: bool,
}

fn one_more(codes: &Mutex<Vec<(u16, u64)>>, code: u16) {
    let mut codes = codes.lock();
    match codes.iter_mut().find(|(known, _)| *known == code) {
        Some((_, count)) => *count += 1,
        None => codes.push((code, 1)),
    }
}

impl Series {
    /// The labels of families that tell dry runs apart.
    fn all_labels(&self) -> String {
        format!("{COMPONENT},dry_run=\"{}\",{}", self.dry_run, self.labels)
    }

    fn most_labels(&self) -> String {
        format!("{COMPONENT},{}", self.labels)
    }
}

const COMPONENT: &str = "component=\"apiserver\"";

/// Events sent to watches of one resource.
#[derive(Debug)]
struct Sent {
    labels: String,
    events: Arc<AtomicU64>,
}

/// The counts of all requests.
#[derive(Debug, Default)]
pub struct Requests {
    series: RwLock<HashMap<u64, Arc<Series>>>,
    watched: Mutex<HashMap<u64, Sent>>,
}

/// A watch or stream that is open.
#[derive(Debug)]
pub struct Lasting(Arc<Series>);

impl Drop for Lasting {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What is told of a request, apart from what it asks for and what it was answered.
#[derive(Clone, Copy, Debug, Default)]
pub struct Told {
    /// Whether what it asks for exists.
    pub known: bool,
    /// Whether it is a watch or stream.
    pub is_long: bool,
    /// Whether it was ended for the server's own sake.
    pub terminated: bool,
    /// Whether it is a patch by server-side apply.
    pub applies: bool,
    /// As `dryRun` says; see [`dry_run`].
    pub dry_run: &'static str,
    pub took: Duration,
    /// How much of it went into waiting for a place, and for webhooks.
    pub waited: Duration,
}

/// The dry runs that a request asks for, as metrics tell them.
pub fn dry_run(query: &Query) -> &'static str {
    let mut all = query.all("dryRun").map(|one| one == "All");
    match all.next() {
        None => "",
        Some(first) if first && all.all(|is| is) => "All",
        Some(_) => "invalid",
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
fn verb(info: &RequestInfo, applies: bool) -> &'static str {
    const CONNECTS: [&str; 5] = ["log", "exec", "portforward", "attach", "proxy"];
    match info.verb.as_str() {
        _ if info.is_resource && CONNECTS.contains(&info.subresource.as_str()) => "CONNECT",
        "get" | "head" => "GET",
        "list" => "LIST",
        "watch" => "WATCH",
        "create" | "post" => "POST",
        "update" | "put" => "PUT",
        "patch" if applies => "APPLY",
        "patch" => "PATCH",
        "delete" => "DELETE",
        "deletecollection" => "DELETECOLLECTION",
        "proxy" => "CONNECT",
        _ => "other",
    }
}

impl Requests {
    fn series(&self, info: &RequestInfo, told: Told) -> Arc<Series> {
        // Paths that are no resource are not told apart.
        let subresource = if info.is_resource { info.subresource.as_str() } else { "" };
        let (scope, verb) = (scope(info), verb(info, told.applies));
        let mut hasher = DefaultHasher::new();
        (&info.group, &info.version, &info.resource, subresource).hash(&mut hasher);
        (scope, verb, told.dry_run, told.is_long).hash(&mut hasher);
        let key = hasher.finish();
        if let Some(series) = self.series.read().get(&key) {
            return Arc::clone(series);
        }
        let mut all = self.series.write();
        let full = all.len() >= MOST;
        let (group, version, resource, key) = match full {
            true => ("", "", "other", 0),
            false => (info.group.as_str(), info.version.as_str(), info.resource.as_str(), key),
        };
        let make = || {
            let labels = labels(&[
                ("group", group),
                ("resource", resource),
                ("scope", scope),
                ("subresource", subresource),
                ("verb", verb),
                ("version", version),
            ]);
            let (dry_run, is_long) = (told.dry_run, told.is_long);
            Arc::new(Series { labels, dry_run, is_long, ..Series::default() })
        };
        Arc::clone(all.entry(key).or_insert_with(make))
    }

    /// Counts one answered request, how long it took unless it lasts, and how much it sends when it reads.
    pub fn count(&self, info: &RequestInfo, told: Told, answer: Response) -> Response {
        let unknown = RequestInfo { verb: info.verb.clone(), ..RequestInfo::default() };
        // What does not exist has no series of its own: anybody may ask for anything.
        let series = self.series(if told.known { info } else { &unknown }, told);
        one_more(&series.codes, answer.status().as_u16());
        if told.terminated {
            one_more(&series.terminations, answer.status().as_u16());
        }
        if told.is_long {
            return answer;
        }
        series.took.get_or_init(|| Histogram::new(&TOOK)).took(told.took);
        if told.dry_run.is_empty() {
            let own = told.took.saturating_sub(told.waited);
            series.own.get_or_init(|| Histogram::new(&OWN)).took(own);
        }
        let reads = info.is_resource && matches!(info.verb.as_str(), "get" | "list");
        if reads && answer.status() == StatusCode::OK { measured(series, answer) } else { answer }
    }

    /// Counts a watch or stream for as long as it is open.
    pub fn lasts(&self, info: &RequestInfo) -> Lasting {
        let series = self.series(info, Told { is_long: true, ..Told::default() });
        series.open.fetch_add(1, Ordering::Relaxed);
        Lasting(series)
    }

    /// The counter of events sent to watches of a resource.
    pub fn events(&self, info: &RequestInfo) -> Arc<AtomicU64> {
        let mut hasher = DefaultHasher::new();
        (&info.group, &info.version, &info.resource).hash(&mut hasher);
        let mut watched = self.watched.lock();
        let sent = watched.entry(hasher.finish()).or_insert_with(|| Sent {
            labels: labels(&[
                ("group", &info.group),
                ("resource", &info.resource),
                ("version", &info.version),
            ]),
            events: Arc::default(),
        });
        Arc::clone(&sent.events)
    }

    /// Writes the metrics.
    pub fn write(&self, out: &mut Text) {
        let mut all: Vec<Arc<Series>> = self.series.read().values().map(Arc::clone).collect();
        all.sort_by(|a, b| (&a.labels, a.dry_run).cmp(&(&b.labels, b.dry_run)));
        out.family("apiserver_request_total", Kind::Counter, "Requests by verb, resource and code.");
        for series in &all {
            for (code, count) in series.codes.lock().iter() {
                out.sample(&format!("code=\"{code}\",{}", series.all_labels()), count);
            }
        }
        let help = "Requests that were ended for the server's own sake.";
        out.family("apiserver_request_terminations_total", Kind::Counter, help);
        for series in &all {
            for (code, count) in series.terminations.lock().iter() {
                out.sample(&format!("code=\"{code}\",{}", series.most_labels()), count);
            }
        }
        let help = "How long requests took.";
        out.family("apiserver_request_duration_seconds", Kind::Histogram, help);
        for (series, took) in all.iter().filter_map(|series| Some((series, series.took.get()?))) {
            out.histogram(&series.all_labels(), took);
        }
        let help = "How long requests took without waiting for a place and for webhooks.";
        out.family("apiserver_request_sli_duration_seconds", Kind::Histogram, help);
        for (series, own) in all.iter().filter_map(|series| Some((series, series.own.get()?))) {
            out.histogram(&series.most_labels(), own);
        }
        let help = "Bytes of answers to reads.";
        out.family("apiserver_response_sizes", Kind::Histogram, help);
        for (series, sizes) in all.iter().filter_map(|series| Some((series, series.sizes.get()?))) {
            out.histogram(&series.most_labels(), sizes);
        }
        out.family("apiserver_longrunning_requests", Kind::Gauge, "Open watches and streams.");
        for series in all.iter().filter(|series| series.is_long) {
            out.sample(&series.most_labels(), series.open.load(Ordering::Relaxed));
        }
        out.family("apiserver_watch_events_total", Kind::Counter, "Events sent to watches.");
        for sent in self.watched.lock().values() {
            out.sample(&sent.labels, sent.events.load(Ordering::Relaxed));
        }
    }
}

/// The answer, whose size is counted: at once where it is known, at its end where it is not.
fn measured(series: Arc<Series>, answer: Response) -> Response {
    match answer.body().size_hint().exact() {
        Some(bytes) => {
            series.measured(bytes);
            answer
        }
        None => response::measured(answer, move |bytes| series.measured(bytes)),
    }
}

impl Series {
    fn measured(&self, bytes: u64) {
        self.sizes.get_or_init(|| Histogram::new(&SIZES)).observe(bytes as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::response::{answer, full, streamed};
    use bytes::Bytes;
    use http_body_util::BodyExt;

    fn text(requests: &Requests) -> String {
        let mut out = Text::default();
        requests.write(&mut out);
        out.finish()
    }

    fn ok() -> Response {
        answer(StatusCode::OK, "", "x".repeat(2000))
    }

    fn known(millis: u64) -> Told {
        Told { known: true, took: Duration::from_millis(millis), ..Told::default() }
    }

    #[test]
    fn requests_are_counted_by_verb_resource_and_code() {
        let requests = Requests::default();
        let info = RequestInfo::new(&http::Method::GET, "/apis/apps/v1/deployments", &Query::default());
        let waited = Duration::from_millis(300);
        requests.count(&info, Told { waited, ..known(310) }, ok());
        requests.count(&info, known(1), ok());
        let refused = http::Response::builder().status(429).body(full("")).expect("an answer");
        requests.count(&info, Told { terminated: true, ..known(1) }, refused);
        let rest = "group=\"apps\",resource=\"deployments\",scope=\"cluster\",subresource=\"\",verb=\"LIST\",version=\"v1\"";
        let (most, all) = (format!("{COMPONENT},{rest}"), format!("{COMPONENT},dry_run=\"\",{rest}"));
        let out = text(&requests);
        for line in [
            format!("apiserver_request_total{{code=\"200\",{all}}} 2\n"),
            format!("apiserver_request_terminations_total{{code=\"429\",{most}}} 1\n"),
            format!("apiserver_request_duration_seconds_bucket{{{all},le=\"0.005\"}} 2\n"),
            format!("apiserver_request_duration_seconds_count{{{all}}} 3\n"),
            format!("apiserver_request_sli_duration_seconds_bucket{{{most},le=\"0.05\"}} 3\n"),
            format!("apiserver_response_sizes_bucket{{{most},le=\"1000\"}} 0\n"),
            format!("apiserver_response_sizes_sum{{{most}}} 4000\n"),
        ] {
            assert!(out.contains(&line), "{line}{out}");
        }
    }

    #[test]
    fn dry_runs_and_patches_are_told_apart() {
        for (query, want) in [("", ""), ("dryRun=All&dryRun=All", "All"), ("dryRun=All&dryRun=x", "invalid")]
        {
            assert_eq!(dry_run(&Query::parse(query)), want, "{query}");
        }
        for (method, path, applies, want) in [
            (http::Method::PATCH, "/api/v1/nodes/a", true, "APPLY"),
            (http::Method::PATCH, "/api/v1/nodes/a", false, "PATCH"),
            (http::Method::GET, "/api/v1/namespaces/a/pods/b/log", false, "CONNECT"),
            (http::Method::HEAD, "/api/v1/nodes/a", false, "GET"),
            (http::Method::PUT, "/anything", false, "PUT"),
            (http::Method::OPTIONS, "/anything", false, "other"),
        ] {
            let info = RequestInfo::new(&method, path, &Query::default());
            assert_eq!(verb(&info, applies), want, "{method} {path}");
        }
        let requests = Requests::default();
        let info = RequestInfo::new(&http::Method::POST, "/api/v1/nodes", &Query::default());
        requests.count(&info, Told { dry_run: "All", ..known(1) }, ok());
        let out = text(&requests);
        assert!(out.contains("dry_run=\"All\"") && !out.contains("sli_duration_seconds_count"), "{out}");
    }

    #[tokio::test]
    async fn what_is_sent_piece_by_piece_is_measured_at_its_end() {
        let requests = Requests::default();
        let info = RequestInfo::new(&http::Method::GET, "/api/v1/nodes", &Query::default());
        let pieces = [1000, 500].map(|n| Ok(Bytes::from(vec![b'x'; n])));
        let sent = http::Response::new(streamed(futures::stream::iter(pieces)));
        let sent = requests.count(&info, known(1), sent);
        assert!(!text(&requests).contains("response_sizes_sum"));
        sent.into_body().collect().await.expect("a body");
        assert!(text(&requests).contains("version=\"v1\"} 1500\n"), "{}", text(&requests));
    }

    #[test]
    fn strangers_cannot_make_series_without_end() {
        let requests = Requests::default();
        for i in 0..5000 {
            let path = format!("/apis/g{i}/v1/things");
            let info = RequestInfo::new(&http::Method::GET, &path, &Query::default());
            requests.count(&info, Told::default(), ok());
            requests.count(&info, known(0), ok());
        }
        assert!(requests.series.read().len() <= MOST + 1);
        assert!(text(&requests).contains("resource=\"other\""));
    }

    #[test]
    fn open_watches_are_shown_while_they_are_open() {
        let requests = Requests::default();
        let info = RequestInfo::new(&http::Method::GET, "/api/v1/pods", &Query::parse("watch=1"));
        let lasting = requests.lasts(&info);
        let line = |n| {
            format!(
                "resource=\"pods\",scope=\"cluster\",subresource=\"\",verb=\"WATCH\",version=\"v1\"}} {n}\n"
            )
        };
        assert!(text(&requests).contains(&line(1)));
        drop(lasting);
        assert!(text(&requests).contains(&line(0)), "{}", text(&requests));
    }
}
