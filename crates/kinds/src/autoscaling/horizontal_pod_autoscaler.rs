//! HorizontalPodAutoscalers, in both versions.

use super::validate;
use crate::columns::{self, AGE, Column, NAME, row};
use crate::core::pod::defaults::text;
use crate::errors::Errors;
use crate::strategy::KindStrategy;
use corten_api::Quantity;
use corten_api::autoscaling::v1;
use corten_api::autoscaling::v2::{
    HPAScalingPolicy, HPAScalingRules, HorizontalPodAutoscaler, MetricSpec, MetricStatus, MetricTarget,
    MetricValueStatus, ResourceMetricSource,
};
use corten_semantics::field::FieldError;
use jiff::Timestamp;
use serde_json::Value;

/// HorizontalPodAutoscalers of `autoscaling/v2`.
pub struct HorizontalPodAutoscalerStrategy;

/// HorizontalPodAutoscalers of `autoscaling/v1`.
pub struct HorizontalPodAutoscalerV1Strategy;

const COLUMNS: &[Column] = &[
    NAME,
    Column::text("Reference"),
    Column::text("Targets"),
    Column::text("MinPods"),
    Column::text("MaxPods"),
    Column::text("Replicas"),
    AGE,
];

impl KindStrategy for HorizontalPodAutoscalerV1Strategy {
    type Kind = v1::HorizontalPodAutoscaler;
    const COLUMNS: &'static [Column] = COLUMNS;

    fn default(&self, hpa: &mut v1::HorizontalPodAutoscaler) {
        hpa.spec.min_replicas.get_or_insert(1);
    }

    fn validate(&self, hpa: &v1::HorizontalPodAutoscaler) -> Vec<FieldError> {
        validate_v1(&hpa.spec, None)
    }

    fn validate_update(
        &self,
        new: &v1::HorizontalPodAutoscaler,
        old: &v1::HorizontalPodAutoscaler,
    ) -> Vec<FieldError> {
        validate_v1(&new.spec, Some(&old.spec))
    }

    fn row(&self, hpa: &v1::HorizontalPodAutoscaler, now: Timestamp) -> Vec<Value> {
        let percent = |n: Option<i32>, none: &str| n.map_or(none.to_string(), |n| format!("{n}%"));
        let current = percent(hpa.status.current_cpu_utilization_percentage, "<unknown>");
        let target = percent(hpa.spec.target_cpu_utilization_percentage, "80%");
        row![
            hpa.metadata.name.as_str(),
            format!("{}/{}", hpa.spec.scale_target_ref.kind, hpa.spec.scale_target_ref.name),
            format!("cpu: {current}/{target}"),
            hpa.spec.min_replicas.map_or("<unset>".to_string(), |n| n.to_string()),
            hpa.spec.max_replicas,
            hpa.status.current_replicas,
            columns::age(hpa.metadata.creation_timestamp, now),
        ]
    }
}

impl KindStrategy for HorizontalPodAutoscalerStrategy {
    type Kind = HorizontalPodAutoscaler;
    const COLUMNS: &'static [Column] = COLUMNS;

    fn default(&self, hpa: &mut HorizontalPodAutoscaler) {
        let spec = &mut hpa.spec;
        spec.min_replicas.get_or_insert(1);
        if spec.metrics.is_empty() {
            spec.metrics.push(usual_metric());
        }
        if let Some(behavior) = &mut spec.behavior {
            fill_rules(behavior.scale_up.get_or_insert_default(), Some(0), &[("Pods", 4), ("Percent", 100)]);
            fill_rules(behavior.scale_down.get_or_insert_default(), None, &[("Percent", 100)]);
        }
    }

    fn validate(&self, hpa: &HorizontalPodAutoscaler) -> Vec<FieldError> {
        let mut errors = Errors::default();
        validate::spec(&mut errors, &hpa.spec, None);
        errors.into_vec()
    }

    fn validate_update(
        &self,
        new: &HorizontalPodAutoscaler,
        old: &HorizontalPodAutoscaler,
    ) -> Vec<FieldError> {
        let mut errors = Errors::default();
        validate::spec(&mut errors, &new.spec, Some(&old.spec));
        errors.into_vec()
    }

    fn validate_status_update(
        &self,
        new: &HorizontalPodAutoscaler,
        _old: &HorizontalPodAutoscaler,
    ) -> Vec<FieldError> {
        let mut errors = Errors::default();
        errors.not_negative("status.currentReplicas", new.status.current_replicas);
        errors.not_negative("status.desiredReplicas", new.status.desired_replicas);
        errors.into_vec()
    }

    fn row(&self, hpa: &HorizontalPodAutoscaler, now: Timestamp) -> Vec<Value> {
        row![
            hpa.metadata.name.as_str(),
            format!("{}/{}", hpa.spec.scale_target_ref.kind, hpa.spec.scale_target_ref.name),
            metrics(&hpa.spec.metrics, &hpa.status.current_metrics),
            hpa.spec.min_replicas.map_or("<unset>".to_string(), |n| n.to_string()),
            hpa.spec.max_replicas,
            hpa.status.current_replicas,
            columns::age(hpa.metadata.creation_timestamp, now),
        ]
    }
}

