//! Events of the core group.

use crate::columns::{self, Column, NAME, row};
use crate::errors::Errors;
use crate::names;
use crate::rules::Rules;
use crate::strategy::KindStrategy;
use corten_api::core::v1::Event;
use corten_api::{MicroTime, Time};
use corten_semantics::field::FieldError;
use jiff::Timestamp;
use serde_json::Value;
use std::borrow::Cow;

/// Events.
pub struct EventStrategy;

/// The labels by which events of either group are selected.
pub(crate) const LABELS: &[&str] = &[
    "involvedObject.kind",
    "involvedObject.namespace",
    "involvedObject.name",
    "involvedObject.uid",
    "involvedObject.apiVersion",
    "involvedObject.resourceVersion",
    "involvedObject.fieldPath",
    "reason",
    "reportingComponent",
    "source",
    "type",
];

impl KindStrategy for EventStrategy {
    type Kind = Event;
    const RULES: Rules = Rules { name: names::path_segment, create_on_update: true, ..Rules::ANY_FINALIZERS };
    const COLUMNS: &'static [Column] = COLUMNS;
    const FIELD_LABELS: &'static [&'static str] = LABELS;

    fn validate(&self, event: &Event) -> Vec<FieldError> {
        let mut errors = Errors::default();
        validate(&mut errors, event, "reportingComponent");
        errors.into_vec()
    }

    fn row(&self, e: &Event, now: Timestamp) -> Vec<Value> {
        let micro = |t: Option<MicroTime>| columns::age(t.map(|t| Time::new(t.0)), now);
        let first = if e.first_timestamp.is_some() {
            columns::age(e.first_timestamp, now)
        } else {
            micro(e.event_time)
        };
        let (last, count) = match &e.series {
            Some(series) => (micro(series.last_observed_time), series.count),
            None => {
                let last = e.last_timestamp.map_or(first.clone(), |t| columns::age(Some(t), now));
                (last, e.count.max(1))
            }
        };
        let kind = e.involved_object.kind.to_lowercase();
        let name = &e.involved_object.name;
        let [component, instance] =
            [[&e.source.component, &e.reporting_component], [&e.source.host, &e.reporting_instance]]
                .map(|[old, new]| if old.is_empty() { new.as_str() } else { old.as_str() });
        row![
            last,
            e.type_.as_str(),
            e.reason.as_str(),
            if name.is_empty() { kind } else { format!("{kind}/{name}") },
            e.involved_object.field_path.as_str(),
            if instance.is_empty() { component.into() } else { format!("{component}, {instance}") },
            e.message.trim(),
            first,
            count,
            e.metadata.name.as_str(),
        ]
    }

    fn selectable_field<'a>(&self, e: &'a Event, label: &str) -> Cow<'a, str> {
        let about = &e.involved_object;
        let field = match label {
            "involvedObject.kind" => &about.kind,
            "involvedObject.namespace" => &about.namespace,
            "involvedObject.name" => &about.name,
            "involvedObject.uid" => &about.uid,
            "involvedObject.apiVersion" => &about.api_version,
            "involvedObject.resourceVersion" => &about.resource_version,
            "involvedObject.fieldPath" => &about.field_path,
            "reason" => &e.reason,
            "reportingComponent" => &e.reporting_component,
            "source" if e.source.component.is_empty() => &e.reporting_component,
            "source" => &e.source.component,
            "type" => &e.type_,
            _ => return "".into(),
        };
        field.as_str().into()
    }
}

/// What both groups ask of an event; `controller` is what the group calls the reporter's field.
pub(crate) fn validate(errors: &mut Errors, event: &Event, controller: &str) {
    let (namespace, about) = (event.metadata.namespace.as_str(), event.involved_object.namespace.as_str());
    let fits = match (event.event_time, about) {
        (None, "") => ["", "default"].contains(&namespace),
        (None, about) => about == namespace,
        (Some(_), "") => ["default", "kube-system"].contains(&namespace),
        (Some(_), _) => true,
    };
    if !fits {
        errors.invalid("involvedObject.namespace", about, "does not match event.namespace");
    }
    if event.event_time.is_some() {
        let reporter = event.reporting_component.as_str();
        if reporter.is_empty() {
            errors.required(controller, "");
        }
        errors.format(controller, reporter, names::qualified_name);
        for (name, value) in [
            ("reportingInstance", &event.reporting_instance),
            ("action", &event.action),
            ("reason", &event.reason),
        ] {
            if value.is_empty() {
                errors.required(name, "");
            }
            if value.len() > 128 {
                errors.invalid(name, "", "can have at most 128 characters");
            }
        }
        if event.message.len() > 1024 {
            errors.invalid("message", "", "can have at most 1024 characters");
        }
    }
    errors.format("namespace", namespace, names::dns_subdomain);
}

/// Columns of events of either group.
pub(crate) const COLUMNS: &[Column] = &[
    Column::text("Last Seen"),
    Column::text("Type"),
    Column::text("Reason"),
    Column::text("Object"),
    Column::text("Subobject").wide(),
    Column::text("Source").wide(),
    Column::text("Message"),
    Column::text("First Seen").wide(),
    Column::text("Count").wide(),
    Column { priority: 1, ..NAME },
];
