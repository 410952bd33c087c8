//! ReplicationControllers.

use super::CORE;
use super::pod::defaults;
use super::pod::warnings;
use crate::apps::{scale_of, validate};
use crate::columns::{self, AGE, Column, NAME, row};
use crate::errors::Errors;
use crate::metadata::shown;
use crate::names;
use crate::rules::Rules;
use crate::strategy::KindStrategy;
use corten_api::autoscaling::v1::Scale;
use corten_api::core::v1::ReplicationController;
use corten_api::selector::Selector;
use corten_semantics::field::FieldError;
use jiff::Timestamp;
use serde_json::Value;
use std::borrow::Cow;

/// ReplicationControllers.
pub struct ReplicationControllerStrategy;

impl KindStrategy for ReplicationControllerStrategy {
    type Kind = ReplicationController;
    /// What a generated name begins with is judged with the rest of it.
    const RULES: Rules = Rules {
        name: |name, prefix| if prefix { Vec::new() } else { names::subdomain(name, false) },
        generation: true,
        ..CORE
    };
    const COLUMNS: &'static [Column] = &[
        NAME,
        Column::number("Desired"),
        Column::number("Current"),
        Column::number("Ready"),
        AGE,
        Column::text("Containers").wide(),
        Column::text("Images").wide(),
        Column::text("Selector").wide(),
    ];
    const FIELD_LABELS: &'static [&'static str] = &["status.replicas"];

    fn default(&self, rc: &mut ReplicationController) {
        rc.spec.replicas.get_or_insert(1);
        let Some(template) = &mut rc.spec.template else { return };
        defaults::template(template);
        if rc.spec.selector.is_empty() {
            rc.spec.selector.clone_from(&template.metadata.labels);
        }
        if rc.metadata.labels.is_empty() {
            rc.metadata.labels.clone_from(&template.metadata.labels);
        }
    }

    fn validate(&self, rc: &ReplicationController) -> Vec<FieldError> {
        let mut errors = Errors::default();
        let spec = &rc.spec;
        errors.not_negative("spec.minReadySeconds", spec.min_ready_seconds);
        if spec.selector.is_empty() {
            errors.required("spec.selector", "");
        }
        match spec.replicas {
            None => errors.required("spec.replicas", ""),
            Some(replicas) => errors.not_negative("spec.replicas", replicas),
        }
        let Some(template) = &spec.template else {
            errors.required("spec.template", "");
            return errors.into_vec();
        };
        let labels = &template.metadata.labels;
        if !spec.selector.is_empty() && !Selector::from_map(&spec.selector).matches(labels) {
            let detail = "`selector` does not match template `labels`";
            errors.invalid("spec.template.metadata.labels", shown(labels), detail);
        }
        validate::template(&mut errors, template, "ReplicationController");
        errors.into_vec()
    }

    fn validate_status_update(
        &self,
        new: &ReplicationController,
        _old: &ReplicationController,
    ) -> Vec<FieldError> {
        let mut errors = Errors::default();
        let status = &new.status;
        let parts = [
            ("fullyLabeledReplicas", status.fully_labeled_replicas),
            ("readyReplicas", status.ready_replicas),
            ("availableReplicas", status.available_replicas),
        ];
        let (ready, available) = (status.ready_replicas, status.available_replicas);
        validate::counts(&mut errors, status.replicas, ready, available, &parts);
        errors.into_vec()
    }

    fn warnings(&self, new: &ReplicationController, old: Option<&ReplicationController>) -> Vec<String> {
        let old = old.map(|old| &old.metadata);
        new.spec.template.as_ref().map_or(Vec::new(), |template| {
            warnings::of_template(template, "spec.template", &new.metadata, old, true)
        })
    }

    fn row(&self, rc: &ReplicationController, now: Timestamp) -> Vec<Value> {
        let containers = rc.spec.template.as_ref().map_or(&[][..], |t| &t.spec.containers);
        let (names, images) = columns::containers(containers);
        row![
            rc.metadata.name.as_str(),
            rc.spec.replicas.unwrap_or(0),
            rc.status.replicas,
            rc.status.ready_replicas,
            columns::age(rc.metadata.creation_timestamp, now),
            names,
            images,
            columns::labels(&rc.spec.selector),
        ]
    }

    fn selectable_field<'a>(&self, rc: &'a ReplicationController, _label: &str) -> Cow<'a, str> {
        rc.status.replicas.to_string().into()
    }

    fn scale(&self, rc: &ReplicationController) -> Option<Scale> {
        let selector = Selector::from_map(&rc.spec.selector).to_string();
        Some(scale_of(&rc.metadata, rc.spec.replicas, rc.status.replicas, selector))
    }

    fn set_replicas(&self, rc: &mut ReplicationController, replicas: i32) {
        rc.spec.replicas = Some(replicas);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::core::v1::PodTemplateSpec;

    #[test]
    fn selector_and_labels_come_from_the_template() {
        let mut rc = ReplicationController::default();
        let mut template = PodTemplateSpec::default();
        template.metadata.labels.insert("app".into(), "web".into());
        rc.spec.template = Some(Box::new(template));
        KindStrategy::default(&ReplicationControllerStrategy, &mut rc);
        assert_eq!((rc.spec.selector["app"].as_str(), rc.metadata.labels["app"].as_str()), ("web", "web"));
        assert_eq!(rc.spec.replicas, Some(1));
        let scale = KindStrategy::scale(&ReplicationControllerStrategy, &rc).expect("scale");
        assert_eq!((scale.spec.replicas, scale.status.selector.as_str()), (1, "app=web"));
    }
}
