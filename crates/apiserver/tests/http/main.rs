//! The HTTP layer from outside: a real server on loopback, raw requests, real certificates.

mod basics;
mod bounds;
mod refusals;
mod streams;
mod transport;
mod world;
