//! `/livez`, `/readyz`, `/healthz`: checks that can fail, each also at a path of its own.

use std::sync::Arc;

use http::StatusCode;

use super::query::Query;
use super::response::{Response, text};

/// Tells whether something works; the error says what does not.
pub type Check = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

struct Named {
    name: &'static str,
    check: Check,
    /// Whether the process should be restarted when it fails.
    live: bool,
}

/// The checks of one server.
#[derive(Default)]
pub struct Health {
    checks: Vec<Named>,
}

impl Health {
    /// Only the checks that always pass: `ping` and `log`.
    pub fn new() -> Self {
        Health::default().live("ping", || Ok(())).live("log", || Ok(()))
    }

    /// Adds a check whose failure calls for a restart.
    pub fn live(
        self,
        name: &'static str,
        check: impl Fn() -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        self.with(name, Arc::new(check), true)
    }

    /// Adds a check whose failure only means that requests should go elsewhere.
    pub fn ready(
        self,
        name: &'static str,
        check: impl Fn() -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        self.with(name, Arc::new(check), false)
    }

    fn with(mut self, name: &'static str, check: Check, live: bool) -> Self {
        self.checks.push(Named { name, check, live });
        self
    }

    /// Answers a path below one of the three; `None` when it is none of them.
    pub fn answer(&self, path: &str, query: &Query) -> Option<Response> {
        let (endpoint, one) = match path.trim_start_matches('/').split_once('/') {
            Some((endpoint, name)) => (endpoint, name.trim_end_matches('/')),
            None => (path.trim_start_matches('/'), ""),
        };
        let live_only = match endpoint {
            "livez" => true,
            "readyz" | "healthz" => false,
            _ => return None,
        };
        let mut checks = self.checks.iter().filter(|c| c.live || !live_only);
        if !one.is_empty() {
            return Some(match checks.find(|c| c.name == one).map(|c| (c.check)()) {
                None => text(StatusCode::NOT_FOUND, "404 page not found\n"),
                Some(Ok(())) => text(StatusCode::OK, "ok"),
                Some(Err(why)) => {
                    text(StatusCode::INTERNAL_SERVER_ERROR, &format!("internal server error: {why}\n"))
                }
            });
        }
        let excluded: Vec<&str> = query.all("exclude").collect();
        Some(summary(endpoint, checks, &excluded, query.get("verbose").is_some()))
    }
}

fn summary<'a>(
    endpoint: &str,
    checks: impl Iterator<Item = &'a Named>,
    excluded: &[&str],
    verbose: bool,
) -> Response {
    let (mut lines, mut failed) = (String::new(), Vec::new());
    for check in checks {
        let name = check.name;
        if excluded.contains(&name) {
            lines += &format!("[+]{name} excluded: ok\n");
        } else if let Err(why) = (check.check)() {
            tracing::debug!(check = name, %why, "a health check failed");
            failed.push(name);
            lines += &format!("[-]{name} failed: reason withheld\n");
        } else {
            lines += &format!("[+]{name} ok\n");
        }
    }
    if !failed.is_empty() {
        return text(StatusCode::INTERNAL_SERVER_ERROR, &format!("{lines}{endpoint} check failed\n"));
    }
    let body = if verbose { format!("{lines}{endpoint} check passed\n") } else { "ok".to_string() };
    text(StatusCode::OK, &body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    async fn ask(health: &Health, path: &str, query: &str) -> (u16, String) {
        let response = health.answer(path, &Query::parse(query)).expect("a health path");
        let code = response.status().as_u16();
        let body = response.into_body().collect().await.expect("a body").to_bytes();
        (code, String::from_utf8_lossy(&body).into_owned())
    }

    #[tokio::test]
    async fn checks_pass_and_fail() {
        let health = Health::new().ready("informers", || Err("not synced".into()));
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
            ("/readyz/informers", "", 500, "internal server error: not synced\n"),
        ] {
            assert_eq!(ask(&health, path, query).await, (code, body.to_string()), "{path}?{query}");
        }
        assert!(health.answer("/metrics", &Query::default()).is_none());
    }
}
