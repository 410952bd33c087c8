//! Who calls: a client certificate, a bearer token, or nobody.

mod certificate;
mod service_account;

pub use certificate::{CertificateUser, ClientCertificates, Peer};
pub use service_account::{ServiceAccountTokens, TokenAccepted, TokenRefused};

use crate::bootstrap_token;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use corten_api::authentication::v1::UserInfo;
use corten_rt::Clock;
use corten_semantics::{ApiError, ApiResult, Lookup, identity};
use std::sync::Arc;

/// Paths that anybody may read.
const OPEN_PATHS: [&str; 4] = ["/livez", "/readyz", "/healthz", "/version"];

/// Turns what a request brings into a user.
pub struct Authenticator {
    /// Service-account tokens.
    pub service_accounts: ServiceAccountTokens,
    /// The cluster's objects: service accounts, pods, nodes, bootstrap tokens.
    pub objects: Arc<dyn Lookup>,
    /// A token whose bearer may do anything; none if empty.
    pub admin_token: String,
    /// The time of day.
    pub clock: Clock,
}

impl Authenticator {
    /// Who makes a request to `path`: first the connection's certificate decides, then the bearer token.
    ///
    /// # Errors
    /// 401 for whoever proves nothing, unless the path is open, and for a token that is not good.
    pub fn request(&self, peer: &Peer, bearer: Option<&str>, path: &str) -> ApiResult<Arc<UserInfo>> {
        if let Peer::Known(known) = peer
            && known.not_after > self.clock.now()
        {
            return Ok(Arc::clone(&known.user));
        }
        let Some(token) = bearer else {
            return match peer {
                Peer::None if is_open(path) => Ok(Arc::new(anonymous())),
                _ => Err(ApiError::unauthorized()),
            };
        };
        match self.token(token, &[]) {
            Ok(Some(accepted)) => Ok(Arc::new(accepted.user)),
            Ok(None) => Err(ApiError::unauthorized()),
            Err(why) => {
                tracing::debug!(%why, "bearer token refused");
                Err(ApiError::unauthorized())
            }
        }
    }

    /// Whose token this is, for one of `audiences` (the API server itself when empty); `None` if no
    /// authenticator knows it. Also answers a TokenReview.
    ///
    /// # Errors
    /// When it is a service account's but not good.
    pub fn token(&self, token: &str, audiences: &[String]) -> Result<Option<TokenAccepted>, TokenRefused> {
        let now = self.clock.now();
        let for_this_server = audiences.is_empty() || audiences.iter().any(|a| a == crate::token::ISSUER);
        let local = |user: Option<UserInfo>| {
            user.filter(|_| for_this_server)
                .map(|user| TokenAccepted { user, audiences: vec![crate::token::ISSUER.to_string()] })
        };
        let accepted = match local(self.admin(token)) {
            Some(admin) => Some(admin),
            None => match local(bootstrap_token::authenticate(token, self.objects.as_ref(), now)) {
                Some(joining) => Some(joining),
                None => self.service_accounts.authenticate(token, audiences, self.objects.as_ref(), now)?,
            },
        };
        Ok(accepted.map(|mut accepted| {
            add_authenticated(&mut accepted.user);
            accepted
        }))
    }

    fn admin(&self, token: &str) -> Option<UserInfo> {
        let same = verify_slices_are_equal(token.as_bytes(), self.admin_token.as_bytes()).is_ok();
        (same && !self.admin_token.is_empty()).then(|| UserInfo {
            username: "admin".into(),
            groups: vec![identity::MASTERS.into()],
            ..UserInfo::default()
        })
    }
}

/// The bearer token of an `Authorization` header.
pub fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.trim().split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() && !token.contains(' ')).then_some(token)
}

/// Whether anybody may read the path.
pub fn is_open(path: &str) -> bool {
    OPEN_PATHS.iter().any(|open| match path.strip_prefix(open) {
        Some(rest) => rest.is_empty() || rest.starts_with('/'),
        None => false,
    })
}

/// The user who has proved nothing.
pub fn anonymous() -> UserInfo {
    UserInfo {
        username: identity::ANONYMOUS.into(),
        groups: vec![identity::UNAUTHENTICATED.into()],
        ..UserInfo::default()
    }
}

fn add_authenticated(user: &mut UserInfo) {
    if !identity::in_group(user, identity::AUTHENTICATED) {
        user.groups.push(identity::AUTHENTICATED.into());
    }
}

#[cfg(test)]
mod tests;
