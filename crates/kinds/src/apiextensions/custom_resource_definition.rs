//! CustomResourceDefinitions.

use crate::columns::{Column, NAME, row};
use crate::core::pod::defaults::text;
use crate::reflection;
use crate::rules::{Rules, StatusMetadata};
use crate::strategy::{KindStrategy, plain_create};
use corten_api::apiextensions::v1::{CustomResourceDefinition, CustomResourceDefinitionSpec};
use jiff::Timestamp;
use serde_json::Value;

/// CustomResourceDefinitions.
pub struct CustomResourceDefinitionStrategy;

impl KindStrategy for CustomResourceDefinitionStrategy {
    type Kind = CustomResourceDefinition;
    const RULES: Rules = Rules {
        unconditional_update: false,
        status_metadata: StatusMetadata::Kept,
        generation: true,
        ..Rules::ANY_FINALIZERS
    };
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
        if crd.status.stored_versions.is_empty() {
            crd.status.stored_versions = storage_version(&crd.spec).into_iter().collect();
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

    fn row(&self, crd: &CustomResourceDefinition, _now: Timestamp) -> Vec<Value> {
        let created = crd.metadata.creation_timestamp.map_or(String::new(), |t| t.to_string());
        row![crd.metadata.name.as_str(), created]
    }
}

fn storage_version(spec: &CustomResourceDefinitionSpec) -> Option<String> {
    spec.versions.iter().find(|v| v.storage).map(|v| v.name.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::apiextensions::v1::CustomResourceDefinitionVersion;

    #[test]
    fn definitions_are_filled() {
        let mut crd = CustomResourceDefinition::default();
        crd.metadata.name = "tests.example.com".into();
        crd.spec.group = "example.com".into();
        crd.spec.scope = "Cluster".into();
        crd.spec.names.plural = "tests".into();
        crd.spec.names.kind = "Test".into();
        crd.spec.versions.push(CustomResourceDefinitionVersion {
            name: "v1".into(),
            storage: true,
            ..Default::default()
        });
        KindStrategy::default(&CustomResourceDefinitionStrategy, &mut crd);
        KindStrategy::prepare_create(&CustomResourceDefinitionStrategy, &mut crd);
        assert_eq!(
            (crd.spec.names.singular.as_str(), crd.spec.names.list_kind.as_str()),
            ("test", "TestList")
        );
        assert_eq!(crd.status.stored_versions, ["v1"]);
    }
}
