//! Validation of jobs and of templates of jobs.

use super::schedule;
use crate::apps::validate as workload;
use crate::core::pod::validate as pod;
use crate::errors::Errors;
use crate::metadata::{IMMUTABLE, Shown, shown};
use crate::names;
use crate::reflection;
use crate::selectors;
use corten_api::Reflect;
use corten_api::batch::v1::{
    CronJob, Job, JobSpec, PodFailurePolicyOnExitCodesRequirement, PodFailurePolicyRule, SuccessPolicy,
};
use corten_api::selector::Selector;
use corten_semantics::field::FieldError;

const MOST_PARALLEL_INDEXED: i32 = 100_000;
/// The most failed indexes that a job may put up with.
const MOST_FAILED: i32 = 100_000;
/// Beyond so many completions failures of each index are counted for few pods at a time, and few indexes.
const MANY_COMPLETIONS: i32 = 100_000;
const MOST_OF_MANY: i32 = 10_000;
/// The longest list of indexes of a success policy.
const LONGEST_INDEXES: usize = 64 * 1024;
const POLICY_ACTIONS: &[&str] = &["Count", "FailIndex", "FailJob", "Ignore"];

pub(super) fn job(job: &Job) -> Vec<FieldError> {
    let mut errors = Errors::default();
    generated_selector(&mut errors, job);
    whole_spec(&mut errors, &job.spec);
    let last = job.spec.completions.unwrap_or(0) - 1;
    if job.spec.completion_mode.as_deref() == Some("Indexed") && last >= 0 {
        let hostname = format!("{}-{last}", job.metadata.name);
        if !names::dns_label(&hostname).is_empty() {
            let detail = format!("will not able to create pod with invalid DNS label: {hostname}");
            errors.invalid("metadata.name", &job.metadata.name, detail);
        }
    }
    errors.into_vec()
}

/// The labels by which the controller knows the job's pods are not for users to choose.
fn generated_selector(errors: &mut Errors, job: &Job) {
    if job.spec.manual_selector == Some(true) || job.spec.selector.is_none() {
        return;
    }
    let labels = &job.spec.template.metadata.labels;
    for (keys, value) in [(super::UID_LABELS, &job.metadata.uid), (super::NAME_LABELS, &job.metadata.name)] {
        for key in keys {
            let path = format!("spec.template.metadata.labels[{key}]");
            match labels.get(key) {
                None => errors.required(path, &format!("must be '{value}'")),
                Some(has) if has != value => {
                    errors.invalid(path, shown(labels), format!("must be '{value}'"));
                }
                Some(_) => {}
            }
        }
    }
    let own = super::UID_LABELS.map(|key| (key.to_string(), job.metadata.uid.clone()));
    let named = super::NAME_LABELS.map(|key| (key.to_string(), job.metadata.name.clone()));
    let own = own.into_iter().chain(named).collect();
    let selects = Selector::from_label_selector(job.spec.selector.as_deref()).is_ok_and(|s| s.matches(&own));
    if !selects {
        errors.invalid("spec.selector", shown(&job.spec.selector), "`selector` not auto-generated");
    }
}

fn whole_spec(errors: &mut Errors, spec: &JobSpec) {
    spec_of(errors, spec, "spec");
    match &spec.selector {
        None => errors.required("spec.selector", ""),
        Some(selector) => errors.extend(selectors::validate(selector, "spec.selector")),
    }
    workload::selects(errors, spec.selector.as_deref(), &spec.template.metadata.labels);
}

