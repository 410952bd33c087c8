//! The runtime with real pods, through CRI. Needs root and busybox; says so and passes without.

mod codes;
mod confinement;
mod faults;
mod life;
mod streams;
mod world;
