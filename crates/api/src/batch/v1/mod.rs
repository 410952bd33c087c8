mod cron_job;
mod job;

pub use cron_job::*;
pub use job::*;
