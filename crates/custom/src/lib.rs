//! Custom resources. A [`CustomResourceDefinition`](corten_api::apiextensions::v1::CustomResourceDefinition)
//! becomes a [`Resource`]: the kinds it declares, one [`CustomStrategy`] each, and its schemas in compact form
//! ([`schema`]), made when an object first needs them. [`value`] is what a schema does to objects: pruning,
//! defaults, validation; `rules` are its expressions. [`DefinitionStrategy`] judges definitions themselves. Nothing here does input or output.

mod column;
mod definition;
mod finding;
pub mod json_path;
pub mod object;
mod published;
mod resource;
mod rules;
mod scale_path;
pub mod schema;
mod strategy;
pub mod value;

pub use column::Column;
pub use definition::DefinitionStrategy;
pub use definition::authority::refused as refused_authority;
pub use resource::{Resource, Source, Version, declared_kinds, priority};
pub use scale_path::Scale;
pub use strategy::CustomStrategy;

#[cfg(test)]
mod testing {
    use crate::schema::{Builder, Schema};
    use corten_api::apiextensions::v1::JSONSchemaProps;
    use corten_codec::{Problems, json};

    /// A schema from JSON, and the number of its root.
    pub fn schema(of: serde_json::Value) -> (Schema, u32) {
        let mut builder = Builder::default();
        let root = builder.add(&props(of));
        (builder.finish(), root)
    }

    pub fn props(of: serde_json::Value) -> JSONSchemaProps {
        let mut props = JSONSchemaProps::default();
        let mut problems = Problems::strict();
        json::decode_struct(of.to_string().as_bytes(), &mut props, &mut problems).expect("a schema");
        assert!(problems.is_empty(), "{:?}", problems.found());
        props
    }
}
