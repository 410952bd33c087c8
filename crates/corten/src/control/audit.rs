//! The audit log: its flags, which are kube-apiserver's, and how it begins.

use anyhow::{Context, Result};
use clap::Args;
use corten_apiserver::audit::{Audit, LogOptions, Policy};
use corten_rt::{Clock, Tasks};
use std::path::{Path, PathBuf};
use std::sync::Arc;

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
}

impl AuditFlags {
    /// Begins the log; none when it is turned off.
    pub fn begin(&self, data_dir: &Path, clock: Clock, tasks: &Tasks) -> Result<Option<Arc<Audit>>> {
        let path = self.audit_log_path.clone().unwrap_or_else(|| data_dir.join("audit/audit.log"));
        if path.as_os_str().is_empty() {
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
        let audit = Arc::new(Audit::new(policy, clock));
        let options = LogOptions {
            path,
            max_size: self.audit_log_maxsize.max(1) << 20,
            max_backup: self.audit_log_maxbackup,
            max_age: self.audit_log_maxage,
        };
        audit.keep_log(options, tasks);
        Ok(Some(audit))
    }
}
