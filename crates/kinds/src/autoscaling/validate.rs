//! Validation of HorizontalPodAutoscalers.

use crate::errors::Errors;
use crate::names;
use corten_api::autoscaling::v2::{
    HPAScalingRules, HorizontalPodAutoscalerSpec, MetricIdentifier, MetricSpec, MetricTarget,
};

const SOURCES: &[&str] = &["ContainerResource", "External", "Object", "Pods", "Resource"];

/// The longest window and the longest period, in seconds.
const LONGEST_WINDOW: i32 = 3600;
const LONGEST_PERIOD: i32 = 1800;

/// The bounds, and what is scaled.
pub(super) fn bounds(errors: &mut Errors, least: Option<i32>, most: i32) {
    if let Some(least) = least.filter(|n| *n < 1) {
        errors.invalid("spec.minReplicas", least, "must be greater than or equal to 1");
    }
    if most < 1 {
        errors.invalid("spec.maxReplicas", most, "must be greater than 0");
    }
    if least.is_some_and(|least| most < least) {
        errors.invalid("spec.maxReplicas", most, "must be greater than or equal to `minReplicas`");
    }
}

/// What is scaled, or measured: kind, name and version. `version` says whether it must be of a group; without it
/// the version is not looked at.
pub(super) fn reference(errors: &mut Errors, path: &str, parts: [&str; 3], version: Option<Group>) {
    let [kind, name, api_version] = parts;
    for (field, value) in [("kind", kind), ("name", name)] {
        let path = format!("{path}.{field}");
        if value.is_empty() {
            errors.required(path, "");
        } else {
            errors.format(&path, value, |text| names::path_segment(text, false));
        }
    }
    let Some(wanted) = version else { return };
    let at = format!("{path}.apiVersion");
    match api_version.matches('/').count() {
        0 | 1 if wanted == Group::Any => {}
        0 => errors.invalid(at, api_version, NO_GROUP),
        1 if api_version.starts_with('/') => errors.invalid(at, api_version, NO_GROUP),
        1 => {}
        _ => errors.invalid(at, api_version, format!("unexpected GroupVersion string: {api_version}")),
    }
}

/// Which versions a reference may name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Group {
    /// Those of a group that has a name.
    Named,
    /// The core group's, too.
    Any,
}

const NO_GROUP: &str = "apiVersion must specify API group";

/// What is asked of a scaled object's version: nothing if it was so before, and only one kind of the core group scales.
pub(super) fn wanted_group(kind: &str, unchanged: bool) -> Option<Group> {
    match kind {
        _ if unchanged => None,
        "ReplicationController" => Some(Group::Any),
        _ => Some(Group::Named),
    }
}

/// Metrics and behaviour.
pub(super) fn spec(
    errors: &mut Errors,
    spec: &HorizontalPodAutoscalerSpec,
    old: Option<&HorizontalPodAutoscalerSpec>,
) {
    let target = &spec.scale_target_ref;
    bounds(errors, spec.min_replicas, spec.max_replicas);
    let unchanged = old.is_some_and(|old| {
        let old = &old.scale_target_ref;
        (&old.kind, &old.api_version) == (&target.kind, &target.api_version)
    });
    let group = wanted_group(&target.kind, unchanged);
    reference(errors, "spec.scaleTargetRef", [&target.kind, &target.name, &target.api_version], group);
    for (i, one) in spec.metrics.iter().enumerate() {
        metric(errors, one, &format!("spec.metrics[{i}]"));
    }
    if let Some(behavior) = &spec.behavior {
        for (name, rules) in [("scaleUp", &behavior.scale_up), ("scaleDown", &behavior.scale_down)] {
            if let Some(rules) = rules {
                scaling(errors, rules, &format!("spec.behavior.{name}"));
            }
        }
    }
}

fn scaling(errors: &mut Errors, rules: &HPAScalingRules, path: &str) {
    if let Some(seconds) = rules.stabilization_window_seconds {
        let at = format!("{path}.stabilizationWindowSeconds");
        if seconds < 0 {
            errors.invalid(at, seconds, "must be greater than or equal to zero");
        } else if seconds > LONGEST_WINDOW {
            errors.invalid(at, seconds, format!("must be less than or equal to {LONGEST_WINDOW}"));
        }
    }
    if let Some(policy) = &rules.select_policy {
        errors.supported(format!("{path}.selectPolicy"), policy, &["Disabled", "Max", "Min"]);
    }
    if rules.policies.is_empty() {
        errors.required(format!("{path}.policies"), "must specify at least one Policy");
    }
    for (i, policy) in rules.policies.iter().enumerate() {
        let at = |field: &str| format!("{path}.policies[{i}].{field}");
        errors.supported(at("type"), &policy.type_, &["Percent", "Pods"]);
        for (name, value) in [("value", policy.value), ("periodSeconds", policy.period_seconds)] {
            if value <= 0 {
                errors.invalid(at(name), value, "must be greater than zero");
            }
        }
        if policy.period_seconds > LONGEST_PERIOD {
            let detail = format!("must be less than or equal to {LONGEST_PERIOD}");
            errors.invalid(at("periodSeconds"), policy.period_seconds, detail);
        }
    }
    if rules.tolerance.is_some_and(|t| t.is_negative()) {
        let told = rules.tolerance.unwrap_or_default().to_string();
        errors.invalid(format!("{path}.tolerance"), told, crate::metadata::NOT_NEGATIVE);
    }
}

