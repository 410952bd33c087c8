//! The group `networking.k8s.io`.

mod ingress;
mod ingress_class;
mod network_policy;
mod service_cidr;

pub use ingress::IngressStrategy;
pub use ingress_class::IngressClassStrategy;
pub use network_policy::NetworkPolicyStrategy;
pub use service_cidr::{IPAddressStrategy, ServiceCIDRStrategy};