pub(super) fn job_update(new: &Job, old: &Job) -> Vec<FieldError> {
    let mut errors = Errors::default();
    let (n, o) = (&new.spec, &old.spec);
    whole_spec(&mut errors, n);
    let same = |errors: &mut Errors, path: &str, new: &dyn Reflect, old: &dyn Reflect| {
        if !reflection::equal(new, old) {
            errors.invalid(format!("spec.{path}"), shown(new), IMMUTABLE);
        }
    };
    if n.completion_mode.as_deref() != Some("Indexed") {
        same(&mut errors, "completions", &n.completions, &o.completions);
    } else if n.completions != o.completions && n.completions.is_some() && n.completions != n.parallelism {
        let detail = "can only be modified in tandem with spec.parallelism";
        errors.invalid("spec.completions", shown(&n.completions), detail);
    }
    same(&mut errors, "selector", &n.selector, &o.selector);
    let mut kept = o.template.clone();
    if o.suspend == Some(true) && old.status.start_time.is_none() {
        may_move(&mut kept, &n.template);
    }
    same(&mut errors, "template", &n.template, &kept);
    same(&mut errors, "completionMode", &n.completion_mode, &o.completion_mode);
    same(&mut errors, "podFailurePolicy", &n.pod_failure_policy, &o.pod_failure_policy);
    same(&mut errors, "backoffLimitPerIndex", &n.backoff_limit_per_index, &o.backoff_limit_per_index);
    same(&mut errors, "managedBy", &n.managed_by, &o.managed_by);
    same(&mut errors, "successPolicy", &n.success_policy, &o.success_policy);
    errors.into_vec()
}

/// A job that has not started may still be sent elsewhere: takes what decides where it runs.
fn may_move(
    template: &mut corten_api::core::v1::PodTemplateSpec,
    from: &corten_api::core::v1::PodTemplateSpec,
) {
    let node_affinity = from.spec.affinity.as_ref().and_then(|a| a.node_affinity.clone());
    match &mut template.spec.affinity {
        Some(affinity) => affinity.node_affinity = node_affinity,
        None if node_affinity.is_some() => {
            template.spec.affinity.get_or_insert_default().node_affinity = node_affinity;
        }
        None => {}
    }
    let nothing = template.spec.affinity.as_deref() == Some(&Default::default());
    if nothing && from.spec.affinity.is_none() {
        template.spec.affinity = None;
    }
    template.spec.node_selector.clone_from(&from.spec.node_selector);
    template.spec.tolerations.clone_from(&from.spec.tolerations);
    template.spec.scheduling_gates.clone_from(&from.spec.scheduling_gates);
    template.metadata.labels.clone_from(&from.metadata.labels);
    template.metadata.annotations.clone_from(&from.metadata.annotations);
}

fn spec_of(errors: &mut Errors, spec: &JobSpec, path: &str) {
    let at = |field: &str| format!("{path}.{field}");
    for (name, value) in [
        ("parallelism", spec.parallelism.map(i64::from)),
        ("completions", spec.completions.map(i64::from)),
        ("activeDeadlineSeconds", spec.active_deadline_seconds),
        ("backoffLimit", spec.backoff_limit.map(i64::from)),
        ("ttlSecondsAfterFinished", spec.ttl_seconds_after_finished.map(i64::from)),
        ("backoffLimitPerIndex", spec.backoff_limit_per_index.map(i64::from)),
        ("maxFailedIndexes", spec.max_failed_indexes.map(i64::from)),
    ] {
        errors.not_negative(at(name), value.unwrap_or(0));
    }
    if spec.max_failed_indexes.is_some() && spec.backoff_limit_per_index.is_none() {
        errors.required(at("backoffLimitPerIndex"), "when maxFailedIndexes is specified");
    }
    if let Some(manager) = spec.managed_by.as_deref() {
        let at = at("managedBy");
        if manager.split_once('/').is_none_or(|(domain, rest)| domain.is_empty() || rest.is_empty()) {
            errors.invalid(&at, manager, "must be a domain-prefixed path (such as \"acme.io/foo\")");
        }
        if manager.len() > 63 {
            errors.too_long(at, 63);
        }
    }
    let mode = spec.completion_mode.as_deref().unwrap_or("NonIndexed");
    errors.supported(at("completionMode"), mode, &["NonIndexed", "Indexed"]);
    if mode == "Indexed" {
        indexed(errors, spec, path);
    } else {
        for (name, value) in [
            ("backoffLimitPerIndex", spec.backoff_limit_per_index),
            ("maxFailedIndexes", spec.max_failed_indexes),
        ] {
            if let Some(value) = value {
                errors.invalid(at(name), value, "requires indexed completion mode");
            }
        }
        if let Some(policy) = &spec.success_policy {
            errors.invalid(at("successPolicy"), shown(&**policy), "requires indexed completion mode");
        }
    }
    if let Some(policy) = &spec.pod_failure_policy {
        for (i, rule) in policy.rules.iter().enumerate() {
            failure_rule(errors, spec, rule, &at(&format!("podFailurePolicy.rules[{i}]")));
        }
    }
    replacement(errors, spec, at("podReplacementPolicy"));
    pod::template(errors, &spec.template, &at("template"));
    restart_policy(errors, spec, at("template.spec.restartPolicy"));
}

