//! CronJobs.

use super::job::default_template;
use super::validate;
use crate::columns::{self, AGE, Column, NAME, row};
use crate::core::pod::defaults::text;
use crate::core::pod::warnings;
use crate::rules::Rules;
use crate::strategy::KindStrategy;
use corten_api::batch::v1::CronJob;
use corten_semantics::field::FieldError;
use jiff::Timestamp;
use serde_json::Value;

/// CronJobs.
pub struct CronJobStrategy;

impl KindStrategy for CronJobStrategy {
    type Kind = CronJob;
    const RULES: Rules = Rules::COUNTED;
    const COLUMNS: &'static [Column] = &[
        NAME,
        Column::text("Schedule"),
        Column::text("Timezone"),
        Column { type_: "boolean", ..Column::text("Suspend") },
        Column::number("Active"),
        Column::text("Last Schedule"),
        AGE,
        Column::text("Containers").wide(),
        Column::text("Images").wide(),
        Column::text("Selector").wide(),
    ];

    fn default(&self, job: &mut CronJob) {
        let spec = &mut job.spec;
        text(&mut spec.concurrency_policy, "Allow");
        spec.suspend.get_or_insert(false);
        spec.successful_jobs_history_limit.get_or_insert(3);
        spec.failed_jobs_history_limit.get_or_insert(1);
        default_template(&mut spec.job_template.spec);
    }

    fn validate(&self, job: &CronJob) -> Vec<FieldError> {
        validate::cron_job(job, None)
    }

    fn validate_update(&self, new: &CronJob, old: &CronJob) -> Vec<FieldError> {
        validate::cron_job(new, Some(old))
    }

    fn warnings(&self, new: &CronJob, old: Option<&CronJob>) -> Vec<String> {
        let old = old.map(|old| &old.metadata);
        warnings::of_template(
            &new.spec.job_template.spec.template,
            "spec.jobTemplate.spec.template",
            &new.metadata,
            old,
            true,
        )
    }

    fn row(&self, job: &CronJob, now: Timestamp) -> Vec<Value> {
        let (spec, status) = (&job.spec, &job.status);
        let (names, images) = columns::containers(&spec.job_template.spec.template.spec.containers);
        row![
            job.metadata.name.as_str(),
            spec.schedule.as_str(),
            spec.time_zone.as_deref().unwrap_or("<none>"),
            if spec.suspend == Some(true) { "True" } else { "False" },
            status.active.len(),
            status.last_schedule_time.map_or("<none>".into(), |t| columns::age(Some(t), now)),
            columns::age(job.metadata.creation_timestamp, now),
            names,
            images,
            columns::selector(spec.job_template.spec.selector.as_deref()),
        ]
    }
}
