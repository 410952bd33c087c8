mod flow_schema;
mod priority_level_configuration;

pub use flow_schema::*;
pub use priority_level_configuration::*;
