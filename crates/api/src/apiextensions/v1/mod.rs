mod conversion_review;
mod custom_resource_definition;
mod json_schema_props;

pub use conversion_review::*;
pub use custom_resource_definition::*;
pub use json_schema_props::*;
