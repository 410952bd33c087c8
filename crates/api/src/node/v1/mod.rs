mod runtime_class;

pub use runtime_class::*;
