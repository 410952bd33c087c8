//! CustomResourceDefinitions.

use crate::columns::{Column, NAME, row};
use crate::core::pod::defaults::text;
use crate::errors::Errors;
use crate::metadata::Shown;
use crate::names;
use crate::reflection;
use crate::rules::{Rules, StatusMetadata};
use crate::strategy::{KindStrategy, plain_create};
use corten_api::apiextensions::v1::{
    CustomResourceDefinition, CustomResourceDefinitionNames, CustomResourceDefinitionSpec,
};
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
        let mut errors = Errors::default();
        let wanted = format!("{}.{}", spec.names.plural, spec.group);
        if crd.metadata.name != wanted {
            let detail = "must be spec.names.plural+\".\"+spec.group";
            errors.invalid("metadata.name", &crd.metadata.name, detail);
        }
        if spec.group.is_empty() {
            errors.required("spec.group", "");
        } else {
            joined(&mut errors, "spec.group", &spec.group, "", names::dns_subdomain);
            if !spec.group.contains('.') {
                errors.invalid("spec.group", &spec.group, "should be a domain with at least one dot");
            }
        }
        errors.one_of("spec.scope", &spec.scope, &["Cluster", "Namespaced"]);
        if spec.preserve_unknown_fields {
            let detail = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead";
            errors.invalid("spec.preserveUnknownFields", true, detail);
        }
        validate_names(&mut errors, &spec.names);
        validate_versions(&mut errors, spec);
        let conversion = spec.conversion.as_deref();
        let strategy = conversion.map_or("None", |c| &c.strategy);
        errors.one_of("spec.conversion.strategy", strategy, &["None", "Webhook"]);
        let webhook = conversion.and_then(|c| c.webhook.as_ref());
        match (strategy, webhook) {
            ("Webhook", None) => {
                let detail = "required when strategy is set to Webhook";
                errors.required("spec.conversion.webhookClientConfig", detail);
            }
            ("None", Some(_)) => {
                let detail = "should not be set when strategy is not set to Webhook";
                errors.forbidden("spec.conversion.webhookClientConfig", detail);
            }
            _ => {}
        }
        errors.into_vec()
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

fn validate_versions(errors: &mut Errors, spec: &CustomResourceDefinitionSpec) {
    let versions = || Shown(format!("{:?}", spec.versions.iter().map(|v| &v.name).collect::<Vec<_>>()));
    if spec.versions.iter().filter(|v| v.storage).count() != 1 {
        let detail = "must have exactly one version marked as storage version";
        errors.invalid("spec.versions", versions(), detail);
    }
    for (i, version) in spec.versions.iter().enumerate() {
        let path = format!("spec.versions[{i}]");
        joined(errors, &format!("{path}.name"), &version.name, "", names::dns_1035_label);
        if spec.versions[..i].iter().any(|other| other.name == version.name) {
            errors.invalid("spec.versions", versions(), "must contain unique version names");
        }
        if version.schema.as_ref().is_none_or(|s| s.open_apiv3_schema.is_none()) {
            errors.required(format!("{path}.schema.openAPIV3Schema"), "schemas are required");
        }
        for (c, column) in version.additional_printer_columns.iter().enumerate() {
            let at = |field: &str| format!("{path}.additionalPrinterColumns[{c}].{field}");
            for (name, value) in [("name", &column.name), ("jsonPath", &column.json_path)] {
                if value.is_empty() {
                    errors.required(at(name), "");
                }
            }
            let types = &["boolean", "date", "integer", "number", "string"];
            errors.one_of(at("type"), &column.type_, types);
        }
    }
}

fn validate_names(errors: &mut Errors, told: &CustomResourceDefinitionNames) {
    let mixed = "may have mixed case, but should otherwise match: ";
    for (name, value, prefix, must) in [
        ("plural", &told.plural, "", true),
        ("singular", &told.singular, "", false),
        ("kind", &told.kind, mixed, true),
        ("listKind", &told.list_kind, mixed, true),
    ] {
        let path = format!("spec.names.{name}");
        if value.is_empty() {
            if must {
                errors.required(path, "");
            }
        } else {
            let check: fn(&str) -> Vec<String> = match prefix {
                "" => names::dns_1035_label,
                _ => |text| names::dns_1035_label(&text.to_lowercase()),
            };
            joined(errors, &path, value, prefix, check);
        }
    }
    for (name, list) in [("shortNames", &told.short_names), ("categories", &told.categories)] {
        for (i, value) in list.iter().enumerate() {
            joined(errors, &format!("spec.names.{name}[{i}]"), value, "", names::dns_1035_label);
        }
    }
    if !told.kind.is_empty() && told.kind == told.list_kind {
        errors.invalid("spec.names.listKind", &told.list_kind, "kind and listKind may not be the same");
    }
}

/// All messages of a format as one.
fn joined(errors: &mut Errors, path: &str, value: &str, prefix: &str, check: fn(&str) -> Vec<String>) {
    let wrong = check(value);
    if !wrong.is_empty() {
        errors.invalid(path, value, format!("{prefix}{}", wrong.join(",")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::apiextensions::v1::CustomResourceDefinitionVersion;

    #[test]
    fn definitions_are_filled_and_checked() {
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
        let told: Vec<String> = KindStrategy::validate(&CustomResourceDefinitionStrategy, &crd)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(told, ["spec.versions[0].schema.openAPIV3Schema: Required value: schemas are required"]);
    }
}
