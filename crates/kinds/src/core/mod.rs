//! The core group.

mod component_status;
mod config_map;
mod endpoints;
mod event;
mod limit_range;
mod namespace;
mod node;
pub(crate) mod persistent_volume;
mod persistent_volume_claim;
pub mod pod;
mod pod_template;
mod replication_controller;
mod resource_quota;
mod secret;
pub mod service;
mod service_account;

pub use component_status::ComponentStatusStrategy;
pub use config_map::ConfigMapStrategy;
pub use endpoints::EndpointsStrategy;
pub use event::EventStrategy;
pub(crate) use event::{COLUMNS as EVENT_COLUMNS, validate as validate_event};
pub use limit_range::LimitRangeStrategy;
pub use namespace::NamespaceStrategy;
pub use node::NodeStrategy;
pub use persistent_volume::PersistentVolumeStrategy;
pub use persistent_volume_claim::PersistentVolumeClaimStrategy;
pub(crate) use persistent_volume_claim::{access_mode_names, claim_spec, default_claim};
pub use pod::PodStrategy;
pub use pod_template::PodTemplateStrategy;
pub use replication_controller::ReplicationControllerStrategy;
pub use resource_quota::ResourceQuotaStrategy;
pub use secret::SecretStrategy;
pub use service::ServiceStrategy;
pub use service_account::ServiceAccountStrategy;

use crate::rules::Rules;

/// The usual rules of core kinds, whose finalizers are checked more strictly.
pub(crate) const CORE: Rules = Rules::USUAL;
