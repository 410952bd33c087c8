mod cluster_role;
mod cluster_role_binding;
mod role;
mod role_binding;

pub use cluster_role::*;
pub use cluster_role_binding::*;
pub use role::*;
pub use role_binding::*;
