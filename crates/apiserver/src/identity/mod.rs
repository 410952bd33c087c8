//! Whom the server asks about users: providers of OpenID Connect for their keys, and webhooks that know tokens or
//! authorize. Each is a file; `remote.rs` is how a webhook is called.

mod asked;
mod authorizer_webhook;
mod legacy_tokens;
mod oidc;
mod remote;
mod token_webhook;

pub use asked::{Asked, AskedAll};
pub use authorizer_webhook::AuthorizerWebhook;
pub use legacy_tokens::track as track_legacy_tokens;
pub use oidc::OidcAuthenticator;
pub use remote::Remote;
pub use token_webhook::TokenWebhook;
