//! Namespaces.

use super::CORE;
use crate::columns::{self, AGE, Column, NAME, row};
use crate::names;
use crate::rules::Rules;
use crate::strategy::KindStrategy;
use corten_api::core::v1::{Namespace, NamespaceStatus};
use corten_semantics::field::FieldError;
use jiff::Timestamp;
use serde_json::Value;
use std::borrow::Cow;

/// Namespaces.
pub struct NamespaceStrategy;

/// The label that carries the namespace's own name.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";
/// The finalizer that keeps a namespace until it is empty.
const FINALIZER: &str = "kubernetes";

impl KindStrategy for NamespaceStrategy {
    type Kind = Namespace;
    const RULES: Rules = Rules { name: names::label, ..CORE };
    const COLUMNS: &'static [Column] = &[NAME, Column::text("Status"), AGE];
    const FIELD_LABELS: &'static [&'static str] = &["name", "status.phase"];

    fn default(&self, ns: &mut Namespace) {
        if !ns.metadata.name.is_empty() {
            ns.metadata.labels.insert(NAME_LABEL.into(), ns.metadata.name.clone());
        }
        if ns.status.phase.is_empty() {
            ns.status.phase = "Active".into();
        }
    }

    fn prepare_create(&self, ns: &mut Namespace) {
        ns.status = NamespaceStatus { phase: "Active".into(), ..NamespaceStatus::default() };
        if !ns.spec.finalizers.iter().any(|f| f == FINALIZER) {
            ns.spec.finalizers.push(FINALIZER.into());
        }
        // The name may have been generated after the defaults.
        KindStrategy::default(self, ns);
    }

    fn prepare_update(&self, new: &mut Namespace, old: &Namespace) {
        new.spec = old.spec.clone();
        new.status = old.status.clone();
    }

    fn prepare_subresource_update(&self, subresource: &str, new: &mut Namespace, old: &Namespace) {
        if subresource == "finalize" {
            new.status = old.status.clone();
        }
    }

    fn validate(&self, ns: &Namespace) -> Vec<FieldError> {
        finalizers(ns, false)
    }

    fn validate_update(&self, _new: &Namespace, _old: &Namespace) -> Vec<FieldError> {
        Vec::new()
    }

    fn validate_status_update(&self, new: &Namespace, _old: &Namespace) -> Vec<FieldError> {
        let (dying, phase) = (new.metadata.deletion_timestamp.is_some(), new.status.phase.as_str());
        match (dying, phase) {
            (false, "Active") | (true, "Terminating") => Vec::new(),
            (false, _) => {
                let detail = "may only be 'Active' if `deletionTimestamp` is empty";
                vec![FieldError::invalid("status.Phase", phase, detail)]
            }
            (true, _) => {
                let detail = "may only be 'Terminating' if `deletionTimestamp` is not empty";
                vec![FieldError::invalid("status.Phase", phase, detail)]
            }
        }
    }

    fn validate_subresource_update(&self, sub: &str, new: &Namespace, _old: &Namespace) -> Vec<FieldError> {
        if sub == "finalize" { finalizers(new, true) } else { Vec::new() }
    }

    fn row(&self, ns: &Namespace, now: Timestamp) -> Vec<Value> {
        row![
            ns.metadata.name.as_str(),
            ns.status.phase.as_str(),
            columns::age(ns.metadata.creation_timestamp, now),
        ]
    }

    fn selectable_field<'a>(&self, ns: &'a Namespace, label: &str) -> Cow<'a, str> {
        if label == "name" { ns.metadata.name.as_str().into() } else { ns.status.phase.as_str().into() }
    }
}

/// `indexed` says whether the path tells the place in the list, which upstream does at finalization only.
fn finalizers(ns: &Namespace, indexed: bool) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for (i, name) in ns.spec.finalizers.iter().enumerate() {
        let path = if indexed { format!("spec.finalizers[{i}]") } else { "spec.finalizers".to_string() };
        errors.extend(names::qualified_name(name).into_iter().map(|m| FieldError::invalid(&path, name, m)));
        if !name.contains('/') && name != FINALIZER && name != "orphan" && name != "foregroundDeletion" {
            let detail = "name is neither a standard finalizer name nor is it fully qualified";
            errors.push(FieldError::invalid(&path, name, detail));
        }
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_namespace_is_active_finalized_and_labelled() {
        let mut ns = Namespace::default();
        ns.metadata.name = "web".into();
        KindStrategy::prepare_create(&NamespaceStrategy, &mut ns);
        assert_eq!(
            (ns.status.phase.as_str(), ns.spec.finalizers.as_slice()),
            ("Active", &["kubernetes".to_string()][..])
        );
        assert_eq!(ns.metadata.labels[NAME_LABEL], "web");
        let mut new = ns.clone();
        new.spec.finalizers.clear();
        KindStrategy::prepare_update(&NamespaceStrategy, &mut new, &ns);
        assert_eq!(new.spec.finalizers.len(), 1);
        new.spec.finalizers.clear();
        KindStrategy::prepare_subresource_update(&NamespaceStrategy, "finalize", &mut new, &ns);
        assert!(new.spec.finalizers.is_empty());
        new.status.phase = "Terminating".into();
        let told = KindStrategy::validate_status_update(&NamespaceStrategy, &new, &ns);
        assert_eq!(
            told[0].to_string(),
            "status.Phase: Invalid value: \"Terminating\": may only be 'Active' if `deletionTimestamp` is empty"
        );
    }
}
