//! The HTTP layer from outside: a real server on loopback, raw requests, real certificates.

mod aggregation;
mod audit;
mod apply;
mod basics;
mod bounds;
mod custom;
mod hooks;
mod identity;
mod owners;
mod refusal_table;
mod flow;
mod refusals;
mod shutdown;
mod streams;
mod transport;
mod world;
