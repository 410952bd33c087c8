//! FlowSchemas.

use super::{RULES, rule};
use crate::columns::{self, AGE, Column, NAME, row};
use crate::errors::Errors;
use crate::names;
use crate::rules::Rules;
use crate::strategy::KindStrategy;
use corten_api::flowcontrol::v1::FlowSchema;
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
        if spec.matching_precedence == 1 && schema.metadata.name != "exempt" {
            let detail = "only the schema named 'exempt' may have matchingPrecedence 1";
            errors.invalid("spec.matchingPrecedence", 1, detail);
        }
        if let Some(method) = &spec.distinguisher_method {
            let known = &["ByNamespace", "ByUser"];
            if !known.contains(&method.type_.as_str()) {
                let path = "spec.distinguisherMethod.type";
                errors.extend([FieldError::not_supported(path, rule::method(&method.type_), known)]);
            }
        }
        let level = &spec.priority_level_configuration.name;
        if level.is_empty() {
            errors.required("spec.priorityLevelConfiguration.name", "must reference a priority level");
        } else {
            errors.format("spec.priorityLevelConfiguration.name", level, names::dns_subdomain);
        }
        for (i, rule) in spec.rules.iter().enumerate() {
            rule::validate(&mut errors, rule, &format!("spec.rules[{i}]"));
        }
        errors.into_vec()
    }

    fn validate_status_update(&self, new: &FlowSchema, _old: &FlowSchema) -> Vec<FieldError> {
        let mut errors = Errors::default();
        rule::conditions(&mut errors, new.status.conditions.iter().map(|c| &c.type_));
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

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::flowcontrol::v1::{
        GroupSubject, NonResourcePolicyRule, PolicyRulesWithSubjects, ResourcePolicyRule, Subject,
        UserSubject,
    };

    fn list(items: &[&str]) -> Vec<String> {
        items.iter().map(ToString::to_string).collect()
    }

    fn schema() -> FlowSchema {
        let mut schema = FlowSchema::default();
        schema.metadata.name = "s".into();
        schema.spec.matching_precedence = 50;
        schema.spec.priority_level_configuration.name = "level".into();
        let user = Some(Box::new(UserSubject { name: "u".into() }));
        schema.spec.rules = vec![PolicyRulesWithSubjects {
            subjects: vec![Subject { kind: "User".into(), user, ..Subject::default() }],
            resource_rules: vec![ResourcePolicyRule {
                verbs: list(&["get", "list"]),
                api_groups: list(&[""]),
                resources: list(&["*"]),
                cluster_scope: true,
                ..ResourcePolicyRule::default()
            }],
            non_resource_rules: vec![NonResourcePolicyRule {
                verbs: list(&["*"]),
                non_resource_urls: list(&["/", "/healthz/*"]),
            }],
        }];
        schema
    }

    #[test]
    fn schemas_are_judged_as_upstreams() {
        type Case = (fn(&mut FlowSchema), &'static str);
        let told = |schema: &FlowSchema| -> Vec<String> {
            KindStrategy::validate(&FlowSchemaStrategy, schema).iter().map(ToString::to_string).collect()
        };
        let fine: [String; 0] = [];
        assert_eq!(told(&schema()), fine);
        let cases: &[Case] = &[
            (
                |s| s.spec.matching_precedence = 1,
                "spec.matchingPrecedence: Invalid value: 1: only the schema named 'exempt' may have matchingPrecedence 1",
            ),
            (
                |s| s.spec.rules[0].subjects[0].user = None,
                "spec.rules[0].subjects[0].user: Required value: user is required when subject kind is 'User'",
            ),
            (
                |s| s.spec.rules[0].subjects[0].group = Some(Box::new(GroupSubject { name: "g".into() })),
                "spec.rules[0].subjects[0].group: Forbidden: group is forbidden when subject kind is not 'Group'",
            ),
            (
                |s| s.spec.rules[0].resource_rules[0].verbs.push("connect".into()),
                r#"spec.rules[0].resourceRules[0].verbs: Unsupported value: ["get","list","connect"]: supported values: "create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch""#,
            ),
            (
                |s| s.spec.rules[0].resource_rules[0].resources.push("pods".into()),
                r#"spec.rules[0].resourceRules[0].resources: Invalid value: ["*","pods"]: if '*' is present, must not specify other resources"#,
            ),
            (
                |s| s.spec.rules[0].non_resource_rules[0].non_resource_urls.push("/a*".into()),
                r#"spec.rules[0].nonResourceRules[0].nonResourceURLs[2]: Invalid value: "/a*": wildcard can only do suffix matching"#,
            ),
        ];
        for (change, want) in cases {
            let mut schema = schema();
            change(&mut schema);
            assert_eq!(told(&schema), [*want]);
        }
    }
}
