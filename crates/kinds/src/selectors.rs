//! Validation of label selectors.

use crate::metadata::{self, invalid_each};
use crate::names;
use corten_api::meta::v1::{FieldSelectorRequirement, LabelSelector, LabelSelectorRequirement};
use corten_semantics::field::FieldError;

/// Checks a selector as upstream's `ValidateLabelSelector`.
pub fn validate(selector: &LabelSelector, path: &str) -> Vec<FieldError> {
    let mut errors = metadata::labels(&selector.match_labels, &format!("{path}.matchLabels"));
    for (i, requirement) in selector.match_expressions.iter().enumerate() {
        errors.extend(validate_requirement(requirement, &format!("{path}.matchExpressions[{i}]"), false));
    }
    errors
}

/// Checks one requirement; `any_operator` lets operators pass that nobody knows.
pub fn validate_requirement(
    requirement: &LabelSelectorRequirement,
    path: &str,
    any_operator: bool,
) -> Vec<FieldError> {
    let mut errors = validate_operator(&requirement.operator, &requirement.values, path, any_operator);
    let at = format!("{path}.values");
    let key = &requirement.key;
    errors.extend(invalid_each(&format!("{path}.key"), key, names::qualified_name(key)));
    for (i, value) in requirement.values.iter().enumerate() {
        errors.extend(invalid_each(&format!("{at}[{i}]"), value, names::label_value(value)));
    }
    errors
}

/// Checks an operator with its values.
fn validate_operator(operator: &str, values: &[String], path: &str, any: bool) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let at = format!("{path}.values");
    match operator {
        "In" | "NotIn" if values.is_empty() => {
            let detail = "must be specified when `operator` is 'In' or 'NotIn'";
            errors.push(FieldError::required(&at, detail));
        }
        "Exists" | "DoesNotExist" if !values.is_empty() => {
            let detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
            errors.push(FieldError::forbidden(&at, detail));
        }
        "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
        _ if any => {}
        other => {
            let detail = "not a valid selector operator";
            errors.push(FieldError::invalid(format!("{path}.operator"), other, detail));
        }
    }
    errors
}

/// Checks one requirement of a field selector; operators pass that nobody knows.
pub fn validate_field_requirement(requirement: &FieldSelectorRequirement, path: &str) -> Vec<FieldError> {
    let missing = requirement.key.is_empty();
    let mut errors: Vec<FieldError> = missing
        .then(|| FieldError::required(format!("{path}.key"), "must be specified"))
        .into_iter()
        .collect();
    errors.extend(validate_operator(&requirement.operator, &requirement.values, path, true));
    errors
}
