//! Processors that containers have for themselves (upstream's CPU manager with the policy `static`).

mod set;

pub use set::CpuSet;
