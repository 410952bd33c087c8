//! Interpreters over the schema: JSON, YAML, protobuf, patches, tables, OpenAPI

pub mod patch;
