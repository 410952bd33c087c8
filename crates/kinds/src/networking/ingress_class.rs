//! IngressClasses.

use crate::columns::{self, AGE, Column, NAME, row};
use crate::errors::Errors;
use crate::metadata::IMMUTABLE;
use crate::names;
use crate::rules::Rules;
use crate::strategy::KindStrategy;
use corten_api::networking::v1::IngressClass;
use corten_semantics::field::FieldError;
use jiff::Timestamp;
use serde_json::Value;

/// IngressClasses.
pub struct IngressClassStrategy;

impl KindStrategy for IngressClassStrategy {
    type Kind = IngressClass;
    const RULES: Rules = Rules::COUNTED;
    const COLUMNS: &'static [Column] = &[NAME, Column::text("Controller"), Column::text("Parameters"), AGE];

    fn default(&self, class: &mut IngressClass) {
        if let Some(parameters) = &mut class.spec.parameters {
            parameters.scope.get_or_insert_with(|| "Cluster".into());
        }
    }

    fn validate(&self, class: &IngressClass) -> Vec<FieldError> {
        let mut errors = Errors::default();
        let controller = class.spec.controller.as_str();
        if controller.is_empty() {
            errors.required("spec.controller", "");
        } else if controller.split_once('/').is_none_or(|(domain, path)| domain.is_empty() || path.is_empty())
        {
            if controller.len() > 250 {
                errors.too_long("spec.controller", 250);
            }
            let detail = "must be a domain-prefixed path (such as \"acme.io/foo\")";
            errors.invalid("spec.controller", controller, detail);
        }
        if let Some(p) = &class.spec.parameters {
            if let Some(group) = &p.api_group {
                errors.format("spec.parameters.apiGroup", group, names::dns_subdomain);
            }
            for (name, value) in [("kind", &p.kind), ("name", &p.name)] {
                if value.is_empty() {
                    errors.required(format!("spec.parameters.{name}"), "");
                }
            }
            let scope = p.scope.as_deref().unwrap_or_default();
            errors.supported("spec.parameters.scope", scope, &["Cluster", "Namespace"]);
            if scope == "Namespace" && p.namespace.is_none() {
                let detail = "`parameters.scope` is set to 'Namespace'";
                errors.required("spec.parameters.namespace", detail);
            }
            if scope == "Cluster" && p.namespace.is_some() {
                let detail = "`parameters.scope` is set to 'Cluster'";
                errors.forbidden("spec.parameters.namespace", detail);
            }
        }
        errors.into_vec()
    }

    fn validate_update(&self, new: &IngressClass, old: &IngressClass) -> Vec<FieldError> {
        let mut errors = Errors::default();
        if new.spec.controller != old.spec.controller {
            errors.invalid("spec.controller", &new.spec.controller, IMMUTABLE);
        }
        errors.extend(KindStrategy::validate(self, new));
        errors.into_vec()
    }

    fn row(&self, class: &IngressClass, now: Timestamp) -> Vec<Value> {
        let parameters = class.spec.parameters.as_ref().map_or("<none>".to_string(), |p| {
            let group = p.api_group.as_ref().map_or(String::new(), |g| format!(".{g}"));
            format!("{}{group}/{}", p.kind, p.name)
        });
        row![
            class.metadata.name.as_str(),
            class.spec.controller.as_str(),
            parameters,
            columns::age(class.metadata.creation_timestamp, now),
        ]
    }
}
