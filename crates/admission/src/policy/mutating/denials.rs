//! What policies that failed do to a request (upstream's `generic/policy_dispatcher`).

use super::compiled::Policy;
use crate::check::Context;
use corten_api::Object;
use corten_api::meta::v1::StatusCause;
use corten_semantics::ApiResult;

/// The failures that are not to be ignored: the message, and the reason if it is not the usual one.
#[derive(Debug, Default)]
pub(super) struct Denials(Vec<(String, Option<&'static str>)>);

impl Denials {
    /// An expression of the policy failed.
    pub fn add(&mut self, policy: &Policy, binding: &str, why: String) {
        if !policy.ignores() {
            let name = policy.name();
            let message = format!("policy '{name}' with binding '{binding}' denied request: {why}");
            self.0.push((message, Some("Invalid")));
        }
    }

    /// The policy, or its binding, cannot be followed.
    pub fn misconfigured(&mut self, policy: &Policy, binding: Option<&str>, why: &str) {
        if policy.ignores() {
            return;
        }
        let name = policy.name();
        let message = match binding {
            Some(binding) => {
                format!(
                    "policy '{name}' with binding '{binding}' denied request: failed to configure binding: {why}"
                )
            }
            None => format!("policy {name:?} denied request: failed to configure policy: {why}"),
        };
        self.0.push((message, None));
    }

    /// The refusal, if there is one: in the words of the first failure, with all as causes.
    pub fn into_result(self, context: &Context<'_>, object: Option<&dyn Object>) -> ApiResult<()> {
        let Some((message, reason)) = self.0.first().cloned() else { return Ok(()) };
        let denied = context.forbidden(object, "admission request denied by policy");
        let mut status = denied.status().clone();
        status.message = message;
        if let Some(reason) = reason {
            status.reason = reason.into();
        }
        if let Some(details) = &mut status.details {
            let causes =
                self.0.into_iter().map(|(message, _)| StatusCause { message, ..StatusCause::default() });
            details.causes.extend(causes);
        }
        Err(status.into())
    }
}
