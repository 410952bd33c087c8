mod priority_class;

pub use priority_class::*;
