//! How the API server serves: flags with kube-apiserver's names, and its certificate, which is renewed and
//! exchanged while the server runs.

use super::files::{Followed, Outcome};
use super::tls::TlsFlags;
use anyhow::{Context, Result};
use clap::Args;
use corten_apiserver::http::{Browsers, Limits};
use corten_auth::authorize::duration;
use corten_auth::pki::{Identity, Pki, ServerNames};
use corten_auth::tls::ServerIdentity;
use corten_rt::{Clock, Tasks};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How often is looked whether the certificate is worn.
const RENEW: Duration = Duration::from_secs(12 * 3600);

#[derive(Args, Clone, Debug)]
pub struct ServingFlags {
    /// How long a server that is told to end serves on, no longer ready, so that load balancers notice.
    #[arg(long, env = "CORTEN_SHUTDOWN_DELAY_DURATION", default_value = "0s", value_parser = time)]
    pub shutdown_delay_duration: Duration,
    /// A server that ends sends new requests away until those under way are answered.
    #[arg(long, env = "CORTEN_SHUTDOWN_SEND_RETRY_AFTER")]
    pub shutdown_send_retry_after: bool,
    /// How long after its start a server counts as alive whatever its checks say.
    #[arg(long, env = "CORTEN_LIVEZ_GRACE_PERIOD", default_value = "0s", value_parser = time)]
    pub livez_grace_period: Duration,
    /// How long a request other than a watch may take.
    #[arg(long, env = "CORTEN_REQUEST_TIMEOUT", default_value = "1m", value_parser = time)]
    pub request_timeout: Duration,
    /// Seconds that a watch lasts at least which asks for no time.
    #[arg(long, env = "CORTEN_MIN_REQUEST_TIMEOUT", default_value_t = 1800)]
    pub min_request_timeout: u32,
    /// The most requests that read, at a time.
    #[arg(long, env = "CORTEN_MAX_REQUESTS_INFLIGHT", default_value_t = 400)]
    pub max_requests_inflight: usize,
    /// The most requests that change something, at a time.
    #[arg(long, env = "CORTEN_MAX_MUTATING_REQUESTS_INFLIGHT", default_value_t = 200)]
    pub max_mutating_requests_inflight: usize,
    /// Whether requests have seats by their priority; otherwise only their number is limited.
    #[arg(
        long,
        env = "CORTEN_ENABLE_PRIORITY_AND_FAIRNESS",
        action = clap::ArgAction::Set,
        num_args = 0..=1,
        default_value_t = true,
        default_missing_value = "true",
        value_name = "BOOL"
    )]
    pub enable_priority_and_fairness: bool,
    /// How likely a request over HTTP/2 has its client connect anew, from 0 to 0.02: behind a load balancer,
    /// several servers come to have as many connections each.
    #[arg(long, env = "CORTEN_GOAWAY_CHANCE", default_value_t = 0.0, value_parser = chance)]
    pub goaway_chance: f64,
    /// The most requests at a time over one connection of HTTP/2; 0 for the usual number, 250.
    #[arg(long, env = "CORTEN_HTTP2_MAX_STREAMS_PER_CONNECTION", default_value_t = 0)]
    pub http2_max_streams_per_connection: u32,
    /// Patterns of the origins of pages whose scripts may call (CORS), tied to where the host begins and ends:
    /// `//example.com(:|$)`.
    #[arg(long, env = "CORTEN_CORS_ALLOWED_ORIGINS", value_delimiter = ',', value_name = "PATTERNS")]
    pub cors_allowed_origins: Vec<String>,
    /// What browsers are told about coming by HTTPS alone: max-age=SECONDS, includeSubDomains, preload.
    #[arg(
        long,
        env = "CORTEN_STRICT_TRANSPORT_SECURITY_DIRECTIVES",
        value_delimiter = ',',
        value_name = "DIRECTIVES"
    )]
    pub strict_transport_security_directives: Vec<String>,
    /// How long Events are kept.
    #[arg(long, env = "CORTEN_EVENT_TTL", default_value = "1h", value_parser = time)]
    pub event_ttl: Duration,
    #[command(flatten)]
    pub tls: TlsFlags,
}

/// A duration as Go writes it; a bare number is one of seconds.
fn time(text: &str) -> Result<Duration, String> {
    text.parse().map(Duration::from_secs).or_else(|_| duration(text))
}

fn chance(text: &str) -> Result<f64, String> {
    let chance: f64 = text.parse().map_err(|_| format!("{text:?} is no number"))?;
    if (0.0..=0.02).contains(&chance) {
        return Ok(chance);
    }
    Err("--goaway-chance can not be less than 0 or greater than 0.02".into())
}

