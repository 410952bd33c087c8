//! FlowSchemas.

use super::RULES;
use crate::columns::{self, AGE, Column, NAME, row};
use crate::errors::Errors;
use crate::names;
use crate::rules::Rules;
use crate::strategy::KindStrategy;
use corten_api::flowcontrol::v1::{FlowSchema, PolicyRulesWithSubjects};
use corten_semantics::field::FieldError;
use jiff::Timestamp;
use serde_json::Value;

/// FlowSchemas.
pub struct FlowSchemaStrategy;

impl KindStrategy for FlowSchemaStrategy {
    type Kind = FlowSchema;
    const RULES: Rules = RULES;
    const COLUMNS: &'static [Column] = &[
        NAME,
        Column::text("PriorityLevel"),
        Column::text("MatchingPrecedence"),
        Column::text("DistinguisherMethod"),
        AGE,
        Column::text("MissingPL"),
    ];

    fn default(&self, schema: &mut FlowSchema) {
        if schema.spec.matching_precedence == 0 {
            schema.spec.matching_precedence = 1000;
        }
    }

    fn validate(&self, schema: &FlowSchema) -> Vec<FieldError> {
        let mut errors = Errors::default();
        let spec = &schema.spec;
        if !(1..=10000).contains(&spec.matching_precedence) {
            let detail = if spec.matching_precedence < 1 {
                "must be a positive value"
            } else {
                "must not be greater than 10000"
            };
            errors.invalid("spec.matchingPrecedence", spec.matching_precedence, detail);
        }
        if let Some(method) = &spec.distinguisher_method {
            let known = &["ByNamespace", "ByUser"];
            errors.supported("spec.distinguisherMethod", &method.type_, known);
        }
        let level = &spec.priority_level_configuration.name;
        if level.is_empty() {
            errors.required("spec.priorityLevelConfiguration.name", "must reference a priority level");
        } else {
            errors.format("spec.priorityLevelConfiguration.name", level, names::dns_subdomain);
        }
        for (i, rule) in spec.rules.iter().enumerate() {
            validate_rule(&mut errors, rule, &format!("spec.rules[{i}]"));
        }
        errors.into_vec()
    }

    fn row(&self, schema: &FlowSchema, now: Timestamp) -> Vec<Value> {
        let spec = &schema.spec;
        let dangling = schema.status.conditions.iter().find(|c| c.type_ == "Dangling");
        row![
            schema.metadata.name.as_str(),
            spec.priority_level_configuration.name.as_str(),
            spec.matching_precedence,
            spec.distinguisher_method.as_ref().map_or("<none>", |m| &m.type_),
            columns::age(schema.metadata.creation_timestamp, now),
            dangling.map_or("?", |c| &c.status),
        ]
    }
}

fn validate_rule(errors: &mut Errors, rule: &PolicyRulesWithSubjects, path: &str) {
    if rule.subjects.is_empty() {
        errors.required(format!("{path}.subjects"), "subjects must contain at least one value");
    }
    for (i, subject) in rule.subjects.iter().enumerate() {
        let kinds = &["Group", "ServiceAccount", "User"];
        errors.supported(format!("{path}.subjects[{i}].kind"), &subject.kind, kinds);
    }
    if rule.resource_rules.is_empty() && rule.non_resource_rules.is_empty() {
        let detail = "at least one of resourceRules and nonResourceRules has to be non-empty";
        errors.required(path, detail);
    }
    for (i, resources) in rule.resource_rules.iter().enumerate() {
        let at = |field: &str| format!("{path}.resourceRules[{i}].{field}");
        for (name, empty, detail) in [
            ("verbs", resources.verbs.is_empty(), "verbs must contain at least one value"),
            (
                "apiGroups",
                resources.api_groups.is_empty(),
                "resource rules must supply at least one api group",
            ),
            ("resources", resources.resources.is_empty(), "resource rules must supply at least one resource"),
            (
                "namespaces",
                resources.namespaces.is_empty() && !resources.cluster_scope,
                "resource rules that are not cluster scoped must supply at least one namespace",
            ),
        ] {
            if empty {
                errors.required(at(name), detail);
            }
        }
    }
    for (i, urls) in rule.non_resource_rules.iter().enumerate() {
        let at = |field: &str| format!("{path}.nonResourceRules[{i}].{field}");
        if urls.verbs.is_empty() {
            errors.required(at("verbs"), "verbs must contain at least one value");
        }
        if urls.non_resource_urls.is_empty() {
            errors.required(at("nonResourceURLs"), "nonResourceURLs must contain at least one value");
        }
    }
}
