//! Events, and how they are the core group's events.

use crate::columns::Column;
use crate::core::{self, CORE};
use crate::errors::Errors;
use crate::metadata::{IMMUTABLE, shown};
use crate::reflection;
use crate::rules::Rules;
use crate::strategy::KindStrategy;
use corten_api::core::v1 as core_v1;
use corten_api::events::v1::{Event, EventSeries};
use corten_api::{Object, Struct};
use corten_semantics::field::FieldError;
use jiff::Timestamp;
use serde_json::Value;
use std::borrow::Cow;

/// Events of `events.k8s.io`.
pub struct EventStrategy;

impl KindStrategy for EventStrategy {
    type Kind = Event;
    const RULES: Rules = Rules { create_on_update: true, ..CORE };
    const COLUMNS: &'static [Column] = core::EVENT_COLUMNS;
    const FIELD_LABELS: &'static [&'static str] = &[
        "regarding.kind",
        "regarding.namespace",
        "regarding.name",
        "regarding.uid",
        "regarding.apiVersion",
        "regarding.resourceVersion",
        "regarding.fieldPath",
        "reason",
        "reportingController",
        "type",
    ];

    fn validate(&self, event: &Event) -> Vec<FieldError> {
        let mut errors = Errors::default();
        core::validate_event(&mut errors, &to_core(event), "reportingController");
        series(&mut errors, event);
        if event.event_time.is_none() {
            errors.required("eventTime", "");
        }
        if event.type_ != "Normal" && event.type_ != "Warning" {
            errors.invalid("type", "", format!("has invalid value: {}", event.type_));
        }
        for (name, set) in [
            ("firstTimestamp", event.deprecated_first_timestamp.is_some()),
            ("lastTimestamp", event.deprecated_last_timestamp.is_some()),
            ("count", event.deprecated_count != 0),
            ("source", event.deprecated_source != Default::default()),
        ] {
            if set {
                errors.invalid(name, "", "needs to be unset");
            }
        }
        errors.into_vec()
    }

    /// Only the series of an event goes on.
    fn validate_update(&self, new: &Event, old: &Event) -> Vec<FieldError> {
        let mut errors = Errors::default();
        core::validate_event(&mut errors, &to_core(new), "reportingController");
        if new.series != old.series {
            series(&mut errors, new);
        }
        for (n, field) in new.schema().fields.iter().enumerate() {
            let goes_on = field.name == "metadata" || field.name == "series";
            if !goes_on && !reflection::equal(new.field(n), old.field(n)) {
                errors.invalid(core_name(field.name), shown(new.field(n)), IMMUTABLE);
            }
        }
        errors.into_vec()
    }

    fn of_stored(&self, obj: &dyn Object) -> Option<Event> {
        obj.downcast_ref().map(from_core)
    }

    fn row(&self, event: &Event, now: Timestamp) -> Vec<Value> {
        KindStrategy::row(&core::EventStrategy, &to_core(event), now)
    }

    fn selectable_field<'a>(&self, event: &'a Event, label: &str) -> Cow<'a, str> {
        let about = &event.regarding;
        let field = match label {
            "regarding.kind" => &about.kind,
            "regarding.namespace" => &about.namespace,
            "regarding.name" => &about.name,
            "regarding.uid" => &about.uid,
            "regarding.apiVersion" => &about.api_version,
            "regarding.resourceVersion" => &about.resource_version,
            "regarding.fieldPath" => &about.field_path,
            "reason" => &event.reason,
            "reportingController" => &event.reporting_controller,
            "type" => &event.type_,
            _ => return "".into(),
        };
        field.as_str().into()
    }
}

/// Errors name fields as the core group does.
fn core_name(name: &str) -> &str {
    match name {
        "regarding" => "involvedObject",
        "note" => "message",
        "deprecatedSource" => "source",
        "deprecatedFirstTimestamp" => "firstTimestamp",
        "deprecatedLastTimestamp" => "lastTimestamp",
        "deprecatedCount" => "count",
        other => other,
    }
}

fn series(errors: &mut Errors, event: &Event) {
    let Some(series) = &event.series else { return };
    if series.count < 2 {
        errors.invalid("series.count", "", "should be at least 2");
    }
    if series.last_observed_time.is_none() {
        errors.required("series.lastObservedTime", "");
    }
}

/// The same event in the core group, in which both are stored.
pub fn to_core(event: &Event) -> core_v1::Event {
    let e = event.clone();
    core_v1::Event {
        metadata: e.metadata,
        involved_object: e.regarding,
        reason: e.reason,
        message: e.note,
        source: e.deprecated_source,
        first_timestamp: e.deprecated_first_timestamp,
        last_timestamp: e.deprecated_last_timestamp,
        count: e.deprecated_count,
        type_: e.type_,
        event_time: e.event_time,
        series: e.series.map(|s| {
            Box::new(core_v1::EventSeries { count: s.count, last_observed_time: s.last_observed_time })
        }),
        action: e.action,
        related: e.related,
        reporting_component: e.reporting_controller,
        reporting_instance: e.reporting_instance,
    }
}

/// The same event in `events.k8s.io`.
pub fn from_core(event: &core_v1::Event) -> Event {
    let e = event.clone();
    Event {
        metadata: e.metadata,
        regarding: e.involved_object,
        reason: e.reason,
        note: e.message,
        deprecated_source: e.source,
        deprecated_first_timestamp: e.first_timestamp,
        deprecated_last_timestamp: e.last_timestamp,
        deprecated_count: e.count,
        type_: e.type_,
        event_time: e.event_time,
        series: e
            .series
            .map(|s| Box::new(EventSeries { count: s.count, last_observed_time: s.last_observed_time })),
        action: e.action,
        related: e.related,
        reporting_controller: e.reporting_component,
        reporting_instance: e.reporting_instance,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_say_the_same() {
        let mut event = Event { note: "hello".into(), reason: "Test".into(), ..Event::default() };
        event.regarding.name = "web".into();
        event.series = Some(Box::new(EventSeries { count: 2, ..EventSeries::default() }));
        let core = to_core(&event);
        assert_eq!((core.message.as_str(), core.involved_object.name.as_str()), ("hello", "web"));
        assert_eq!(from_core(&core), event);
    }
}
