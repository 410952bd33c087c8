mod self_subject_review;
mod token_request;
mod token_review;

pub use self_subject_review::*;
pub use token_request::*;
pub use token_review::*;
