//! One pod: what it wants, what it has, what to do next.

pub mod admission;
pub mod container;
pub mod env;
pub mod env_file;
pub mod ephemeral;
pub mod expand;
pub mod grpc_health;
pub mod hooks;
pub mod http;
pub mod image;
pub mod memory;
pub mod mounts;
pub mod names;
pub mod observed;
pub mod operation;
pub mod plan;
pub mod probe;
pub mod pull_records;
pub mod pull_secrets;
pub mod resources;
pub mod runtime_features;
pub mod sandbox;
pub mod security;
pub mod status;
pub mod user_namespaces;
pub mod worker;