fn validate_v1(
    spec: &v1::HorizontalPodAutoscalerSpec,
    old: Option<&v1::HorizontalPodAutoscalerSpec>,
) -> Vec<FieldError> {
    let mut errors = Errors::default();
    let target = &spec.scale_target_ref;
    validate::bounds(&mut errors, spec.min_replicas, spec.max_replicas);
    let unchanged = old.is_some_and(|old| {
        let old = &old.scale_target_ref;
        (&old.kind, &old.api_version) == (&target.kind, &target.api_version)
    });
    let group = validate::wanted_group(&target.kind, unchanged);
    let parts = [target.kind.as_str(), &target.name, &target.api_version];
    validate::reference(&mut errors, "spec.scaleTargetRef", parts, group);
    if let Some(percent) = spec.target_cpu_utilization_percentage.filter(|p| *p < 1) {
        // Errors name fields as the newer version does.
        let at = "spec.metrics[0].resource.target.averageUtilization";
        errors.invalid(at, percent, "must be greater than 0");
    }
    errors.into_vec()
}

/// 80 % of the cpu asked for.
fn usual_metric() -> MetricSpec {
    MetricSpec {
        type_: "Resource".into(),
        resource: Some(Box::new(ResourceMetricSource {
            name: "cpu".into(),
            target: MetricTarget {
                type_: "Utilization".into(),
                average_utilization: Some(80),
                ..MetricTarget::default()
            },
        })),
        ..MetricSpec::default()
    }
}

fn fill_rules(rules: &mut HPAScalingRules, window: Option<i32>, policies: &[(&str, i32)]) {
    if rules.stabilization_window_seconds.is_none() {
        rules.stabilization_window_seconds = window;
    }
    text(rules.select_policy.get_or_insert_default(), "Max");
    if rules.policies.is_empty() {
        let policy = |(type_, value): &(&str, i32)| HPAScalingPolicy {
            type_: type_.to_string(),
            value: *value,
            period_seconds: 15,
        };
        rules.policies = policies.iter().map(policy).collect();
    }
}

fn metrics(specs: &[MetricSpec], statuses: &[MetricStatus]) -> String {
    if specs.is_empty() {
        return "<none>".into();
    }
    let shown: Vec<String> =
        specs.iter().take(2).enumerate().map(|(i, spec)| metric(spec, statuses.get(i))).collect();
    match specs.len() {
        0..=2 => shown.join(", "),
        n => format!("{} + {} more...", shown.join(", "), n - 2),
    }
}

fn metric(spec: &MetricSpec, status: Option<&MetricStatus>) -> String {
    if let Some(source) = &spec.resource {
        let current = status.and_then(|s| s.resource.as_ref()).map(|r| &r.current);
        return format!("{}: {}", source.name, resource(&source.target, current));
    }
    if let Some(source) = &spec.container_resource {
        let current = status.and_then(|s| s.container_resource.as_ref()).map(|r| &r.current);
        return format!("{}: {}", source.name, resource(&source.target, current));
    }
    if let Some(source) = &spec.pods {
        let current = status.and_then(|s| s.pods.as_ref()).and_then(|p| p.current.average_value);
        return format!("{}/{}", amount(current), amount(source.target.average_value));
    }
    let (target, current) = match (&spec.object, &spec.external) {
        (Some(source), _) => (&source.target, status.and_then(|s| s.object.as_ref()).map(|o| &o.current)),
        (None, Some(source)) => {
            (&source.target, status.and_then(|s| s.external.as_ref()).map(|e| &e.current))
        }
        (None, None) => return "<unknown type>".into(),
    };
    match target.average_value {
        Some(wanted) => format!("{}/{wanted} (avg)", amount(current.and_then(|c| c.average_value))),
        None => format!("{}/{}", amount(current.and_then(|c| c.value)), amount(target.value)),
    }
}

fn amount(value: Option<Quantity>) -> String {
    value.map_or("<unknown>".into(), |v| v.to_string())
}

fn resource(target: &MetricTarget, current: Option<&MetricValueStatus>) -> String {
    if let Some(wanted) = target.average_value {
        return format!("{}/{wanted}", amount(current.and_then(|c| c.average_value)));
    }
    let percent = |n: Option<i32>, none: &str| n.map_or(none.to_string(), |n| format!("{n}%"));
    let now = percent(current.and_then(|c| c.average_utilization), "<unknown>");
    format!("{now}/{}", percent(target.average_utilization, "<auto>"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_autoscaler_watches_the_cpu_unless_told_otherwise() {
        let mut hpa = HorizontalPodAutoscaler::default();
        hpa.spec.behavior = Some(Box::default());
        KindStrategy::default(&HorizontalPodAutoscalerStrategy, &mut hpa);
        assert_eq!(metrics(&hpa.spec.metrics, &[]), "cpu: <unknown>/80%");
        let behavior = hpa.spec.behavior.as_deref().expect("behavior");
        let up = behavior.scale_up.as_deref().expect("up");
        assert_eq!((up.stabilization_window_seconds, up.policies.len()), (Some(0), 2));
        let down = behavior.scale_down.as_deref().expect("down");
        assert_eq!((down.stabilization_window_seconds, down.policies[0].value), (None, 100));
    }
}
