//! `/livez`, `/readyz`, `/healthz`: checks that can fail, each also at a path of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use corten_metrics::{Kind, Series, Text};
use corten_rt::{Instant, Stop};
use futures::FutureExt;
use futures::future::BoxFuture;
use http::StatusCode;

use super::query::Query;
use super::response::{Response, text};
use crate::Registry;

/// Tells whether something works; the error says what does not.
pub type Check = Arc<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// How long one check may take before it counts as failed.
const CHECK_TIME: Duration = Duration::from_secs(2);

struct Named {
    name: &'static str,
    check: Check,
    /// Whether the process should be restarted when it fails.
    live: bool,
}

impl Named {
    async fn outcome(&self) -> Result<(), String> {
        corten_rt::timeout(CHECK_TIME, (self.check)())
            .await
            .unwrap_or_else(|| Err("no answer in time".into()))
    }

    async fn judged(&self, lenient: bool) -> Result<(), String> {
        if lenient { Ok(()) } else { self.outcome().await }
    }
}

/// What upstream does after its start, as clients ask for it: `poststarthook/NAME`. Here it is done before
/// the first request is answered.
const HOOKS: [&str; 18] = [
    "poststarthook/start-apiserver-admission-initializer",
    "poststarthook/generic-apiserver-start-informers",
    "poststarthook/priority-and-fairness-config-consumer",
    "poststarthook/priority-and-fairness-filter",
    "poststarthook/storage-object-count-tracker-hook",
    "poststarthook/start-apiextensions-informers",
    "poststarthook/start-apiextensions-controllers",
    "poststarthook/crd-informer-synced",
    "poststarthook/start-service-ip-repair-controllers",
    "poststarthook/start-legacy-token-tracking-controller",
    "poststarthook/aggregator-reload-proxy-client-cert",
    "poststarthook/start-kube-aggregator-informers",
    "poststarthook/apiservice-status-local-available-controller",
    "poststarthook/apiservice-status-remote-available-controller",
    "poststarthook/apiservice-registration-controller",
    "poststarthook/apiservice-discovery-controller",
    "poststarthook/apiservice-openapi-controller",
    "poststarthook/apiservice-openapiv3-controller",
];

/// The same for what is done once the objects are there that every cluster has.
const BOOTSTRAP_HOOKS: [&str; 9] = [
    "poststarthook/start-system-namespaces-controller",
    "poststarthook/start-cluster-authentication-info-controller",
    "poststarthook/rbac/bootstrap-roles",
    "poststarthook/scheduling/bootstrap-system-priority-classes",
    "poststarthook/priority-and-fairness-config-producer",
    "poststarthook/bootstrap-controller",
    "poststarthook/start-kubernetes-service-cidr-controller",
    "poststarthook/kube-apiserver-autoregistration",
    "autoregister-completion",
];

/// What every server has to show: a store that answers, a cache that follows it, the objects that every
/// cluster has (as long as `bootstrapping`, they are not there), and time to serve (`leaving`: no more).
pub fn own_checks(registry: &Arc<Registry>, bootstrapping: &Arc<AtomicBool>, leaving: &Stop) -> Health {
    let store = || {
        let store = Arc::clone(registry.store());
        move || {
            let store = Arc::clone(&store);
            // This question goes down to the file.
            async move { store.oldest_revision().await.map(|_| ()).map_err(|e| e.to_string()) }
        }
    };
    let (synced, leaving) = (Arc::clone(registry), leaving.clone());
    let mut health = Health::new().live("etcd", store()).ready("etcd-readiness", store());
    health = health.ready("informer-sync", move || {
        let registry = Arc::clone(&synced);
        async move { registry.is_synced().await.map_err(|e| e.to_string()) }
    });
    for name in HOOKS {
        health = health.live(name, || async { Ok(()) });
    }
    for name in BOOTSTRAP_HOOKS {
        let bootstrapping = Arc::clone(bootstrapping);
        health = health.live(name, move || {
            let unfinished = bootstrapping.load(Ordering::Acquire);
            async move { if unfinished { Err("not finished".into()) } else { Ok(()) } }
        });
    }
    health.ready("shutdown", move || {
        let ends = leaving.is_stopped();
        async move { if ends { Err("process is shutting down".into()) } else { Ok(()) } }
    })
}

/// The most series of results; there are as many as checks and endpoints.
const MOST_SERIES: usize = 1000;

