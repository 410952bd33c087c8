//! The API server: the specs of SIGs API Machinery, Auth, CLI and Instrumentation beyond rung 1.

mod aggregator;
mod apf;
mod auth;
mod chunking;
mod conversion;
mod crud;
mod csr;
mod definitions;
mod discovery;
mod events;
mod field_validation;
mod gc;
mod guestbook;
mod kubectl;
mod match_conditions;
mod namespaces;
mod openapi;
mod policies;
mod quota;
mod table;
mod webhooks;
