//! The few kinds that are served in two versions over one storage path.

use std::sync::Arc;

use corten_api::admissionregistration::{v1alpha1, v1beta1};
use corten_api::autoscaling::{v1, v2};
use corten_api::core::v1::{Event, EventSeries};
use corten_api::{Kind, KindInfo, Object, events};

use super::Entry;

/// The entry in another version of its kind, made once and kept beside it.
pub(crate) fn in_version(entry: Arc<Entry>, kind: &'static KindInfo) -> Arc<Entry> {
    if entry.kind() == kind {
        return entry;
    }
    entry.converted(|object| match convert(object.clone_object(), kind) {
        Ok(converted) | Err(converted) => converted.into(),
    })
}

/// The object as `to`; itself when there is no way.
pub(crate) fn convert(
    object: Box<dyn Object>,
    to: &'static KindInfo,
) -> Result<Box<dyn Object>, Box<dyn Object>> {
    if object.info() == to {
        return Ok(object);
    }
    if let Some(event) = object.downcast_ref::<Event>().filter(|_| to == events::v1::Event::INFO) {
        return Ok(Box::new(to_events_v1(event)));
    }
    if let Some(event) = object.downcast_ref::<events::v1::Event>().filter(|_| to == Event::INFO) {
        return Ok(Box::new(to_core_v1(event)));
    }
    if let Some(hpa) = object
        .downcast_ref::<v1::HorizontalPodAutoscaler>()
        .filter(|_| to == v2::HorizontalPodAutoscaler::INFO)
    {
        return Ok(Box::new(to_hpa_v2(hpa)));
    }
    if let Some(hpa) = object
        .downcast_ref::<v2::HorizontalPodAutoscaler>()
        .filter(|_| to == v1::HorizontalPodAutoscaler::INFO)
    {
        return Ok(Box::new(to_hpa_v1(hpa)));
    }
    policy(&*object, to).ok_or(object)
}

/// A policy, or its binding, in its other version: they differ in nothing but a default.
fn policy(object: &dyn Object, to: &'static KindInfo) -> Option<Box<dyn Object>> {
    macro_rules! between {
        ($($from:ident :: $kind:ident => $to:ident),*) => {$(
            if let Some(from) = object.downcast_ref::<$from::$kind>().filter(|_| to == $to::$kind::INFO) {
                let (metadata, spec) = (from.metadata.clone(), from.spec.clone());
                return Some(Box::new($to::$kind { metadata, spec }));
            }
        )*};
    }
    between!(
        v1alpha1::MutatingAdmissionPolicy => v1beta1,
        v1beta1::MutatingAdmissionPolicy => v1alpha1,
        v1beta1::MutatingAdmissionPolicyBinding => v1alpha1
    );
    let from = object.downcast_ref::<v1alpha1::MutatingAdmissionPolicyBinding>();
    let from = from.filter(|_| to == v1beta1::MutatingAdmissionPolicyBinding::INFO)?;
    let (metadata, mut spec) = (from.metadata.clone(), from.spec.clone());
    if let Some(param) = &mut spec.param_ref {
        param.parameter_not_found_action.get_or_insert_with(|| "Deny".into());
    }
    Some(Box::new(v1beta1::MutatingAdmissionPolicyBinding { metadata, spec }))
}

fn to_events_v1(e: &Event) -> events::v1::Event {
    events::v1::Event {
        metadata: e.metadata.clone(),
        event_time: e.event_time,
        series: e.series.as_ref().map(|s| {
            Box::new(events::v1::EventSeries { count: s.count, last_observed_time: s.last_observed_time })
        }),
        reporting_controller: e.reporting_component.clone(),
        reporting_instance: e.reporting_instance.clone(),
        action: e.action.clone(),
        reason: e.reason.clone(),
        regarding: e.involved_object.clone(),
        related: e.related.clone(),
        note: e.message.clone(),
        type_: e.type_.clone(),
        deprecated_source: e.source.clone(),
        deprecated_first_timestamp: e.first_timestamp,
        deprecated_last_timestamp: e.last_timestamp,
        deprecated_count: e.count,
    }
}