/// What has come of one check at one endpoint.
#[derive(Default)]
struct Results {
    passes: AtomicBool,
    successes: AtomicU64,
    errors: AtomicU64,
}

/// The checks of one server.
pub struct Health {
    checks: Vec<Named>,
    results: Series<Results>,
    /// Until when `/livez` passes whatever the checks say.
    lenient: Option<Instant>,
}

impl Default for Health {
    fn default() -> Self {
        Health { checks: Vec::new(), results: Series::new(MOST_SERIES), lenient: None }
    }
}

impl Health {
    /// Only the checks that always pass: `ping` and `log`.
    pub fn new() -> Self {
        Health::default().live("ping", || async { Ok(()) }).live("log", || async { Ok(()) })
    }

    /// Adds a check whose failure calls for a restart.
    pub fn live<F, R>(self, name: &'static str, check: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), String>> + Send + 'static,
    {
        self.with(name, Arc::new(move || check().boxed()), true)
    }

    /// Adds a check whose failure only means that requests should go elsewhere.
    pub fn ready<F, R>(self, name: &'static str, check: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), String>> + Send + 'static,
    {
        self.with(name, Arc::new(move || check().boxed()), false)
    }

    /// For that long, `/livez` passes: nobody restarts a server that is starting.
    #[must_use]
    pub fn lenient_for(mut self, time: Duration) -> Self {
        self.lenient = (!time.is_zero()).then(|| Instant::now() + time);
        self
    }

    fn with(mut self, name: &'static str, check: Check, live: bool) -> Self {
        self.checks.push(Named { name, check, live });
        self
    }

    /// Every path below one of the three.
    pub fn paths(&self) -> impl Iterator<Item = String> {
        ["healthz", "livez", "readyz"].into_iter().flat_map(|endpoint| {
            let checks = self.checks.iter().filter(move |check| check.live || endpoint == "readyz");
            let each = checks.map(move |check| format!("/{endpoint}/{}", check.name));
            std::iter::once(format!("/{endpoint}")).chain(each)
        })
    }

    /// Answers a path below one of the three; `None` when it is none of them.
    pub async fn answer(&self, path: &str, query: &Query) -> Option<Response> {
        let (endpoint, one) = match path.trim_start_matches('/').split_once('/') {
            Some((endpoint, name)) => (endpoint, name.trim_end_matches('/')),
            None => (path.trim_start_matches('/'), ""),
        };
        let live_only = match endpoint {
            "livez" | "healthz" => true,
            "readyz" => false,
            _ => return None,
        };
        let lenient = endpoint == "livez" && self.lenient.is_some_and(|until| Instant::now() < until);
        let checks: Vec<&Named> = self.checks.iter().filter(|c| c.live || !live_only).collect();
        if !one.is_empty() {
            let Some(check) = checks.iter().find(|c| c.name == one) else {
                return Some(text(StatusCode::NOT_FOUND, "404 page not found\n"));
            };
            return Some(match check.judged(lenient).await {
                Ok(()) => text(StatusCode::OK, "ok"),
                Err(why) => {
                    text(StatusCode::INTERNAL_SERVER_ERROR, &format!("internal server error: {why}\n"))
                }
            });
        }
        let excluded: Vec<&str> = query.all("exclude").collect();
        Some(self.summary(endpoint, &checks, &excluded, (query.get("verbose").is_some(), lenient)).await)
    }

    async fn summary(
        &self,
        endpoint: &str,
        checks: &[&Named],
        excluded: &[&str],
        (verbose, lenient): (bool, bool),
    ) -> Response {
        let (mut lines, mut failed) = (String::new(), false);
        for check in checks {
            let name = check.name;
            if excluded.contains(&name) {
                lines += &format!("[+]{name} excluded: ok\n");
                continue;
            }
            let outcome = check.judged(lenient).await;
            self.count(name, endpoint, outcome.is_ok());
            if let Err(why) = outcome {
                tracing::debug!(check = name, %why, "a health check failed");
                failed = true;
                lines += &format!("[-]{name} failed: reason withheld\n");
            } else {
                lines += &format!("[+]{name} ok\n");
            }
        }
        let unknown: Vec<String> = excluded
            .iter()
            .filter(|e| !checks.iter().any(|c| c.name == **e))
            .map(|e| format!("{e:?}"))
            .collect();
        if !unknown.is_empty() {
            let unknown = unknown.join(",");
            lines += &format!("warn: some health checks cannot be excluded: no matches for {unknown}\n");
        }
        if failed {
            return text(StatusCode::INTERNAL_SERVER_ERROR, &format!("{lines}{endpoint} check failed\n"));
        }
        let body = if verbose { format!("{lines}{endpoint} check passed\n") } else { "ok".to_string() };
        text(StatusCode::OK, &body)
    }

    fn count(&self, check: &str, endpoint: &str, passes: bool) {
        let Some(results) = self.results.of(&[("name", check), ("type", endpoint)], Results::default) else {
            return;
        };
        results.passes.store(passes, Ordering::Relaxed);
        if passes { &results.successes } else { &results.errors }.fetch_add(1, Ordering::Relaxed);
    }

    /// Writes what has come of the checks, as upstream's `/metrics/slis` shows it.
    pub fn write_metrics(&self, out: &mut Text) {
        out.family("kubernetes_healthcheck", Kind::Gauge, "Whether a check passed when it was made last.");
        self.results.each(|labels, of| out.sample(labels, u8::from(of.passes.load(Ordering::Relaxed))));
        out.family("kubernetes_healthchecks_total", Kind::Counter, "Checks by their results.");
        self.results.each(|labels, of| {
            let (name, kind) = labels.split_once(",type=").unwrap_or((labels, ""));
            for (status, count) in [("error", &of.errors), ("success", &of.successes)] {
                let count = count.load(Ordering::Relaxed);
                if count > 0 {
                    out.sample(&format!("{name},status=\"{status}\",type={kind}"), count);
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    async fn ask(health: &Health, path: &str, query: &str) -> (u16, String) {
        let response = health.answer(path, &Query::parse(query)).await.expect("a health path");
        let code = response.status().as_u16();
        let body = response.into_body().collect().await.expect("a body").to_bytes();
        (code, String::from_utf8_lossy(&body).into_owned())
    }

    #[tokio::test]
    async fn checks_pass_and_fail() {
        let health = Health::new().ready("informers", || async { Err("not synced".into()) });
        for (path, query, code, body) in [
            ("/livez", "", 200, "ok"),
            ("/livez/ping", "", 200, "ok"),
            ("/livez/none", "", 404, "404 page not found\n"),
            ("/livez", "verbose", 200, "[+]ping ok\n[+]log ok\nlivez check passed\n"),
            (
                "/readyz",
                "",
                500,
                "[+]ping ok\n[+]log ok\n[-]informers failed: reason withheld\nreadyz check failed\n",
            ),
            ("/readyz", "exclude=informers", 200, "ok"),
            ("/healthz", "", 200, "ok"),
            ("/healthz/informers", "", 404, "404 page not found\n"),
            (
                "/livez",
                "verbose&exclude=ping&exclude=a&exclude=b",
                200,
                "[+]ping excluded: ok\n[+]log ok\nwarn: some health checks cannot be excluded: no matches for \"a\",\"b\"\nlivez check passed\n",
            ),
            ("/readyz/informers", "", 500, "internal server error: not synced\n"),
        ] {
            assert_eq!(ask(&health, path, query).await, (code, body.to_string()), "{path}?{query}");
        }
        assert!(health.answer("/metrics", &Query::default()).await.is_none());
        let mut out = Text::default();
        health.write_metrics(&mut out);
        let out = out.finish();
        for line in [
            "kubernetes_healthcheck{name=\"informers\",type=\"readyz\"} 0",
            "kubernetes_healthchecks_total{name=\"informers\",status=\"error\",type=\"readyz\"} 1",
            "kubernetes_healthchecks_total{name=\"ping\",status=\"success\",type=\"livez\"} 2",
        ] {
            assert!(out.lines().any(|l| l == line), "{line}\n{out}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_starts_is_alive_for_its_grace() {
        let health = Health::new().live("etcd", || async { Err("not yet".into()) });
        let health = health.lenient_for(Duration::from_secs(10));
        assert_eq!(ask(&health, "/livez", "").await.0, 200);
        assert_eq!(ask(&health, "/livez/etcd", "").await.0, 200);
        assert_eq!(ask(&health, "/readyz", "").await.0, 500);
        corten_rt::sleep(Duration::from_secs(10)).await;
        assert_eq!(ask(&health, "/livez", "").await.0, 500);
    }
}
