//! The HTTP layer from outside: a real server on loopback, raw requests, real certificates.

mod basics;
mod refusals;
mod transport;
mod world;
