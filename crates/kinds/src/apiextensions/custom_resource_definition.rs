//! CustomResourceDefinitions.

use crate::columns::{Column, NAME, row};
use crate::core::pod::defaults::text;
use crate::reflection;
use crate::rules::{Rules, StatusMetadata};
use crate::strategy::{KindStrategy, plain_create};
use corten_api::apiextensions::v1::{CustomResourceDefinition, CustomResourceDefinitionSpec};
use corten_semantics::field::FieldError;
use jiff::Timestamp;
use serde_json::Value;

/// CustomResourceDefinitions.
pub struct CustomResourceDefinitionStrategy;

impl KindStrategy for CustomResourceDefinitionStrategy {
    type Kind = CustomResourceDefinition;
    const RULES: Rules =
        Rules { unconditional_update: false, status_metadata: StatusMetadata::Kept, ..Rules::COUNTED };
    const COLUMNS: &'static [Column] = &[NAME, Column { type_: "date", ..Column::text("Created At") }];

    fn default(&self, crd: &mut CustomResourceDefinition) {
        let spec = &mut crd.spec;
        let kind = spec.names.kind.clone();
        text(&mut spec.names.singular, &kind.to_lowercase());
        if !kind.is_empty() {
            text(&mut spec.names.list_kind, &format!("{kind}List"));
        }
        text(&mut spec.conversion.get_or_insert_default().strategy, "None");
        let webhook = spec.conversion.as_mut().and_then(|c| c.webhook.as_mut());
        let service = webhook.and_then(|w| w.client_config.as_mut()).and_then(|c| c.service.as_mut());
        if let Some(service) = service {
            service.port.get_or_insert(443);
        }
    }

    /// What is stored starts with the version that is stored now.
    fn prepare_create(&self, crd: &mut CustomResourceDefinition) {
        plain_create(&Self::RULES, crd);
        crd.status.stored_versions = storage_version(&crd.spec).into_iter().collect();
    }

    fn prepare_update(&self, new: &mut CustomResourceDefinition, old: &CustomResourceDefinition) {
        new.status = old.status.clone();
        if !reflection::equal(&new.spec, &old.spec) {
            new.metadata.generation = old.metadata.generation + 1;
        }
        let stored = storage_version(&new.spec).filter(|v| !new.status.stored_versions.contains(v));
        new.status.stored_versions.extend(stored);
    }

    fn validate(&self, crd: &CustomResourceDefinition) -> Vec<FieldError> {
        let spec = &crd.spec;
        let mut errors = Vec::new();
        let wanted = format!("{}.{}", spec.names.plural, spec.group);
        if crd.metadata.name != wanted {
            let detail = "must be spec.names.plural+\".\"+spec.group";
            errors.push(FieldError::invalid("metadata.name", &crd.metadata.name, detail));
        }
        for (path, value) in [
            ("spec.group", &spec.group),
            ("spec.scope", &spec.scope),
            ("spec.names.plural", &spec.names.plural),
            ("spec.names.kind", &spec.names.kind),
        ] {
            if value.is_empty() {
                errors.push(FieldError::required(path, ""));
            }
        }
        if !spec.scope.is_empty() && !["Cluster", "Namespaced"].contains(&spec.scope.as_str()) {
            let supported = &["Cluster", "Namespaced"];
            errors.push(FieldError::not_supported("spec.scope", &spec.scope, supported));
        }
        if spec.versions.iter().filter(|v| v.storage).count() != 1 {
            let detail = "must have exactly one version marked as storage version";
            let versions = crate::metadata::Shown(format!("{:?}", names_of(spec)));
            errors.push(FieldError::invalid("spec.versions", versions, detail));
        }
        for (i, version) in spec.versions.iter().enumerate() {
            if version.schema.as_ref().is_none_or(|s| s.open_apiv3_schema.is_none()) {
                let path = format!("spec.versions[{i}].schema.openAPIV3Schema");
                errors.push(FieldError::required(path, "schemas are required"));
            }
        }
        errors
    }

    fn validate_update(
        &self,
        new: &CustomResourceDefinition,
        old: &CustomResourceDefinition,
    ) -> Vec<FieldError> {
        let mut errors = KindStrategy::validate(self, new);
        let immutable = crate::metadata::immutable::<str>;
        errors.extend(immutable("spec.group", &new.spec.group, &old.spec.group));
        errors.extend(immutable("spec.names.plural", &new.spec.names.plural, &old.spec.names.plural));
        if old.status.conditions.iter().any(|c| c.type_ == "Established" && c.status == "True") {
            errors.extend(immutable("spec.scope", &new.spec.scope, &old.spec.scope));
            errors.extend(immutable("spec.names.kind", &new.spec.names.kind, &old.spec.names.kind));
        }
        errors
    }

    fn row(&self, crd: &CustomResourceDefinition, _now: Timestamp) -> Vec<Value> {
        let created = crd.metadata.creation_timestamp.map_or(String::new(), |t| t.to_string());
        row![crd.metadata.name.as_str(), created]
    }
}

fn storage_version(spec: &CustomResourceDefinitionSpec) -> Option<String> {
    spec.versions.iter().find(|v| v.storage).map(|v| v.name.clone())
}

fn names_of(spec: &CustomResourceDefinitionSpec) -> Vec<&str> {
    spec.versions.iter().map(|v| v.name.as_str()).collect()
}