fn indexed(errors: &mut Errors, spec: &JobSpec, path: &str) {
    let at = |field: &str| format!("{path}.{field}");
    if spec.completions.is_none() {
        errors.required(at("completions"), "when completion mode is Indexed");
    }
    if let Some(many) = spec.parallelism.filter(|p| *p > MOST_PARALLEL_INDEXED) {
        let detail =
            format!("must be less than or equal to {MOST_PARALLEL_INDEXED} when completion mode is Indexed");
        errors.invalid(at("parallelism"), many, detail);
    }
    if let (Some(completions), Some(failed)) = (spec.completions, spec.max_failed_indexes)
        && failed > completions
    {
        errors.invalid(at("maxFailedIndexes"), failed, "must be less than or equal to completions");
    }
    if let Some(many) = spec.max_failed_indexes.filter(|failed| *failed > MOST_FAILED) {
        let detail = format!("must be less than or equal to {MOST_FAILED}");
        errors.invalid(at("maxFailedIndexes"), many, detail);
    }
    if spec.backoff_limit_per_index.is_some() && spec.completions.is_some_and(|c| c > MANY_COMPLETIONS) {
        if spec.max_failed_indexes.is_none() {
            let detail = format!("must be specified when completions is above {MANY_COMPLETIONS}");
            errors.required(at("maxFailedIndexes"), &detail);
        }
        for (name, value) in
            [("parallelism", spec.parallelism), ("maxFailedIndexes", spec.max_failed_indexes)]
        {
            if let Some(value) = value.filter(|value| *value > MOST_OF_MANY) {
                let detail = format!(
                    "must be less than or equal to {MOST_OF_MANY} when completions are above {MANY_COMPLETIONS} and used with backoff limit per index"
                );
                errors.invalid(at(name), value, detail);
            }
        }
    }
    if let Some(policy) = &spec.success_policy {
        success(errors, policy, spec, &at("successPolicy"));
    }
}

fn success(errors: &mut Errors, policy: &SuccessPolicy, spec: &JobSpec, path: &str) {
    let at = format!("{path}.rules");
    if policy.rules.is_empty() {
        errors.required(&at, "at least one rules must be specified when the successPolicy is specified");
    }
    if policy.rules.len() > 20 {
        errors.extend([FieldError::too_many(&at, policy.rules.len(), 20)]);
    }
    for (i, rule) in policy.rules.iter().enumerate() {
        let at = format!("{at}[{i}]");
        if rule.succeeded_count.is_none() && rule.succeeded_indexes.is_none() {
            let detail = "at least one of succeededCount or succeededIndexes must be specified";
            errors.required(&at, detail);
        }
        let mut listed = None;
        if let Some(list) = rule.succeeded_indexes.as_deref() {
            let path = format!("{at}.succeededIndexes");
            if list.len() > LONGEST_INDEXES {
                errors.too_long(&path, LONGEST_INDEXES);
            }
            let counted = super::indexes::total(list, spec.completions.unwrap_or(0));
            listed = Some(*counted.as_ref().unwrap_or(&0));
            if let Err(wrong) = counted {
                errors.invalid(path, list, format!("error parsing succeededIndexes: {wrong}"));
            }
        }
        if let Some(count) = rule.succeeded_count {
            let path = format!("{at}.succeededCount");
            errors.not_negative(&path, count);
            if spec.completions.is_some_and(|completions| count > completions) {
                let completions = spec.completions.unwrap_or(0);
                let detail = format!(
                    "must be less than or equal to {completions} (the number of specified completions)"
                );
                errors.invalid(&path, count, detail);
            }
            if let Some(listed) = listed.filter(|listed| i64::from(count) > *listed) {
                let detail = format!(
                    "must be less than or equal to {listed} (the number of indexes in the specified succeededIndexes field)"
                );
                errors.invalid(path, count, detail);
            }
        }
    }
}

