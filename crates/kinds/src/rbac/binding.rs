//! RoleBindings and ClusterRoleBindings.

use super::{GROUP, RULES};
use crate::columns::{self, AGE, Column, NAME, row};
use crate::core::pod::defaults::text;
use crate::metadata::{Shown, invalid_each};
use crate::names;
use crate::rules::Rules;
use crate::strategy::KindStrategy;
use corten_api::meta::v1::ObjectMeta;
use corten_api::rbac::v1::{ClusterRoleBinding, RoleBinding, RoleRef, Subject};
use corten_semantics::field::FieldError;
use jiff::Timestamp;
use serde_json::{Value, json};

/// RoleBindings.
pub struct RoleBindingStrategy;

/// ClusterRoleBindings.
pub struct ClusterRoleBindingStrategy;

const COLUMNS: &[Column] = &[
    NAME,
    Column::text("Role"),
    AGE,
    Column::text("Users").wide(),
    Column::text("Groups").wide(),
    Column::text("ServiceAccounts").wide(),
];

impl KindStrategy for RoleBindingStrategy {
    type Kind = RoleBinding;
    const RULES: Rules = RULES;
    const COLUMNS: &'static [Column] = COLUMNS;

    fn default(&self, binding: &mut RoleBinding) {
        default_parts(&mut binding.role_ref, &mut binding.subjects);
    }

    fn validate(&self, binding: &RoleBinding) -> Vec<FieldError> {
        validate(&binding.role_ref, &binding.subjects, &["Role", "ClusterRole"], true)
    }

    fn validate_update(&self, new: &RoleBinding, old: &RoleBinding) -> Vec<FieldError> {
        let mut errors = KindStrategy::validate(self, new);
        errors.extend(same_role(&new.role_ref, &old.role_ref));
        errors
    }

    fn row(&self, binding: &RoleBinding, now: Timestamp) -> Vec<Value> {
        cells(&binding.metadata, &binding.role_ref, &binding.subjects, now)
    }
}

impl KindStrategy for ClusterRoleBindingStrategy {
    type Kind = ClusterRoleBinding;
    const RULES: Rules = RULES;
    const COLUMNS: &'static [Column] = COLUMNS;

    fn default(&self, binding: &mut ClusterRoleBinding) {
        default_parts(&mut binding.role_ref, &mut binding.subjects);
    }

    fn validate(&self, binding: &ClusterRoleBinding) -> Vec<FieldError> {
        validate(&binding.role_ref, &binding.subjects, &["ClusterRole"], false)
    }

    fn validate_update(&self, new: &ClusterRoleBinding, old: &ClusterRoleBinding) -> Vec<FieldError> {
        let mut errors = KindStrategy::validate(self, new);
        errors.extend(same_role(&new.role_ref, &old.role_ref));
        errors
    }

    fn row(&self, binding: &ClusterRoleBinding, now: Timestamp) -> Vec<Value> {
        cells(&binding.metadata, &binding.role_ref, &binding.subjects, now)
    }
}

fn default_parts(role: &mut RoleRef, subjects: &mut [Subject]) {
    text(&mut role.api_group, GROUP);
    for subject in subjects.iter_mut().filter(|s| s.kind == "User" || s.kind == "Group") {
        text(&mut subject.api_group, GROUP);
    }
}

fn same_role(new: &RoleRef, old: &RoleRef) -> Option<FieldError> {
    let shown = json!({"APIGroup": new.api_group, "Kind": new.kind, "Name": new.name});
    (new != old).then(|| FieldError::invalid("roleRef", Shown(shown.to_string()), "cannot change roleRef"))
}

fn validate(role: &RoleRef, subjects: &[Subject], kinds: &[&str], namespaced: bool) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if role.api_group != GROUP {
        errors.push(FieldError::not_supported("roleRef.apiGroup", &role.api_group, &[GROUP]));
    }
    if !kinds.contains(&role.kind.as_str()) {
        errors.push(FieldError::not_supported("roleRef.kind", &role.kind, kinds));
    }
    if role.name.is_empty() {
        errors.push(FieldError::required("roleRef.name", ""));
    } else {
        errors.extend(invalid_each("roleRef.name", &role.name, names::path_segment(&role.name, false)));
    }
    for (i, subject) in subjects.iter().enumerate() {
        errors.extend(validate_subject(subject, namespaced, &format!("subjects[{i}]")));
    }
    errors
}

fn validate_subject(subject: &Subject, namespaced: bool, path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let at = |field: &str| format!("{path}.{field}");
    if subject.name.is_empty() {
        errors.push(FieldError::required(at("name"), ""));
    }
    let groups = match subject.kind.as_str() {
        "ServiceAccount" => "",
        "User" | "Group" => GROUP,
        _ => {
            let kinds = &["ServiceAccount", "User", "Group"];
            errors.push(FieldError::not_supported(at("kind"), &subject.kind, kinds));
            return errors;
        }
    };
    if subject.kind == "ServiceAccount" {
        if !subject.name.is_empty() {
            errors.extend(invalid_each(&at("name"), &subject.name, names::dns_subdomain(&subject.name)));
        }
        if !namespaced && subject.namespace.is_empty() {
            errors.push(FieldError::required(at("namespace"), ""));
        }
    }
    if subject.api_group != groups {
        errors.push(FieldError::not_supported(at("apiGroup"), &subject.api_group, &[groups]));
    }
    errors
}

fn cells(meta: &ObjectMeta, role: &RoleRef, subjects: &[Subject], now: Timestamp) -> Vec<Value> {
    let of = |kind: &str| {
        let named = subjects.iter().filter(|s| s.kind == kind);
        let shown = named.map(|s| match s.namespace.as_str() {
            namespace if kind == "ServiceAccount" => format!("{namespace}/{}", s.name),
            _ => s.name.clone(),
        });
        shown.collect::<Vec<_>>().join(", ")
    };
    row![
        meta.name.as_str(),
        format!("{}/{}", role.kind, role.name),
        columns::age(meta.creation_timestamp, now),
        of("User"),
        of("Group"),
        of("ServiceAccount"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bindings_name_a_role_and_known_subjects() {
        let mut binding = ClusterRoleBinding::default();
        binding.role_ref.kind = "Role".into();
        binding.role_ref.name = "x".into();
        binding.subjects.push(Subject { kind: "User".into(), name: "me".into(), ..Default::default() });
        binding.subjects.push(Subject { kind: "Robot".into(), name: "r".into(), ..Default::default() });
        KindStrategy::default(&ClusterRoleBindingStrategy, &mut binding);
        assert_eq!(
            (binding.role_ref.api_group.as_str(), binding.subjects[0].api_group.as_str()),
            (GROUP, GROUP)
        );
        let told: Vec<String> = KindStrategy::validate(&ClusterRoleBindingStrategy, &binding)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            told,
            [
                "roleRef.kind: Unsupported value: \"Role\": supported values: \"ClusterRole\"",
                "subjects[1].kind: Unsupported value: \"Robot\": supported values: \"ServiceAccount\", \"User\", \"Group\""
            ]
        );
    }
}
