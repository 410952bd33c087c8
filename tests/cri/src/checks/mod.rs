//! The checks, a file for each part of the API.

mod containers;
mod images;
mod mounts;
mod processes;
mod resources;
mod runtime;
mod sandboxes;
mod security;
mod stats;

use anyhow::Result;
use futures::future::BoxFuture;

use crate::world::World;

/// A check of a runtime.
pub type Check = for<'w> fn(&'w World) -> BoxFuture<'w, Result<()>>;

/// A list of checks under their names.
macro_rules! checks {
    ($($name:ident),* $(,)?) => {
        /// The checks of this file.
        pub const CHECKS: &[(&str, super::Check)] = &[$((stringify!($name), |world| Box::pin($name(world)))),*];
    };
}
use checks;

/// All checks in order.
pub fn all() -> impl Iterator<Item = (&'static str, Check)> {
    [
        runtime::CHECKS,
        images::CHECKS,
        sandboxes::CHECKS,
        containers::CHECKS,
        processes::CHECKS,
        security::CHECKS,
        mounts::CHECKS,
        resources::CHECKS,
        stats::CHECKS,
    ]
    .concat()
    .into_iter()
}
