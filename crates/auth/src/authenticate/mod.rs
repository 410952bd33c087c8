//! Who calls: a client certificate, a bearer token, or nobody.

mod certificate;
mod front_proxy;
mod service_account;
mod token_file;

pub use certificate::{CertificateUser, ClientCertificates, Peer};
pub use front_proxy::{FrontProxy, FrontProxySettings};
pub use service_account::{
    INVALID_SINCE, LAST_USED, Remarks, ServiceAccountTokens, TokenAccepted, TokenRefused, TokenUses,
    UseTracker,
};
pub use token_file::TokenFile;

use crate::bootstrap_token;
use arc_swap::ArcSwap;
use async_trait::async_trait;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use corten_api::authentication::v1::UserInfo;
use corten_rt::Clock;
use corten_semantics::{ApiError, ApiResult, Lookup, identity};
use std::sync::Arc;

/// Paths that anybody may read.
const OPEN_PATHS: [&str; 4] = ["/livez", "/readyz", "/healthz", "/version"];

/// Knows tokens that this process does not issue.
#[async_trait]
pub trait TokenAuthenticator: Send + Sync {
    /// Whose token this is, for one of `audiences`; `None` if it is for others to know.
    ///
    /// # Errors
    /// When it is known, but not good, or when nobody could be asked.
    async fn authenticate(
        &self,
        token: &str,
        audiences: &[String],
    ) -> Result<Option<TokenAccepted>, TokenRefused>;
}

/// Where requests are answered that prove nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Anonymous {
    /// At the few paths that anybody may read.
    #[default]
    OpenPaths,
    /// Nowhere.
    Nowhere,
    /// At these paths.
    At(Vec<String>),
    /// Everywhere; what they may do is for the authorizers to say.
    Everywhere,
}

impl Anonymous {
    fn allows(&self, path: &str) -> bool {
        match self {
            Anonymous::OpenPaths => is_open(path),
            Anonymous::Nowhere => false,
            Anonymous::At(paths) => paths.iter().any(|p| p == path),
            Anonymous::Everywhere => true,
        }
    }
}

/// The ways to be known that an operator adds.
#[derive(Clone, Default)]
pub struct Ways {
    /// Asked in their order about tokens that are not this cluster's own.
    pub tokens: Vec<Arc<dyn TokenAuthenticator>>,
    /// A proxy in front that says who calls.
    pub front_proxy: Option<Arc<FrontProxy>>,
    /// Where nothing needs to be proved.
    pub anonymous: Anonymous,
    /// Whether the tokens with which nodes join prove nothing.
    pub without_bootstrap_tokens: bool,
}

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
    /// What an operator adds; may change while requests come.
    pub ways: ArcSwap<Ways>,
}

impl Authenticator {
    /// Who makes a request that a proxy in front brings, by its headers.
    pub fn proxied<'a>(
        &self,
        peer: &Peer,
        headers: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Option<Arc<UserInfo>> {
        let Peer::FrontProxy { not_after, .. } = peer else { return None };
        let ways = self.ways.load();
        let proxy = ways.front_proxy.as_ref().filter(|_| *not_after > self.clock.now())?;
        proxy.user(headers).map(|mut user| {
            add_authenticated(&mut user);
            Arc::new(user)
        })
    }

    /// Who makes a request to `path`: first the connection's certificate decides, then the bearer token.
    ///
    /// # Errors
    /// 401 for whoever proves nothing, unless that is allowed there, and for a token that is not good.
    pub async fn request(
        &self,
        peer: &Peer,
        bearer: Option<&str>,
        path: &str,
        remarks: &mut Remarks,
    ) -> ApiResult<Arc<UserInfo>> {
        let peer = peer.own();
        if let Peer::Known(known) = peer
            && known.not_after > self.clock.now()
        {
            return Ok(Arc::clone(&known.user));
        }
        let Some(token) = bearer else {
            return match peer {
                Peer::None if self.ways.load().anonymous.allows(path) => Ok(Arc::new(anonymous())),
                _ => Err(ApiError::unauthorized()),
            };
        };
        match self.token(token, &[], remarks).await {
            Ok(Some(accepted)) => Ok(Arc::new(accepted.user)),
            Ok(None) => Err(ApiError::unauthorized()),
            Err(why) => {
                tracing::debug!(%why, "bearer token refused");
                Err(ApiError::unauthorized())
            }
        }
    }

    /// Whose token this is, for one of `audiences` (the API server itself when empty); `None` if no
    /// authenticator knows it. Also answers a TokenReview. What is to be said beside that goes to `remarks`.
    ///
    /// # Errors
    /// What those who know it say against it.
    pub async fn token(
        &self,
        token: &str,
        audiences: &[String],
        remarks: &mut Remarks,
    ) -> Result<Option<TokenAccepted>, TokenRefused> {
        let accepted = match self.own_token(token, audiences, remarks) {
            Ok(None) => self.other_token(token, audiences, None).await?,
            // A token may be this cluster's by its issuer, and yet another one's who is configured.
            Err(why) => self.other_token(token, audiences, Some(why)).await?,
            known => known?,
        };
        Ok(accepted.map(|mut accepted| {
            add_authenticated(&mut accepted.user);
            accepted
        }))
    }

    fn own_token(
        &self,
        token: &str,
        audiences: &[String],
        remarks: &mut Remarks,
    ) -> Result<Option<TokenAccepted>, TokenRefused> {
        let now = self.clock.now();
        let names = self.service_accounts.api_audiences();
        let local = |user: Option<UserInfo>| {
            let for_this_server = |name: &&String| audiences.is_empty() || audiences.contains(name);
            let audiences: Vec<String> = names.iter().filter(for_this_server).cloned().collect();
            user.filter(|_| !audiences.is_empty()).map(|user| TokenAccepted { user, audiences })
        };
        if let Some(admin) = local(self.admin(token)) {
            return Ok(Some(admin));
        }
        let joining = || bootstrap_token::authenticate(token, self.objects.as_ref(), now);
        let joining = (!self.ways.load().without_bootstrap_tokens).then(joining).flatten();
        match local(joining) {
            Some(joining) => Ok(Some(joining)),
            None => self.service_accounts.authenticate(token, audiences, self.objects.as_ref(), now, remarks),
        }
    }

    async fn other_token(
        &self,
        token: &str,
        audiences: &[String],
        before: Option<TokenRefused>,
    ) -> Result<Option<TokenAccepted>, TokenRefused> {
        let ways = self.ways.load_full();
        let mut wrong: Vec<TokenRefused> = before.into_iter().collect();
        for other in &ways.tokens {
            match other.authenticate(token, audiences).await {
                Ok(Some(accepted)) => return Ok(Some(accepted)),
                Ok(None) => {}
                Err(why) => wrong.push(why),
            }
        }
        if wrong.len() < 2 {
            return wrong.pop().map_or(Ok(None), Err);
        }
        let texts: Vec<String> = wrong.iter().map(ToString::to_string).collect();
        Err(TokenRefused::Other(format!("[{}]", texts.join(", "))))
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
fn is_open(path: &str) -> bool {
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

pub(crate) fn add_authenticated(user: &mut UserInfo) {
    if !identity::in_group(user, identity::AUTHENTICATED) {
        user.groups.push(identity::AUTHENTICATED.into());
    }
}

#[cfg(test)]
mod tests;
