mod certificate_signing_request;

pub use certificate_signing_request::*;
