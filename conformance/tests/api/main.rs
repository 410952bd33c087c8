//! The API server: the specs of SIGs API Machinery, Auth, CLI and Instrumentation beyond rung 1.

mod apf;
mod auth;
mod chunking;
mod csr;
mod discovery;
mod events;
mod field_validation;
mod gc;
mod guestbook;
mod kubectl;
mod namespaces;
mod quota;
mod table;
