//! The group `flowcontrol.apiserver.k8s.io`.

mod flow_schema;
mod priority_level_configuration;
mod rule;

pub use flow_schema::FlowSchemaStrategy;
pub use priority_level_configuration::PriorityLevelConfigurationStrategy;

use crate::rules::{Rules, StatusMetadata};

const RULES: Rules = Rules { status_metadata: StatusMetadata::Kept, ..Rules::COUNTED };
