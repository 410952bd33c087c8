//! Validation of a job's status. Most rules are asked only where what they are about has changed: others may
//! control a job, and its specification may have changed under the status.

use super::indexes;
use crate::errors::Errors;
use crate::metadata::{IMMUTABLE, Shown, shown};
use crate::reflection;
use corten_api::batch::v1::{Job, JobStatus};
use corten_semantics::field::FieldError;
use std::collections::BTreeSet;

const CONDITIONS: &str = "status.conditions";

/// What is wrong with a new status.
pub(super) fn update(new: &Job, old: &Job) -> Vec<FieldError> {
    let mut errors = Errors::default();
    counters(&mut errors, &new.status);
    uncounted(&mut errors, &new.status);
    let change = Change { new, old };
    change.exclusive_conditions(&mut errors);
    change.times(&mut errors);
    change.required_conditions(&mut errors);
    change.finished(&mut errors);
    change.indexes(&mut errors);
    change.criteria(&mut errors);
    change.taken_back(&mut errors);
    errors.into_vec()
}

fn counters(errors: &mut Errors, status: &JobStatus) {
    for (name, count) in [
        ("active", status.active),
        ("succeeded", status.succeeded),
        ("failed", status.failed),
        ("ready", status.ready.unwrap_or(0)),
        ("terminating", status.terminating.unwrap_or(0)),
    ] {
        errors.not_negative(format!("status.{name}"), count);
    }
}

/// Pods that ended and were not counted yet, each once.
fn uncounted(errors: &mut Errors, status: &JobStatus) {
    let Some(pods) = &status.uncounted_terminated_pods else { return };
    let mut seen = BTreeSet::new();
    for (name, list) in [("succeeded", &pods.succeeded), ("failed", &pods.failed)] {
        for (i, uid) in list.iter().enumerate() {
            let at = format!("status.uncountedTerminatedPods.{name}[{i}]");
            if uid.is_empty() {
                errors.invalid(at, uid, "must not be empty");
            } else if !seen.insert(uid) {
                errors.duplicate(at, uid);
            }
        }
    }
}

fn has(job: &Job, type_: &str, status: &str) -> bool {
    job.status.conditions.iter().any(|c| c.type_ == type_ && c.status == status)
}

fn is(job: &Job, type_: &str) -> bool {
    has(job, type_, "True")
}

fn is_finished(job: &Job) -> bool {
    is(job, "Complete") || is(job, "Failed")
}

/// A wrong set of conditions, which is not shown.
fn wrong(errors: &mut Errors, detail: &str) {
    errors.invalid(CONDITIONS, Shown(String::new()), detail);
}

struct Change<'a> {
    new: &'a Job,
    old: &'a Job,
}

