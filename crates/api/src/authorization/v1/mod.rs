mod attributes;
mod local_subject_access_review;
mod self_subject_access_review;
mod self_subject_rules_review;
mod subject_access_review;

pub use attributes::*;
pub use local_subject_access_review::*;
pub use self_subject_access_review::*;
pub use self_subject_rules_review::*;
pub use subject_access_review::*;