fn failure_rule(errors: &mut Errors, spec: &JobSpec, rule: &PodFailurePolicyRule, path: &str) {
    let at = format!("{path}.action");
    match rule.action.as_str() {
        "" => {
            let list: Vec<String> = POLICY_ACTIONS.iter().map(|a| format!("{a:?}")).collect();
            errors.required(at, &format!("valid values: [{}]", list.join(" ")));
        }
        "FailIndex" if spec.backoff_limit_per_index.is_none() => {
            errors.invalid(at, "FailIndex", "requires the backoffLimitPerIndex to be set");
        }
        action => errors.supported(at, action, POLICY_ACTIONS),
    }
    if let Some(codes) = &rule.on_exit_codes {
        exit_codes(errors, spec, codes, &format!("{path}.onExitCodes"));
    }
    for (i, pattern) in rule.on_pod_conditions.iter().enumerate() {
        let at = format!("{path}.onPodConditions[{i}]");
        errors.format(&format!("{at}.type"), &pattern.type_, names::qualified_name);
        errors.one_of(format!("{at}.status"), &pattern.status, &["False", "True", "Unknown"]);
    }
    let nothing = Shown(String::new());
    match (rule.on_exit_codes.is_some(), !rule.on_pod_conditions.is_empty()) {
        (true, true) => {
            let detail = "specifying both OnExitCodes and OnPodConditions is not supported";
            errors.invalid(path, nothing, detail);
        }
        (false, false) => {
            let detail = "specifying one of OnExitCodes and OnPodConditions is required";
            errors.invalid(path, nothing, detail);
        }
        _ => {}
    }
}

fn exit_codes(
    errors: &mut Errors,
    spec: &JobSpec,
    codes: &PodFailurePolicyOnExitCodesRequirement,
    path: &str,
) {
    errors.one_of(format!("{path}.operator"), &codes.operator, &["In", "NotIn"]);
    let template = &spec.template.spec;
    if let Some(name) = &codes.container_name
        && !template.containers.iter().chain(&template.init_containers).any(|c| c.name == *name)
    {
        let detail = "must be one of the container or initContainer names in the pod template";
        errors.invalid(format!("{path}.containerName"), name, detail);
    }
    let at = format!("{path}.values");
    let told = Shown(serde_json::Value::from(codes.values.clone()).to_string());
    if codes.values.is_empty() {
        errors.invalid(&at, &told, "at least one value is required");
    } else if codes.values.len() > 255 {
        errors.extend([FieldError::too_many(&at, codes.values.len(), 255)]);
    }
    for (i, code) in codes.values.iter().enumerate() {
        if codes.operator == "In" && *code == 0 {
            errors.invalid(format!("{at}[{i}]"), 0, "must not be 0 for the In operator");
        }
        if codes.values[..i].contains(code) {
            errors.duplicate(format!("{at}[{i}]"), code);
        }
    }
    if !codes.values.is_sorted() {
        errors.invalid(at, &told, "must be ordered");
    }
}

