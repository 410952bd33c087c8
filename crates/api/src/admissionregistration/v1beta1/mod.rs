mod mutating_admission_policy;
mod mutating_admission_policy_binding;

pub use mutating_admission_policy::*;
pub use mutating_admission_policy_binding::*;
