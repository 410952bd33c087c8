//! The group `batch`.

mod cron_job;
mod job;

pub use cron_job::CronJobStrategy;
pub use job::JobStrategy;