impl ServingFlags {
    /// The limits that hold.
    pub fn limits(&self) -> Limits {
        let usual = Limits::default();
        let streams = self.http2_max_streams_per_connection;
        Limits {
            fair: self.enable_priority_and_fairness,
            goaway_chance: self.goaway_chance,
            streams: if streams == 0 { usual.streams } else { streams },
            request_time: self.request_timeout,
            reads: self.max_requests_inflight,
            writes: self.max_mutating_requests_inflight,
            retry_after: self.shutdown_send_retry_after,
            ..usual
        }
    }

    /// What browsers are told.
    pub fn browsers(&self) -> Result<Browsers> {
        let (origins, directives) = (&self.cors_allowed_origins, &self.strict_transport_security_directives);
        Browsers::new(origins, directives).map_err(anyhow::Error::msg)
    }

    /// How long watches last at least that ask for no time.
    pub fn watch_time(&self) -> Duration {
        Duration::from_secs(self.min_request_timeout.into())
    }
}

/// The API server's certificate.
pub struct Certificate {
    dir: PathBuf,
    names: ServerNames,
    shown: Arc<ServerIdentity>,
}

impl Certificate {
    /// That of `pki` in `dir`, made for `names`.
    pub fn new(dir: &Path, names: &ServerNames, pki: &Pki) -> Result<Self> {
        let shown = Arc::new(ServerIdentity::new(&with_authority(&pki.server, pki.ca.pem()))?);
        Ok(Certificate { dir: dir.to_path_buf(), names: names.clone(), shown })
    }

    /// What is shown.
    pub fn shown(&self) -> Arc<ServerIdentity> {
        Arc::clone(&self.shown)
    }

    /// Has `tasks` renew it before it ends, and show what comes into its files.
    pub fn keep(self, tasks: &Tasks) {
        let files = ["apiserver.crt", "apiserver.key"].map(|file| self.dir.join(file));
        let (dir, shown) = (self.dir.clone(), self.shown);
        Followed::new(files).follow("serving certificate", tasks, move || {
            let outcome = match exchange(&dir, &shown) {
                Ok(()) => Outcome::Done,
                Err(why) => {
                    tracing::error!("{why:#}: the last certificate stays");
                    Outcome::Again
                }
            };
            std::future::ready(outcome)
        });
        let (dir, names) = (self.dir, self.names);
        tasks.spawn_until_stopped("serving certificate's end", async move {
            loop {
                corten_rt::sleep(RENEW).await;
                if let Err(error) = Pki::open(&dir, &names, Clock::system().now()) {
                    tracing::error!(%error, "the certificates cannot be renewed");
                }
            }
        });
    }
}

/// The authority travels along, so that a node that knows its hash can verify it.
fn with_authority(server: &Identity, authority: &str) -> Identity {
    Identity { certificate: format!("{}{authority}", server.certificate), key: server.key.clone() }
}

fn exchange(dir: &Path, shown: &ServerIdentity) -> Result<()> {
    let read = |file: &str| {
        let file = dir.join(file);
        std::fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))
    };
    let server = Identity { certificate: read("apiserver.crt")?, key: read("apiserver.key")? };
    shown.replace(&with_authority(&server, &read("ca.crt")?)).context("the serving certificate")?;
    tracing::info!("the serving certificate has changed");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_rt::Stop;

    #[test]
    fn times_are_go_s_or_seconds() {
        for (text, want) in [("5", Some(5000)), ("5s", Some(5000)), ("1m30s", Some(90_000)), ("x", None)] {
            assert_eq!(time(text).ok().map(|time| time.as_millis()), want, "{text}");
        }
    }

    #[tokio::test]
    async fn a_certificate_that_is_put_in_place_is_shown() {
        let dir = tempfile::tempdir().expect("a directory");
        let (names, now) = (ServerNames::default(), Clock::system().now());
        let pki = Pki::open(dir.path(), &names, now).expect("certificates");
        let kept = Certificate::new(dir.path(), &names, &pki).expect("shown");
        let shown = kept.shown();
        let tasks = Tasks::new(Stop::new());
        kept.keep(&tasks);
        let before = format!("{shown:?}");
        for file in ["apiserver.crt", "apiserver.key"] {
            std::fs::remove_file(dir.path().join(file)).expect("removed");
        }
        Pki::open(dir.path(), &names, now).expect("made anew");
        while format!("{shown:?}") == before {
            corten_rt::sleep(Duration::from_millis(20)).await;
        }
        assert!(tasks.shutdown(Duration::from_secs(5)).await);
    }
}
