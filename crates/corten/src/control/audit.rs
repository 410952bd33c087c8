//! The audit log and webhook: their flags, which are kube-apiserver's, and how they begin.

use anyhow::{Context, Result, bail};
use clap::Args;
use corten_apiserver::audit::{Audit, BatchOptions, LogOptions, Mode, Policy, Throttle, Truncation, Webhook};
use corten_apiserver::http::Api;
use corten_apiserver::identity::Remote;
use corten_auth::authorize::duration;
use corten_client::http::HttpConfig;
use corten_rt::Tasks;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

const MODES: [(&str, Mode); 3] =
    [("batch", Mode::Batch), ("blocking", Mode::Blocking), ("blocking-strict", Mode::BlockingStrict)];

#[derive(Args, Clone, Debug)]
pub struct AuditFlags {
    /// What is recorded, a file audit.k8s.io/v1 Policy; when absent, who did what, without bodies and
    /// without what components do all the time.
    #[arg(long, env = "CORTEN_AUDIT_POLICY_FILE", value_name = "FILE")]
    pub audit_policy_file: Option<PathBuf>,
    /// The audit log; DATA_DIR/audit/audit.log when absent, `-` for standard output, empty for none.
    #[arg(long, env = "CORTEN_AUDIT_LOG_PATH", value_name = "FILE")]
    pub audit_log_path: Option<PathBuf>,
    /// The size in megabytes at which the audit log is rotated.
    #[arg(long, env = "CORTEN_AUDIT_LOG_MAXSIZE", default_value_t = 10)]
    pub audit_log_maxsize: u64,
    /// How many rotated audit logs are kept; 0 for all.
    #[arg(long, env = "CORTEN_AUDIT_LOG_MAXBACKUP", default_value_t = 2)]
    pub audit_log_maxbackup: usize,
    /// How many days rotated audit logs are kept; 0 for as long as their number allows.
    #[arg(long, env = "CORTEN_AUDIT_LOG_MAXAGE", default_value_t = 0)]
    pub audit_log_maxage: u64,
    /// Whether requests wait until they are in the log: batch, blocking, or blocking-strict, which refuses them
    /// when that fails.
    #[arg(long, env = "CORTEN_AUDIT_LOG_MODE", default_value = "batch", value_name = "MODE")]
    pub audit_log_mode: String,
    /// Whether events that are too large are written without bodies.
    #[arg(
        long,
        env = "CORTEN_AUDIT_LOG_TRUNCATE_ENABLED",
        action = clap::ArgAction::Set,
        num_args = 0..=1,
        default_value_t = false,
        default_missing_value = "true",
        value_name = "BOOL"
    )]
    pub audit_log_truncate_enabled: bool,
    /// The most bytes of an event of the log.
    #[arg(long, env = "CORTEN_AUDIT_LOG_TRUNCATE_MAX_EVENT_SIZE", default_value_t = 100 << 10)]
    pub audit_log_truncate_max_event_size: usize,
    /// The most bytes that are written at once.
    #[arg(long, env = "CORTEN_AUDIT_LOG_TRUNCATE_MAX_BATCH_SIZE", default_value_t = 10 << 20)]
    pub audit_log_truncate_max_batch_size: usize,
    #[command(flatten)]
    pub webhook: AuditWebhookFlags,
}

