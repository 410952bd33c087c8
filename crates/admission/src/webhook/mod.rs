//! MutatingAdmissionWebhook and ValidatingAdmissionWebhook: what others, outside of this process, say about a
//! write. Which webhooks are asked is [`matching`], what they are told and may answer is [`review`], who is
//! asked when is [`mutating`] and [`validating`]; the asking itself is the server's ([`crate::Server`]).

pub(crate) mod call;
mod calls;
mod hook;
pub(crate) mod matching;
mod mutating;
pub(crate) mod review;
pub(crate) mod rules;
mod validating;

#[cfg(test)]
mod tests;

pub use calls::Calls;
pub(crate) use calls::write as write_metrics;
pub(crate) use mutating::MutatingWebhooks;
pub(crate) use validating::ValidatingWebhooks;

use crate::check::Context;
use crate::policy::is_policy;

/// The names of the checks.
pub(crate) const MUTATING: &str = "MutatingAdmissionWebhook";
pub(crate) const VALIDATING: &str = "ValidatingAdmissionWebhook";
/// Whether the write is of a kind that is never shown to webhooks, or nothing could be put right again.
pub(crate) fn is_exempt(context: &Context<'_>) -> bool {
    let configurations = ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"];
    is_policy(context)
        || context.kind.group == "admissionregistration.k8s.io" && configurations.contains(&context.kind.kind)
}
