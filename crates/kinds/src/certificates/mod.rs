//! The group `certificates.k8s.io`.

mod certificate_signing_request;
mod pem;
mod validate;

pub use certificate_signing_request::CertificateSigningRequestStrategy;
