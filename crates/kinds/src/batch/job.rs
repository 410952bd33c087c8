//! Jobs.

use super::{NAME_LABELS, UID_LABELS, job_status, validate};
use crate::columns::{self, AGE, Column, NAME, row};
use crate::core::pod::defaults::{self, text};
use crate::core::pod::warnings;
use crate::rules::Rules;
use crate::strategy::{KindStrategy, plain_create};
use corten_api::batch::v1::{Job, JobSpec};
use corten_semantics::field::FieldError;
use jiff::Timestamp;
use serde_json::Value;
use std::borrow::Cow;

/// Jobs.
pub struct JobStrategy;

impl KindStrategy for JobStrategy {
    type Kind = Job;
    const RULES: Rules = Rules::COUNTED;
    const COLUMNS: &'static [Column] = &[
        NAME,
        Column::text("Status"),
        Column::text("Completions"),
        Column::text("Duration"),
        AGE,
        Column::text("Containers").wide(),
        Column::text("Images").wide(),
        Column::text("Selector").wide(),
    ];
    const FIELD_LABELS: &'static [&'static str] = &["status.successful"];

    fn default(&self, job: &mut Job) {
        let spec = &mut job.spec;
        if spec.completions.is_none() && spec.parallelism.is_none() {
            spec.completions = Some(1);
        }
        spec.parallelism.get_or_insert(1);
        spec.backoff_limit.get_or_insert(if spec.backoff_limit_per_index.is_some() { i32::MAX } else { 6 });
        if job.metadata.labels.is_empty() {
            job.metadata.labels.clone_from(&spec.template.metadata.labels);
        }
        spec.completion_mode.get_or_insert_with(|| "NonIndexed".into());
        spec.suspend.get_or_insert(false);
        let replacement = if spec.pod_failure_policy.is_some() { "Failed" } else { "TerminatingOrFailed" };
        spec.pod_replacement_policy.get_or_insert_with(|| replacement.into());
        spec.manual_selector.get_or_insert(false);
        default_template(spec);
    }

    fn prepare_create(&self, job: &mut Job) {
        if job.spec.manual_selector != Some(true) {
            generate_selector(job);
        }
        // Only now has the template all its labels.
        if job.metadata.labels.is_empty() {
            job.metadata.labels.clone_from(&job.spec.template.metadata.labels);
        }
        plain_create(&Self::RULES, job);
    }

    fn validate(&self, job: &Job) -> Vec<FieldError> {
        validate::job(job)
    }

    fn validate_update(&self, new: &Job, old: &Job) -> Vec<FieldError> {
        validate::job_update(new, old)
    }

    fn validate_status_update(&self, new: &Job, old: &Job) -> Vec<FieldError> {
        job_status::update(new, old)
    }

    fn warnings(&self, new: &Job, old: Option<&Job>) -> Vec<String> {
        let old = old.map(|old| &old.metadata);
        warnings::of_template(&new.spec.template, "spec.template", &new.metadata, old, true)
    }

    fn row(&self, job: &Job, now: Timestamp) -> Vec<Value> {
        let (spec, status) = (&job.spec, &job.status);
        let completions = match (spec.completions, spec.parallelism.unwrap_or(0)) {
            (Some(wanted), _) => format!("{}/{wanted}", status.succeeded),
            (None, several @ 2..) => format!("{}/1 of {several}", status.succeeded),
            (None, _) => format!("{}/1", status.succeeded),
        };
        let duration = status.start_time.map_or(String::new(), |start| {
            let end = status.completion_time.map_or(now.as_second(), |t| t.seconds());
            columns::duration(end - start.seconds())
        });
        let (names, images) = columns::containers(&spec.template.spec.containers);
        row![
            job.metadata.name.as_str(),
            state(job),
            completions,
            duration,
            columns::age(job.metadata.creation_timestamp, now),
            names,
            images,
            columns::selector(spec.selector.as_deref()),
        ]
    }

    fn selectable_field<'a>(&self, job: &'a Job, _label: &str) -> Cow<'a, str> {
        job.status.succeeded.to_string().into()
    }
}

/// Defaults of the template and of the patterns of pod conditions, for jobs and for templates of jobs.
pub(super) fn default_template(spec: &mut JobSpec) {
    defaults::template(&mut spec.template);
    let rules = spec.pod_failure_policy.iter_mut().flat_map(|p| &mut p.rules);
    for pattern in rules.flat_map(|r| &mut r.on_pod_conditions) {
        text(&mut pattern.status, "True");
    }
}

/// Pods of a job are known by the job's uid.
fn generate_selector(job: &mut Job) {
    let labels = &mut job.spec.template.metadata.labels;
    for (keys, value) in [(NAME_LABELS, &job.metadata.name), (UID_LABELS, &job.metadata.uid)] {
        for key in keys {
            labels.entry(key.into()).or_insert_with(|| value.clone());
        }
    }
    let selector = job.spec.selector.get_or_insert_default();
    selector.match_labels.entry(UID_LABELS[1].into()).or_insert_with(|| job.metadata.uid.clone());
}

fn state(job: &Job) -> &'static str {
    let has = |type_: &str| job.status.conditions.iter().any(|c| c.type_ == type_ && c.status == "True");
    match () {
        () if has("Complete") => "Complete",
        () if has("Failed") => "Failed",
        () if job.metadata.deletion_timestamp.is_some() => "Terminating",
        () if has("Suspended") => "Suspended",
        () if has("FailureTarget") => "FailureTarget",
        () if has("SuccessCriteriaMet") => "SuccessCriteriaMet",
        () => "Running",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_job_gets_its_selector_from_its_uid() {
        let mut job = Job::default();
        job.metadata.name = "pi".into();
        job.metadata.uid = "u1".into();
        KindStrategy::default(&JobStrategy, &mut job);
        KindStrategy::prepare_create(&JobStrategy, &mut job);
        assert_eq!(
            (job.spec.completions, job.spec.parallelism, job.spec.backoff_limit),
            (Some(1), Some(1), Some(6))
        );
        assert_eq!(job.spec.selector.as_deref().expect("selector").match_labels[UID_LABELS[1]], "u1");
        assert_eq!(job.spec.template.metadata.labels["job-name"], "pi");
        assert_eq!(job.metadata.generation, 1);
        job.spec.template.spec.containers.push(corten_api::core::v1::Container {
            name: "c".into(),
            image: "i".into(),
            image_pull_policy: "Always".into(),
            termination_message_policy: "File".into(),
            ..Default::default()
        });
        let told: Vec<String> =
            KindStrategy::validate(&JobStrategy, &job).iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            ["spec.template.spec.restartPolicy: Required value: valid values: \"OnFailure\", \"Never\""]
        );
        job.spec.template.spec.restart_policy = "Never".into();
        let mut new = job.clone();
        new.spec.completions = Some(2);
        let told = KindStrategy::validate_update(&JobStrategy, &new, &job);
        assert_eq!(told[0].to_string(), "spec.completions: Invalid value: 2: field is immutable");
    }
}
