//! RuntimeClasses.

use crate::columns::{self, AGE, Column, NAME, row};
use crate::core::pod::defaults::amounts;
use crate::core::pod::{resources, scheduling as pods, warnings};
use crate::errors::Errors;
use crate::metadata::{IMMUTABLE, shown};
use crate::names;
use crate::rules::Rules;
use crate::strategy::KindStrategy;
use corten_api::node::v1::RuntimeClass;
use corten_semantics::field::FieldError;
use jiff::Timestamp;
use serde_json::Value;

/// RuntimeClasses.
pub struct RuntimeClassStrategy;

impl KindStrategy for RuntimeClassStrategy {
    type Kind = RuntimeClass;
    const RULES: Rules =
        Rules { create_on_update: true, unconditional_update: false, ..Rules::ANY_FINALIZERS };
    const COLUMNS: &'static [Column] = &[NAME, Column::text("Handler"), AGE];

    fn default(&self, class: &mut RuntimeClass) {
        if let Some(overhead) = &mut class.overhead {
            amounts(&mut overhead.pod_fixed);
        }
    }

    fn validate(&self, class: &RuntimeClass) -> Vec<FieldError> {
        let mut errors = Errors::default();
        errors.format("handler", &class.handler, names::dns_label);
        if let Some(overhead) = &class.overhead {
            resources::overhead(&mut errors, &overhead.pod_fixed, "overhead");
        }
        if let Some(scheduling) = &class.scheduling {
            errors.extend(crate::metadata::labels(&scheduling.node_selector, "scheduling.nodeSelector"));
            let list = &scheduling.tolerations;
            pods::tolerations(&mut errors, list, "scheduling.tolerations");
            for (i, toleration) in list.iter().enumerate().filter(|(i, t)| list[..*i].contains(t)) {
                errors.duplicate(format!("scheduling.tolerations[{i}]"), shown(toleration));
            }
        }
        errors.into_vec()
    }

    fn validate_update(&self, new: &RuntimeClass, old: &RuntimeClass) -> Vec<FieldError> {
        let mut errors = Errors::default();
        errors.extend(KindStrategy::validate(self, new));
        if new.handler != old.handler {
            errors.invalid("handler", &new.handler, IMMUTABLE);
        }
        errors.into_vec()
    }

    fn warnings(&self, class: &RuntimeClass, _: Option<&RuntimeClass>) -> Vec<String> {
        let keys = class.scheduling.iter().flat_map(|s| s.node_selector.keys());
        keys.filter_map(|key| warnings::old_label(key))
            .map(|text| format!("scheduling.nodeSelector: {text}"))
            .collect()
    }

    fn row(&self, class: &RuntimeClass, now: Timestamp) -> Vec<Value> {
        row![
            class.metadata.name.as_str(),
            class.handler.as_str(),
            columns::age(class.metadata.creation_timestamp, now)
        ]
    }
}
