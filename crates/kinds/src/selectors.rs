//! Validation of label selectors.

use crate::metadata::{self, invalid_each};
use crate::names;
use corten_api::meta::v1::{LabelSelector, LabelSelectorRequirement};
use corten_semantics::field::FieldError;

/// Checks a selector as upstream's `ValidateLabelSelector`.
pub fn validate(selector: &LabelSelector, path: &str) -> Vec<FieldError> {
    let mut errors = metadata::labels(&selector.match_labels, &format!("{path}.matchLabels"));
    for (i, requirement) in selector.match_expressions.iter().enumerate() {
        errors.extend(validate_requirement(requirement, &format!("{path}.matchExpressions[{i}]")));
    }
    errors
}

fn validate_requirement(requirement: &LabelSelectorRequirement, path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let at = format!("{path}.values");
    match requirement.operator.as_str() {
        "In" | "NotIn" if requirement.values.is_empty() => {
            let detail = "must be specified when `operator` is 'In' or 'NotIn'";
            errors.push(FieldError::required(&at, detail));
        }
        "Exists" | "DoesNotExist" if !requirement.values.is_empty() => {
            let detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
            errors.push(FieldError::forbidden(&at, detail));
        }
        "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
        other => {
            let detail = "not a valid selector operator";
            errors.push(FieldError::invalid(format!("{path}.operator"), other, detail));
        }
    }
    let key = &requirement.key;
    errors.extend(invalid_each(&format!("{path}.key"), key, names::qualified_name(key)));
    for (i, value) in requirement.values.iter().enumerate() {
        errors.extend(invalid_each(&format!("{at}[{i}]"), value, names::label_value(value)));
    }
    errors
}
