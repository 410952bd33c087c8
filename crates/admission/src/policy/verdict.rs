//! What becomes of what policies say, by each binding's actions (upstream's `validating/dispatcher`).

use super::checks::Checks;
use super::compiled::Policy;
use super::decide::{Denial, Findings};
use crate::webhook::matching::Subject;
use corten_api::Object;
use corten_api::admissionregistration::v1::ValidatingAdmissionPolicyBinding;
use corten_api::meta::v1::StatusCause;
use corten_semantics::ApiResult;
use serde_json::json;
use std::time::Duration;

/// The longest value of an audit annotation.
const LONGEST_ANNOTATION: usize = 10 * 1024;
/// Where the audit log is told of what was not refused.
const FAILURE: &str = "validation.policy.admission.k8s.io/validation_failure";

/// What all policies say to one request.
pub(super) struct Verdicts<'a> {
    subject: &'a Subject<'a>,
    checks: &'a Checks,
    /// The first refusal, and its reason; the others are not told.
    refusal: Option<(String, String)>,
    /// Of the policy that is being asked: values that differ, by key.
    annotations: Vec<(String, Vec<String>)>,
}

impl<'a> Verdicts<'a> {
    pub fn new(subject: &'a Subject<'a>, checks: &'a Checks) -> Self {
        Verdicts { subject, checks, refusal: None, annotations: Vec::new() }
    }

    fn refuse(
        &mut self,
        policy: &Policy,
        binding: Option<&ValidatingAdmissionPolicyBinding>,
        why: &str,
        reason: &str,
    ) {
        if self.refusal.is_some() {
            return;
        }
        let by = binding.map(|binding| format!(" with binding '{}'", binding.metadata.name));
        let by = by.unwrap_or_default();
        let message = format!("ValidatingAdmissionPolicy '{}'{by} denied request: {why}", policy.name);
        self.refusal = Some((message, reason.to_owned()));
    }

    /// The policy, or its binding, cannot be followed.
    pub fn misconfigured(
        &mut self,
        policy: &Policy,
        binding: Option<&ValidatingAdmissionPolicyBinding>,
        why: &str,
    ) {
        if policy.ignores() {
            return;
        }
        let what = if binding.is_some() { "binding" } else { "policy" };
        self.refuse(policy, binding, &format!("failed to configure {what}: {why}"), "");
    }

    /// Takes what the policy found, bound like this.
    pub fn add(&mut self, policy: &Policy, binding: &ValidatingAdmissionPolicyBinding, findings: Findings) {
        let by = (policy.name.as_str(), binding.metadata.name.as_str());
        for (why, took) in &findings.ignored {
            self.checks.ended(by, Some(why), "allow", *took);
        }
        for denial in &findings.denials {
            for action in &binding.spec.validation_actions {
                self.act(action, policy, binding, denial);
            }
        }
        for (key, value) in findings.annotations {
            let value = cut(&value).to_owned();
            match self.annotations.iter_mut().find(|(known, _)| *known == key) {
                None => self.annotations.push((key, vec![value])),
                Some((_, values)) if !values.contains(&value) => values.push(value),
                Some(_) => {}
            }
        }
        for why in &findings.broken {
            self.checks.ended(by, Some(why), "deny", Duration::ZERO);
            self.refuse(policy, Some(binding), why, "");
        }
    }

    fn act(
        &mut self,
        action: &str,
        policy: &Policy,
        binding: &ValidatingAdmissionPolicyBinding,
        denial: &Denial,
    ) {
        let notes = self.subject.context.notes;
        let by = &binding.metadata.name;
        let done = match action {
            "Deny" => "deny",
            "Warn" => "warn",
            _ => "audit",
        };
        self.checks.ended((&policy.name, by), Some(&denial.message), done, denial.took);
        match action {
            "Deny" => self.refuse(policy, Some(binding), &denial.message, &denial.reason),
            "Warn" => notes.warn(format!(
                "Validation failed for ValidatingAdmissionPolicy '{}' with binding '{by}': {}",
                policy.name, denial.message
            )),
            "Audit" => {
                // In upstream's order.
                let value = format!(
                    "[{{\"message\":{},\"policy\":{},\"binding\":{},\"expressionIndex\":{},\
                     \"validationActions\":{}}}]",
                    json!(denial.message),
                    json!(binding.spec.policy_name),
                    json!(by),
                    denial.index,
                    json!(binding.spec.validation_actions),
                );
                notes.annotate(FAILURE, value);
            }
            _ => {}
        }
    }

    /// Tells the audit log what the policy wants it to be told; after all its bindings.
    pub fn publish(&mut self, policy: &Policy) {
        for (key, values) in self.annotations.drain(..) {
            self.subject.context.notes.annotate(format!("{}/{key}", policy.name), values.join(", "));
        }
    }

    /// The first refusal, if there is one.
    pub fn into_result(self, object: Option<&dyn Object>) -> ApiResult<()> {
        let Some((message, reason)) = self.refusal else { return Ok(()) };
        let reason = if reason.is_empty() { "Invalid".to_owned() } else { reason };
        let mut status = self.subject.context.forbidden(object, &message).status().clone();
        status.code = match reason.as_str() {
            "Forbidden" => 403,
            "Unauthorized" => 401,
            "RequestEntityTooLarge" => 413,
            _ => 422,
        };
        status.reason = reason;
        if let Some(details) = &mut status.details {
            details.causes.push(StatusCause { message, ..StatusCause::default() });
        }
        Err(status.into())
    }
}

/// The value, not longer than it may be.
fn cut(value: &str) -> &str {
    let mut most = value.len().min(LONGEST_ANNOTATION);
    while !value.is_char_boundary(most) {
        most -= 1;
    }
    &value[..most]
}
