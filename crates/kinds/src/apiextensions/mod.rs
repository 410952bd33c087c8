//! The group `apiextensions.k8s.io`. Definitions are defaulted and prepared here; what may stand in them is
//! judged where schemas are known, in `corten_custom`.

pub mod conversion;
mod custom_resource_definition;

pub use custom_resource_definition::CustomResourceDefinitionStrategy;
