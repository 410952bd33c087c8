//! The group `admissionregistration.k8s.io`.

mod expressions;
mod mutating;
mod policies;
mod validate;
mod webhooks;

pub use mutating::{
    MutatingAdmissionPolicyAlphaStrategy, MutatingAdmissionPolicyBindingAlphaStrategy,
    MutatingAdmissionPolicyBindingStrategy, MutatingAdmissionPolicyStrategy,
};
pub use policies::{ValidatingAdmissionPolicyBindingStrategy, ValidatingAdmissionPolicyStrategy};
pub use webhooks::{MutatingWebhookConfigurationStrategy, ValidatingWebhookConfigurationStrategy};

use crate::rules::Rules;

const RULES: Rules = Rules { unconditional_update: false, generation: true, ..Rules::ANY_FINALIZERS };
