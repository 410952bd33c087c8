//! What expressions cost: counted as they are evaluated, and estimated before.

pub mod runtime;
