//! Who is it, and may they. [`pki`] makes the cluster's certificates at first start and [`tls`] serves and
//! presents them; [`authenticate`] turns a client certificate or bearer token into a user, [`token`] and
//! [`csr`] give such proofs out; [`oidc`] judges tokens of providers elsewhere; [`authorize`] asks the Node
//! authorizer and RBAC, whose default roles are in [`policy`], or in the order that an operator sets. Other
//! objects are read through [`corten_semantics::Lookup`], and whoever must be asked over a network is behind a
//! trait, so nothing here knows the API server.

pub mod any_server;
pub mod authenticate;
pub mod authorize;
pub mod bootstrap_token;
pub mod csr;
mod impersonate;
pub mod kubeconfig;
pub mod oidc;
pub mod pki;
pub mod policy;
pub mod tls;
pub mod tls_settings;
pub mod token;

pub use authenticate::Authenticator;
pub use authorize::{Attributes, Authorizer, Decision};
pub use impersonate::{Impersonation, ImpersonationCheck};
pub use pki::Pki;
