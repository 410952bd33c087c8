//! Rung 1 of the ladder: what the way from `kubectl apply` to a running pod behind a Service needs.

mod api_machinery;
mod apps;
mod architecture;
mod auth;
mod cli;
mod network;
mod node;
mod storage;