impl Change<'_> {
    /// Whether a condition came or went.
    fn condition(&self, type_: &str) -> bool {
        is(self.new, type_) != is(self.old, type_)
    }

    fn finish(&self) -> bool {
        is_finished(self.new) != is_finished(self.old)
    }

    /// Whether a part of the status changed.
    fn part<T: PartialEq>(&self, part: impl Fn(&JobStatus) -> &T) -> bool {
        part(&self.new.status) != part(&self.old.status)
    }

    fn exclusive_conditions(&self, errors: &mut Errors) {
        let complete = is(self.new, "Complete");
        let asked = self.condition("Complete") || self.condition("Failed");
        if asked && complete && is(self.new, "Failed") {
            wrong(errors, "cannot set Complete=True and Failed=true conditions");
        }
        let asked = self.condition("Complete") || self.condition("FailureTarget");
        if asked && complete && is(self.new, "FailureTarget") {
            wrong(errors, "cannot set Complete=True and FailureTarget=true conditions");
        }
    }

    fn times(&self, errors: &mut Errors) {
        let status = &self.new.status;
        let complete = is(self.new, "Complete");
        let end_changed = self.part(|s| &s.completion_time);
        let path = "status.completionTime";
        if self.condition("Complete") || end_changed {
            match status.completion_time {
                Some(_) if !complete => {
                    let detail = "cannot set completionTime when there is no Complete=True condition";
                    errors.invalid(path, shown(&status.completion_time), detail);
                }
                None if complete => {
                    errors.required(path, "completionTime is required for Complete jobs");
                }
                _ => {}
            }
        }
        if let (Some(start), Some(end)) = (status.start_time, status.completion_time)
            && end.seconds() < start.seconds()
            && (end_changed || self.part(|s| &s.start_time))
        {
            errors.invalid(path, shown(&status.completion_time), "must be equal to or after `startTime`");
        }
    }

    fn required_conditions(&self, errors: &mut Errors) {
        let asked = self.condition("Failed") || self.part(|s| &s.failed_indexes);
        if asked && is(self.new, "Failed") && !is(self.new, "FailureTarget") {
            wrong(errors, "cannot set Failed=True condition without the FailureTarget=true condition");
        }
        let asked = self.condition("Complete") || self.condition("SuccessCriteriaMet");
        if asked && is(self.new, "Complete") && !is(self.new, "SuccessCriteriaMet") {
            wrong(errors, "cannot set Complete=True condition without the SuccessCriteriaMet=true condition");
        }
    }

    /// What a finished job no longer has, and must have.
    fn finished(&self, errors: &mut Errors) {
        let (spec, status) = (&self.new.spec, &self.new.status);
        let finished = is_finished(self.new);
        if finished && status.active > 0 && (self.finish() || self.part(|s| &s.active)) {
            errors.invalid("status.active", status.active, "active>0 is invalid for finished job");
        }
        let nothing_to_do = spec.suspend == Some(true) && spec.completions == Some(0);
        let asked = (self.finish() || self.part(|s| &s.start_time)) && !nothing_to_do;
        if asked && finished && status.start_time.is_none() {
            errors.required("status.startTime", "startTime is required for finished job");
        }
        let pods = status.uncounted_terminated_pods.as_deref();
        if let Some(pods) = pods.filter(|pods| !pods.succeeded.is_empty() || !pods.failed.is_empty())
            && finished
            && (self.finish() || self.part(|s| &s.uncounted_terminated_pods))
        {
            let path = "status.uncountedTerminatedPods";
            errors.invalid(path, shown(pods), "must be empty for finished job");
        }
        let ending = status.terminating.unwrap_or(0);
        if finished && ending > 0 && (self.finish() || self.part(|s| &s.terminating)) {
            errors.invalid("status.terminating", ending, "terminating>0 is invalid for finished job");
        }
        if let Some(ready) = status.ready.filter(|ready| *ready > status.active)
            && (self.part(|s| &s.ready) || self.part(|s| &s.active))
        {
            errors.invalid("status.ready", ready, "cannot set more ready pods than active");
        }
    }

    fn indexes(&self, errors: &mut Errors) {
        let (spec, status) = (&self.new.spec, &self.new.status);
        let (completed, failed) = (&status.completed_indexes, status.failed_indexes.as_deref());
        let (completed_path, failed_path) = ("status.completedIndexes", "status.failedIndexes");
        let completed_changed = self.part(|s| &s.completed_indexes);
        let failed_changed = self.part(|s| &s.failed_indexes);
        if let (true, Some(count)) = (completed_changed, spec.completions)
            && let Some(why) = indexes::wrong(completed, count)
        {
            errors.invalid(completed_path, completed, format!("error parsing completedIndexes: {why}"));
        }
        if let (true, Some(count), Some(_), Some(failed)) =
            (failed_changed, spec.completions, spec.backoff_limit_per_index, failed)
            && let Some(why) = indexes::wrong(failed, count)
        {
            errors.invalid(failed_path, failed, format!("error parsing failedIndexes: {why}"));
        }
        if completed_changed && !completed.is_empty() && spec.completion_mode.as_deref() != Some("Indexed") {
            let detail = "cannot set non-empty completedIndexes when non-indexed completion mode";
            errors.invalid(completed_path, completed, detail);
        }
        let Some(failed) = failed else { return };
        if failed_changed && spec.backoff_limit_per_index.is_none() {
            let detail = "cannot set non-null failedIndexes when backoffLimitPerIndex is null";
            errors.invalid(failed_path, failed, detail);
        }
        if let (true, Some(count)) = (failed_changed || completed_changed, spec.completions)
            && let Some(index) = indexes::common(completed, failed, count)
        {
            let detail = format!("failedIndexes and completedIndexes overlap at index: {index}");
            errors.invalid(failed_path, failed, detail);
        }
    }

    /// The condition that a job has succeeded before all of its pods ended.
    fn criteria(&self, errors: &mut Errors) {
        let met = is(self.new, "SuccessCriteriaMet");
        for other in ["Failed", "FailureTarget"] {
            if met && is(self.new, other) {
                wrong(errors, &format!("cannot set SuccessCriteriaMet=True and {other}=true conditions"));
            }
        }
        if self.new.spec.success_policy.is_some() && !met && is(self.new, "Complete") {
            wrong(
                errors,
                "cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True",
            );
        }
    }

    /// What never goes back.
    fn taken_back(&self, errors: &mut Errors) {
        let (spec, status, before) = (&self.new.spec, &self.new.status, &self.old.status);
        for type_ in ["Failed", "Complete", "FailureTarget"] {
            if is(self.old, type_) && !is(self.new, type_) {
                wrong(errors, &format!("cannot disable the terminal {type_}=True condition"));
            }
        }
        if status.failed < before.failed {
            errors.invalid("status.failed", status.failed, "cannot decrease the failed counter");
        }
        // Indexed jobs shrink by their completions.
        let elastic =
            spec.completion_mode.as_deref() == Some("Indexed") && spec.completions == spec.parallelism;
        if !elastic && status.succeeded < before.succeeded {
            errors.invalid("status.succeeded", status.succeeded, "cannot decrease the succeeded counter");
        }
        if let (Some(now), Some(then)) = (&status.completion_time, &before.completion_time)
            && !reflection::equal(now, then)
        {
            errors.invalid("status.completionTime", shown(now), IMMUTABLE);
        }
        let resuming = is(self.old, "Suspended") && has(self.new, "Suspended", "False");
        if before.start_time.is_some()
            && status.start_time != before.start_time
            && spec.suspend != Some(true)
            && !resuming
        {
            errors.required("status.startTime", "startTime cannot be removed for unsuspended job");
        }
        let (meets, met) = (is(self.new, "SuccessCriteriaMet"), is(self.old, "SuccessCriteriaMet"));
        if met && !meets {
            wrong(errors, "cannot disable the SuccessCriteriaMet=True condition");
        }
        if is(self.old, "Complete") && !met && meets {
            wrong(errors, "cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::Time;
    use corten_api::batch::v1::{JobCondition, UncountedTerminatedPods};

    /// A change, and what is said of it.
    type Case = (fn(&mut Job), &'static str);

    fn time(seconds: i64) -> Option<Time> {
        jiff::Timestamp::from_second(seconds).ok().map(Time::new)
    }

    fn set(job: &mut Job, type_: &str) {
        let condition =
            JobCondition { type_: type_.into(), status: "True".into(), ..JobCondition::default() };
        job.status.conditions.push(condition);
    }

    fn running() -> Job {
        let mut job = Job::default();
        job.spec.completion_mode = Some("Indexed".into());
        job.spec.completions = Some(5);
        job.spec.parallelism = Some(2);
        job.spec.backoff_limit_per_index = Some(1);
        job.status.start_time = time(10);
        job.status.active = 1;
        job.status.succeeded = 1;
        job
    }

    fn finished() -> Job {
        let mut job = running();
        job.status.active = 0;
        job.status.completion_time = time(20);
        set(&mut job, "SuccessCriteriaMet");
        set(&mut job, "Complete");
        job
    }

    #[test]
    fn statuses_follow_one_another_as_upstreams() {
        let fine: [String; 0] = [];
        let told = |new: &Job, old: &Job| -> Vec<String> {
            update(new, old).iter().map(ToString::to_string).collect()
        };
        assert_eq!(told(&finished(), &running()), fine);
        let cases: &[Case] = &[
            (
                |j| j.status.active = 1,
                "status.active: Invalid value: 1: active>0 is invalid for finished job",
            ),
            (
                |j| j.status.start_time = None,
                "status.startTime: Required value: startTime is required for finished job",
            ),
            (
                |j| j.status.completion_time = None,
                "status.completionTime: Required value: completionTime is required for Complete jobs",
            ),
            (
                |j| j.status.completion_time = time(5),
                "status.completionTime: Invalid value: \"1970-01-01T00:00:05Z\": must be equal to or after `startTime`",
            ),
            (
                |j| drop(j.status.conditions.remove(0)),
                "status.conditions: Invalid value: cannot set Complete=True condition without the SuccessCriteriaMet=true condition",
            ),
            (
                |j| {
                    let pods = UncountedTerminatedPods { succeeded: vec!["a".into()], failed: Vec::new() };
                    j.status.uncounted_terminated_pods = Some(Box::new(pods));
                },
                "status.uncountedTerminatedPods: Invalid value: {\"succeeded\":[\"a\"]}: must be empty for finished job",
            ),
            (
                |j| j.status.completed_indexes = "1,7".into(),
                "status.completedIndexes: Invalid value: \"1,7\": error parsing completedIndexes: too large index: \"7\"",
            ),
            (
                |j| {
                    j.status.completed_indexes = "0,2-4".into();
                    j.status.failed_indexes = Some("1,3".into());
                },
                "status.failedIndexes: Invalid value: \"1,3\": failedIndexes and completedIndexes overlap at index: 3",
            ),
            (
                |j| j.status.succeeded = 0,
                "status.succeeded: Invalid value: 0: cannot decrease the succeeded counter",
            ),
        ];
        for (change, want) in cases {
            let mut job = finished();
            change(&mut job);
            let got = told(&job, &running());
            assert!(got.contains(&(*want).to_string()), "{want}: {got:?}");
        }
        // What did not change is not judged again.
        let mut scaled = finished();
        scaled.status.completed_indexes = "4".into();
        let mut old = scaled.clone();
        scaled.spec.completions = Some(2);
        old.spec.completions = Some(2);
        assert_eq!(told(&scaled, &old), fine);
        assert_eq!(
            told(&running(), &finished())[..2],
            [
                "status.conditions: Invalid value: cannot disable the terminal Complete=True condition",
                "status.conditions: Invalid value: cannot disable the SuccessCriteriaMet=True condition"
            ]
        );
    }
}