fn to_core_v1(e: &events::v1::Event) -> Event {
    Event {
        metadata: e.metadata.clone(),
        involved_object: e.regarding.clone(),
        reason: e.reason.clone(),
        message: e.note.clone(),
        source: e.deprecated_source.clone(),
        first_timestamp: e.deprecated_first_timestamp,
        last_timestamp: e.deprecated_last_timestamp,
        count: e.deprecated_count,
        type_: e.type_.clone(),
        event_time: e.event_time,
        series: e
            .series
            .as_ref()
            .map(|s| Box::new(EventSeries { count: s.count, last_observed_time: s.last_observed_time })),
        action: e.action.clone(),
        related: e.related.clone(),
        reporting_component: e.reporting_controller.clone(),
        reporting_instance: e.reporting_instance.clone(),
    }
}

const CPU: &str = "cpu";

/// The target of v1 becomes a metric.
fn to_hpa_v2(h: &v1::HorizontalPodAutoscaler) -> v2::HorizontalPodAutoscaler {
    let mut out = v2::HorizontalPodAutoscaler { metadata: h.metadata.clone(), ..Default::default() };
    let target = &h.spec.scale_target_ref;
    out.spec.scale_target_ref = v2::CrossVersionObjectReference {
        kind: target.kind.clone(),
        name: target.name.clone(),
        api_version: target.api_version.clone(),
    };
    out.spec.min_replicas = h.spec.min_replicas;
    out.spec.max_replicas = h.spec.max_replicas;
    if let Some(percent) = h.spec.target_cpu_utilization_percentage {
        let target = v2::MetricTarget {
            type_: "Utilization".into(),
            average_utilization: Some(percent),
            ..Default::default()
        };
        let resource = v2::ResourceMetricSource { name: CPU.into(), target };
        out.spec.metrics.push(v2::MetricSpec {
            type_: "Resource".into(),
            resource: Some(Box::new(resource)),
            ..Default::default()
        });
    }
    out.status.observed_generation = h.status.observed_generation;
    out.status.last_scale_time = h.status.last_scale_time;
    out.status.current_replicas = h.status.current_replicas;
    out.status.desired_replicas = h.status.desired_replicas;
    if let Some(percent) = h.status.current_cpu_utilization_percentage {
        let current = v2::MetricValueStatus { average_utilization: Some(percent), ..Default::default() };
        let resource = v2::ResourceMetricStatus { name: CPU.into(), current };
        out.status.current_metrics.push(v2::MetricStatus {
            type_: "Resource".into(),
            resource: Some(Box::new(resource)),
            ..Default::default()
        });
    }
    out
}

/// Of the metrics, v1 shows the utilization of the CPU alone.
fn to_hpa_v1(h: &v2::HorizontalPodAutoscaler) -> v1::HorizontalPodAutoscaler {
    let mut out = v1::HorizontalPodAutoscaler { metadata: h.metadata.clone(), ..Default::default() };
    let target = &h.spec.scale_target_ref;
    out.spec.scale_target_ref = v1::CrossVersionObjectReference {
        kind: target.kind.clone(),
        name: target.name.clone(),
        api_version: target.api_version.clone(),
    };
    out.spec.min_replicas = h.spec.min_replicas;
    out.spec.max_replicas = h.spec.max_replicas;
    let targets = h.spec.metrics.iter().filter_map(|m| m.resource.as_ref());
    out.spec.target_cpu_utilization_percentage =
        targets.filter(|r| r.name == CPU).find_map(|r| r.target.average_utilization);
    out.status.observed_generation = h.status.observed_generation;
    out.status.last_scale_time = h.status.last_scale_time;
    out.status.current_replicas = h.status.current_replicas;
    out.status.desired_replicas = h.status.desired_replicas;
    let currents = h.status.current_metrics.iter().filter_map(|m| m.resource.as_ref());
    out.status.current_cpu_utilization_percentage =
        currents.filter(|r| r.name == CPU).find_map(|r| r.current.average_utilization);
    out
}
