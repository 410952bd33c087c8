mod matching;
mod mutating_webhook_configuration;
mod validating_admission_policy;
mod validating_admission_policy_binding;
mod validating_webhook_configuration;

pub use matching::*;
pub use mutating_webhook_configuration::*;
pub use validating_admission_policy::*;
pub use validating_admission_policy_binding::*;
pub use validating_webhook_configuration::*;