/// The webhook that takes audit events.
#[derive(Args, Clone, Debug)]
pub struct AuditWebhookFlags {
    /// A kubeconfig of the webhook that audit events are sent to.
    #[arg(long, env = "CORTEN_AUDIT_WEBHOOK_CONFIG_FILE", value_name = "FILE")]
    pub audit_webhook_config_file: Option<PathBuf>,
    /// Whether requests wait until the webhook has their events: batch, blocking, or blocking-strict, which
    /// refuses them when that fails.
    #[arg(long, env = "CORTEN_AUDIT_WEBHOOK_MODE", default_value = "batch", value_name = "MODE")]
    pub audit_webhook_mode: String,
    /// The pause before a failed call is tried again; the next are longer.
    #[arg(
        long,
        env = "CORTEN_AUDIT_WEBHOOK_INITIAL_BACKOFF",
        alias = "audit-webhook-batch-initial-backoff",
        default_value = "10s",
        value_parser = duration
    )]
    pub audit_webhook_initial_backoff: Duration,
    /// How many events wait at most; others are dropped.
    #[arg(long, env = "CORTEN_AUDIT_WEBHOOK_BATCH_BUFFER_SIZE", default_value_t = 10_000)]
    pub audit_webhook_batch_buffer_size: usize,
    /// The most events that are sent at once.
    #[arg(long, env = "CORTEN_AUDIT_WEBHOOK_BATCH_MAX_SIZE", default_value_t = 400)]
    pub audit_webhook_batch_max_size: usize,
    /// How long an event waits for others.
    #[arg(long, env = "CORTEN_AUDIT_WEBHOOK_BATCH_MAX_WAIT", default_value = "30s", value_parser = duration)]
    pub audit_webhook_batch_max_wait: Duration,
    /// Whether it is limited how often batches are sent.
    #[arg(
        long,
        env = "CORTEN_AUDIT_WEBHOOK_BATCH_THROTTLE_ENABLE",
        action = clap::ArgAction::Set,
        default_value_t = true,
        value_name = "BOOL"
    )]
    pub audit_webhook_batch_throttle_enable: bool,
    /// How many batches a second are sent on average.
    #[arg(long, env = "CORTEN_AUDIT_WEBHOOK_BATCH_THROTTLE_QPS", default_value_t = 10.0)]
    pub audit_webhook_batch_throttle_qps: f64,
    /// How many batches are sent at once after a rest.
    #[arg(long, env = "CORTEN_AUDIT_WEBHOOK_BATCH_THROTTLE_BURST", default_value_t = 15)]
    pub audit_webhook_batch_throttle_burst: u32,
    /// Whether events that are too large are sent without bodies.
    #[arg(
        long,
        env = "CORTEN_AUDIT_WEBHOOK_TRUNCATE_ENABLED",
        action = clap::ArgAction::Set,
        num_args = 0..=1,
        default_value_t = false,
        default_missing_value = "true",
        value_name = "BOOL"
    )]
    pub audit_webhook_truncate_enabled: bool,
    /// The most bytes of an event for the webhook.
    #[arg(long, env = "CORTEN_AUDIT_WEBHOOK_TRUNCATE_MAX_EVENT_SIZE", default_value_t = 100 << 10)]
    pub audit_webhook_truncate_max_event_size: usize,
    /// The most bytes of events that are sent at once.
    #[arg(long, env = "CORTEN_AUDIT_WEBHOOK_TRUNCATE_MAX_BATCH_SIZE", default_value_t = 10 << 20)]
    pub audit_webhook_truncate_max_batch_size: usize,
    /// The version of events.
    #[arg(long, env = "CORTEN_AUDIT_WEBHOOK_VERSION", default_value = "audit.k8s.io/v1", hide = true)]
    pub audit_webhook_version: String,
}

fn mode(plugin: &str, name: &str) -> Result<Mode> {
    let found = MODES.iter().find(|(known, _)| *known == name).map(|(_, mode)| *mode);
    found.with_context(|| {
        let known = "\"batch,blocking,blocking-strict\"";
        format!("invalid audit {plugin} mode {name}, allowed modes are {known}")
    })
}

fn truncation(plugin: &str, enabled: bool, event: usize, batch: usize) -> Result<Option<Truncation>> {
    if event == 0 {
        bail!("invalid audit truncate {plugin} max event size {event}, must be a positive number");
    }
    if batch < event {
        bail!(
            "invalid audit truncate {plugin} max batch size {batch}, must be greater than max event size ({event})"
        );
    }
    Ok(enabled.then_some(Truncation { event, batch }))
}

impl AuditFlags {
    /// Begins the log and the webhook; none when both are turned off.
    pub fn begin(&self, data_dir: &Path, api: &Api, tasks: &Tasks) -> Result<Option<Arc<Audit>>> {
        let path = self.audit_log_path.clone().unwrap_or_else(|| data_dir.join("audit/audit.log"));
        let log = if path.as_os_str().is_empty() { None } else { Some(self.log()?) };
        let webhook = self.webhook.begin(api, tasks)?;
        if log.is_none() && webhook.is_none() {
            return Ok(None);
        }
        let policy = match &self.audit_policy_file {
            None => Policy::standard(),
            Some(file) => {
                let about = || format!("the audit policy {}", file.display());
                let text = std::fs::read(file).with_context(about)?;
                Policy::parse(&text).map_err(anyhow::Error::msg).with_context(about)?
            }
        };
        let mut audit = Audit::new(policy, api.clock).logging(None, None);
        if let Some((mode, size)) = log {
            audit = audit.logging(Some(mode), size);
        }
        if let Some(webhook) = webhook {
            audit = audit.sending(webhook);
        }
        let audit = Arc::new(audit);
        if log.is_some() {
            let options = LogOptions {
                path,
                max_size: self.audit_log_maxsize.max(1) << 20,
                max_backup: self.audit_log_maxbackup,
                max_age: self.audit_log_maxage,
            };
            audit.keep_log(options, tasks);
        }
        Ok(Some(audit))
    }