fn metric(errors: &mut Errors, metric: &MetricSpec, path: &str) {
    let at = format!("{path}.type");
    if metric.type_.is_empty() {
        errors.required(at, "must specify a metric source type");
        return;
    }
    errors.supported(at, &metric.type_, SOURCES);
    for (kind, field, set) in [
        ("Object", "object", metric.object.is_some()),
        ("External", "external", metric.external.is_some()),
        ("Pods", "pods", metric.pods.is_some()),
        ("Resource", "resource", metric.resource.is_some()),
        ("ContainerResource", "containerResource", metric.container_resource.is_some()),
    ] {
        let at = format!("{path}.{field}");
        match (metric.type_ == kind, set) {
            (true, false) => {
                errors.required(at, "must populate information for the given metric source");
            }
            (false, true) => errors.forbidden(at, "must populate the given metric source only"),
            _ => {}
        }
    }
    sources(errors, metric, path);
}

fn sources(errors: &mut Errors, metric: &MetricSpec, path: &str) {
    if let Some(source) = &metric.resource {
        let at = format!("{path}.resource");
        if source.name.is_empty() {
            errors.required(format!("{at}.name"), "must specify a resource name");
        }
        target(errors, &source.target, &at);
        raw_or_utilization(errors, &source.target, &at);
    }
    if let Some(source) = &metric.container_resource {
        let at = format!("{path}.containerResource");
        if source.name.is_empty() {
            errors.required(format!("{at}.name"), "must specify a resource name");
        }
        if source.container.is_empty() {
            errors.required(format!("{at}.container"), "must specify a container");
        }
        target(errors, &source.target, &at);
        raw_or_utilization(errors, &source.target, &at);
    }
    if let Some(source) = &metric.pods {
        let at = format!("{path}.pods");
        identifier(errors, &source.metric, &at);
        target(errors, &source.target, &at);
        if source.target.average_value.is_none() {
            let detail = "must specify a positive target averageValue";
            errors.required(format!("{at}.target.averageValue"), detail);
        }
    }
    let object = metric.object.as_ref().map(|s| ("object", &s.metric, &s.target));
    let external = metric.external.as_ref().map(|s| ("external", &s.metric, &s.target));
    for (name, metric, wanted) in object.into_iter().chain(external) {
        let at = format!("{path}.{name}");
        identifier(errors, metric, &at);
        target(errors, wanted, &at);
        if name == "external" && wanted.value.is_some() && wanted.average_value.is_some() {
            let detail = "may not set both a target value for metric and a per-pod target";
            errors.forbidden(format!("{at}.target.value"), detail);
        }
        if wanted.value.is_none() && wanted.average_value.is_none() {
            let detail = if name == "object" {
                "must set either a target value or averageValue"
            } else {
                "must set either a target value for metric or a per-pod target"
            };
            errors.required(format!("{at}.target.averageValue"), detail);
        }
    }
}

fn raw_or_utilization(errors: &mut Errors, target: &MetricTarget, path: &str) {
    match (target.average_utilization, target.average_value) {
        (None, None) => errors.required(
            format!("{path}.target.averageUtilization"),
            "must set either a target raw value or a target utilization",
        ),
        (Some(_), Some(_)) => errors.forbidden(
            format!("{path}.target.averageValue"),
            "may not set both a target raw value and a target utilization",
        ),
        _ => {}
    }
}

fn identifier(errors: &mut Errors, metric: &MetricIdentifier, path: &str) {
    let at = format!("{path}.metric.name");
    if metric.name.is_empty() {
        errors.required(at, "must specify a metric name");
    } else {
        errors.format(&at, &metric.name, |text| names::path_segment(text, false));
    }
}

fn target(errors: &mut Errors, target: &MetricTarget, path: &str) {
    let at = |field: &str| format!("{path}.target.{field}");
    if target.type_.is_empty() {
        errors.required(at("type"), "must specify a metric target type");
    }
    if !["Utilization", "Value", "AverageValue"].contains(&target.type_.as_str()) {
        let detail = "must be either Utilization, Value, or AverageValue";
        errors.invalid(at("type"), &target.type_, detail);
    }
    for (name, amount) in [("value", target.value), ("averageValue", target.average_value)] {
        if let Some(amount) = amount.filter(|a| a.is_zero() || a.is_negative()) {
            errors.invalid(at(name), amount.to_string(), "must be positive");
        }
    }
    if let Some(percent) = target.average_utilization.filter(|p| *p < 1) {
        errors.invalid(at("averageUtilization"), percent, "must be greater than 0");
    }
}
