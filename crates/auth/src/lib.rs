//! Who is it, and may they. [`pki`] makes the cluster's certificates at first start and [`tls`] serves and
//! presents them; [`authenticate`] turns a client certificate or bearer token into a user, [`token`] and
//! [`csr`] give such proofs out; [`authorize`] asks the Node authorizer and RBAC, whose default roles are in
//! [`policy`]. Other objects are read through [`corten_semantics::Lookup`], so nothing here knows the API
//! server or waits for anything.

pub mod authenticate;
pub mod bootstrap_token;
pub mod csr;
pub mod kubeconfig;
pub mod pki;
pub mod tls;
pub mod token;

pub use authenticate::Authenticator;
pub use pki::Pki;
