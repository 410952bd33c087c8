//! The HTTP layer from outside: a real server on loopback, raw requests, real certificates.

mod aggregation;
mod apply;
mod audit;
mod basics;
mod bounds;
mod cbor;
mod custom;
mod flow;
mod hooks;
mod identity;
mod metrics;
mod owners;
mod policies;
mod refusal_table;
mod refusals;
mod shutdown;
mod streams;
mod transport;
mod trust;
mod world;
