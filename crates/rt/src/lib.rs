//! The ground every other crate stands on at run time: named tasks whose cancellation is waited for
//! ([`Tasks`], [`Stop`]), the clock ([`Clock`]), randomness that a test can seed ([`random`]), and news of
//! directories ([`DirNews`]).
//!
//! Nothing here knows Kubernetes. Everything that spawns, sleeps or asks for the time goes through this
//! crate, so that a whole cluster can run on virtual time in one thread.

#![allow(clippy::disallowed_methods)] // what others must not call is called here

mod backoff;
mod clock;
mod news;
pub mod random;
mod stop;
mod tasks;

pub use backoff::Backoff;
pub use clock::{Clock, Instant, Timestamp, sleep, sleep_until, timeout};
pub use news::DirNews;
pub use stop::Stop;
pub use tasks::Tasks;
