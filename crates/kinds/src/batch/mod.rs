//! The group `batch`.

mod cron_job;
mod indexes;
mod job;
mod job_status;
mod schedule;
mod validate;

pub use cron_job::CronJobStrategy;
pub use job::JobStrategy;

/// Labels of a job's pods, the older and the newer form.
const NAME_LABELS: [&str; 2] = ["job-name", "batch.kubernetes.io/job-name"];
const UID_LABELS: [&str; 2] = ["controller-uid", "batch.kubernetes.io/controller-uid"];
