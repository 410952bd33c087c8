//! What expressions cost: counted as they are evaluated, and estimated before.

mod calls;
pub mod estimate;
pub mod range;
pub mod runtime;
