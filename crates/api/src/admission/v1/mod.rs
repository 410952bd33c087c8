mod admission_review;

pub use admission_review::*;
