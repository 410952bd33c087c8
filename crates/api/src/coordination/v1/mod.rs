mod lease;

pub use lease::*;