    fn log(&self) -> Result<(Mode, Option<Truncation>)> {
        let (event, batch) = (self.audit_log_truncate_max_event_size, self.audit_log_truncate_max_batch_size);
        let size = truncation("log", self.audit_log_truncate_enabled, event, batch)?;
        Ok((mode("log", &self.audit_log_mode)?, size))
    }
}

impl AuditWebhookFlags {
    fn begin(&self, api: &Api, tasks: &Tasks) -> Result<Option<Webhook>> {
        let Some(file) = &self.audit_webhook_config_file else { return Ok(None) };
        let (mode, size, options) = self.settings()?;
        let about = || format!("initializing audit webhook: {}", file.display());
        let config = HttpConfig::from_kubeconfig(file).with_context(about)?;
        let remote = Remote::new(Arc::clone(api.registry.outbound()), config).map_err(anyhow::Error::msg);
        let (remote, pause) = (remote.with_context(about)?, self.audit_webhook_initial_backoff);
        Ok(Some(Webhook::start(remote, mode, size, options, pause, tasks)))
    }

    fn settings(&self) -> Result<(Mode, Option<Truncation>, BatchOptions)> {
        if self.audit_webhook_version != "audit.k8s.io/v1" {
            bail!("invalid group version, allowed versions are [\"audit.k8s.io/v1\"]");
        }
        let mode = mode("webhook", &self.audit_webhook_mode)?;
        let (buffer, most) = (self.audit_webhook_batch_buffer_size, self.audit_webhook_batch_max_size);
        let (qps, burst) = (self.audit_webhook_batch_throttle_qps, self.audit_webhook_batch_throttle_burst);
        let throttled = self.audit_webhook_batch_throttle_enable;
        for (what, value, wrong) in [
            ("buffer size", buffer.to_string(), buffer == 0),
            ("max batch size", most.to_string(), most == 0),
            ("throttle QPS", qps.to_string(), throttled && (qps <= 0.0 || !qps.is_finite())),
            ("throttle burst", burst.to_string(), throttled && burst == 0),
        ] {
            if wrong && mode == Mode::Batch {
                bail!("invalid audit batch webhook {what} {value}, must be a positive number");
            }
        }
        let throttle = throttled.then(|| Throttle { qps, burst: burst.into() });
        let wait = self.audit_webhook_batch_max_wait;
        let (event, batch) =
            (self.audit_webhook_truncate_max_event_size, self.audit_webhook_truncate_max_batch_size);
        let size = truncation("webhook", self.audit_webhook_truncate_enabled, event, batch)?;
        Ok((mode, size, BatchOptions { buffer, most, wait, throttle }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        flags: AuditFlags,
    }

    #[test]
    fn wrong_flags_are_refused_in_upstreams_words() {
        for (line, want) in [
            ("--audit-webhook-mode=batch", ""),
            (
                "--audit-webhook-mode=often",
                "invalid audit webhook mode often, allowed modes are \"batch,blocking,blocking-strict\"",
            ),
            (
                "--audit-webhook-batch-max-size=0",
                "invalid audit batch webhook max batch size 0, must be a positive number",
            ),
            (
                "--audit-webhook-batch-throttle-qps=0",
                "invalid audit batch webhook throttle QPS 0, must be a positive number",
            ),
            ("--audit-webhook-batch-throttle-qps=0 --audit-webhook-batch-throttle-enable=false", ""),
            ("--audit-webhook-batch-max-size=0 --audit-webhook-mode=blocking", ""),
            (
                "--audit-webhook-truncate-max-event-size=9 --audit-webhook-truncate-max-batch-size=8",
                "invalid audit truncate webhook max batch size 8, must be greater than max event size (9)",
            ),
            (
                "--audit-webhook-version=v2",
                "invalid group version, allowed versions are [\"audit.k8s.io/v1\"]",
            ),
        ] {
            let line = ["server"].into_iter().chain(line.split(' '));
            let flags = Line::try_parse_from(line).expect("flags").flags;
            let why = flags.webhook.settings().err().map(|why| why.to_string());
            assert_eq!(why.unwrap_or_default(), want);
        }
        let flags = Line::try_parse_from(["server"]).expect("flags").flags;
        let (mode, size, options) = flags.webhook.settings().expect("valid");
        assert_eq!((mode, size, options.buffer, options.most), (Mode::Batch, None, 10_000, 400));
        assert_eq!(flags.log().expect("valid"), (Mode::Batch, None));
    }
}
