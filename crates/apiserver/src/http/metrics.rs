//! Counts of requests, as `/metrics` shows them (Prometheus text).

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use parking_lot::Mutex;

/// Combinations of verb, resource and code beyond this are counted together.
const MOST_SERIES: usize = 4000;

/// What one series counts: verb, group, resource, subresource, code.
type Series = (String, String, String, String, u16);

/// Counters of the HTTP layer.
#[derive(Default)]
pub struct Metrics {
    requests: Mutex<BTreeMap<Series, u64>>,
    /// Open watches.
    pub watches: AtomicI64,
    /// Open connections.
    pub connections: AtomicI64,
    /// Requests refused because too many were worked on.
    pub dropped: AtomicU64,
}

impl Metrics {
    /// Counts one answered request.
    pub fn count(&self, info: &super::path::RequestInfo, code: u16) {
        let series = if info.is_resource {
            let (group, resource) = (info.group.clone(), info.resource.clone());
            (info.verb.to_uppercase(), group, resource, info.subresource.clone(), code)
        } else {
            (info.verb.to_uppercase(), String::new(), String::new(), String::new(), code)
        };
        let mut requests = self.requests.lock();
        if let Some(count) = requests.get_mut(&series) {
            *count += 1;
        } else if requests.len() < MOST_SERIES && code != 404 {
            requests.insert(series, 1);
        } else {
            let other = (String::new(), String::new(), "other".to_string(), String::new(), code);
            *requests.entry(other).or_default() += 1;
        }
    }

    /// The text of `/metrics`.
    pub fn text(&self) -> String {
        let mut out = String::from(
            "# HELP apiserver_request_total Requests by verb, resource and code.\n# TYPE apiserver_request_total counter\n",
        );
        for ((verb, group, resource, subresource, code), count) in self.requests.lock().iter() {
            let resource = label(resource);
            let _ = writeln!(
                out,
                "apiserver_request_total{{code=\"{code}\",group=\"{}\",resource=\"{resource}\",subresource=\"{}\",verb=\"{}\"}} {count}",
                label(group),
                label(subresource),
                label(verb),
            );
        }
        for (name, kind, help, value) in [
            ("apiserver_longrunning_watches", "gauge", "Open watches.", self.watches.load(Ordering::Relaxed)),
            (
                "apiserver_open_connections",
                "gauge",
                "Open connections.",
                self.connections.load(Ordering::Relaxed),
            ),
            (
                "apiserver_dropped_requests_total",
                "counter",
                "Requests refused for want of room.",
                i64::try_from(self.dropped.load(Ordering::Relaxed)).unwrap_or(i64::MAX),
            ),
        ] {
            let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}");
        }
        out
    }
}

fn label(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::path::RequestInfo;
    use crate::http::query::Query;

    #[test]
    fn requests_are_counted_by_verb_resource_and_code() {
        let metrics = Metrics::default();
        let info = RequestInfo::new(&http::Method::GET, "/apis/apps/v1/deployments", &Query::default());
        metrics.count(&info, 200);
        metrics.count(&info, 200);
        let want = "apiserver_request_total{code=\"200\",group=\"apps\",resource=\"deployments\",subresource=\"\",verb=\"LIST\"} 2\n";
        assert!(metrics.text().contains(want), "{}", metrics.text());
    }
}
