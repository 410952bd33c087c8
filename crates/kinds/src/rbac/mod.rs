//! The group `rbac.authorization.k8s.io`.

mod binding;
mod role;

pub use binding::{ClusterRoleBindingStrategy, RoleBindingStrategy};
pub use role::{ClusterRoleStrategy, RoleStrategy};

use crate::names;
use crate::rules::Rules;

/// RBAC allows any name that fits in a URL.
const RULES: Rules =
    Rules { name: |name, _| names::path_segment(name, false), create_on_update: true, ..Rules::USUAL };
const GROUP: &str = "rbac.authorization.k8s.io";