fn replacement(errors: &mut Errors, spec: &JobSpec, path: String) {
    let Some(policy) = spec.pod_replacement_policy.as_deref() else { return };
    match spec.pod_failure_policy {
        Some(_) => errors.supported(path, policy, &["Failed"]),
        None => errors.supported(path, policy, &["Failed", "TerminatingOrFailed"]),
    }
}

fn restart_policy(errors: &mut Errors, spec: &JobSpec, path: String) {
    match spec.template.spec.restart_policy.as_str() {
        "" | "Always" => errors.required(path, "valid values: \"OnFailure\", \"Never\""),
        "OnFailure" if spec.pod_failure_policy.is_some() => {
            let detail = "only \"Never\" is supported when podFailurePolicy is specified";
            errors.invalid(path, "OnFailure", detail);
        }
        policy => errors.supported(path, policy, &["OnFailure", "Never"]),
    }
}

pub(super) fn cron_job(new: &CronJob, old: Option<&CronJob>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    let spec = &new.spec;
    if spec.schedule.is_empty() {
        errors.required("spec.schedule", "");
    } else {
        if let Err(why) = schedule::check(&spec.schedule) {
            errors.invalid("spec.schedule", &spec.schedule, why);
        }
        let had_zone = old.is_some_and(|o| o.spec.schedule.contains("TZ"));
        if spec.schedule.contains("TZ") && !had_zone {
            let detail = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead";
            errors.invalid("spec.schedule", &spec.schedule, detail);
        } else if spec.schedule.contains("TZ") && spec.time_zone.is_some() {
            let detail = "cannot use both timeZone field and TZ or CRON_TZ in schedule";
            errors.invalid("spec.schedule", &spec.schedule, detail);
        }
    }
    errors.not_negative("spec.startingDeadlineSeconds", spec.starting_deadline_seconds.unwrap_or(0));
    if let Some(zone) =
        spec.time_zone.as_deref().filter(|_| old.is_none_or(|o| o.spec.time_zone != spec.time_zone))
    {
        time_zone(&mut errors, zone);
    }
    let policies = &["Allow", "Forbid", "Replace"];
    errors.one_of("spec.concurrencyPolicy", &spec.concurrency_policy, policies);
    let template = &spec.job_template.spec;
    spec_of(&mut errors, template, "spec.jobTemplate.spec");
    if let Some(selector) = &template.selector {
        let path = "spec.jobTemplate.spec.selector";
        errors.invalid(path, shown(&**selector), "`selector` will be auto-generated");
    }
    if template.manual_selector == Some(true) {
        let path = "spec.jobTemplate.spec.manualSelector";
        errors.extend([FieldError::not_supported(path, true, &["nil", "false"])]);
    }
    errors.not_negative("spec.successfulJobsHistoryLimit", spec.successful_jobs_history_limit.unwrap_or(0));
    errors.not_negative("spec.failedJobsHistoryLimit", spec.failed_jobs_history_limit.unwrap_or(0));
    if old.is_none() && new.metadata.name.len() > 52 {
        errors.invalid("metadata.name", &new.metadata.name, "must be no more than 52 characters");
    }
    errors.into_vec()
}

/// The zone must look like one; whether it exists is for the controller to find.
fn time_zone(errors: &mut Errors, zone: &str) {
    let path = "spec.timeZone";
    if zone.is_empty() {
        errors.invalid(path, zone, "timeZone must be nil or non-empty string");
        return;
    }
    let part = |p: &str| {
        (1..=14).contains(&p.len())
            && !["", ".", ".."].contains(&p)
            && !p.starts_with('-')
            && p.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_+".contains(&b))
    };
    if !zone.split('/').all(part) {
        errors.invalid(path, zone, format!("unknown time zone {zone}"));
    }
    if zone.eq_ignore_ascii_case("local") {
        let detail = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones";
        errors.invalid(path, zone, detail);
    }
}
