//! Conditions of the common form, in the status of newer kinds.

use crate::errors::Errors;
use crate::names;
use corten_api::meta::v1::Condition;
use std::collections::BTreeSet;

const LONGEST_REASON: usize = 1024;
const LONGEST_MESSAGE: usize = 32 * 1024;

/// Checks conditions, each of its own type.
pub(crate) fn validate(errors: &mut Errors, list: &[Condition], path: &str) {
    let mut seen = BTreeSet::new();
    for (i, condition) in list.iter().enumerate() {
        let at = |field: &str| format!("{path}[{i}].{field}");
        if !seen.insert(condition.type_.as_str()) {
            errors.duplicate(at("type"), &condition.type_);
        }
        errors.format(&at("type"), &condition.type_, names::qualified_name);
        errors.supported(at("status"), &condition.status, &["False", "True", "Unknown"]);
        if condition.observed_generation < 0 {
            let detail = "must be greater than or equal to zero";
            errors.invalid(at("observedGeneration"), condition.observed_generation, detail);
        }
        if condition.last_transition_time.is_none() {
            errors.required(at("lastTransitionTime"), "");
        }
        if condition.reason.is_empty() {
            errors.required(at("reason"), "");
        } else {
            errors.format(&at("reason"), &condition.reason, names::condition_reason);
            if condition.reason.len() > LONGEST_REASON {
                errors.too_long(at("reason"), LONGEST_REASON);
            }
        }
        if condition.message.len() > LONGEST_MESSAGE {
            errors.too_long(at("message"), LONGEST_MESSAGE);
        }
    }
}
