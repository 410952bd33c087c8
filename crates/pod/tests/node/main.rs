//! The real supervisor, spoken to through its socket, with busybox as the image. Needs root; says so and
//! passes without.

#[allow(dead_code)]
#[path = "../../src/kernel/mod.rs"]
mod kernel;

mod containers;
mod figures;
mod pod;
mod streams;
mod supervision;
