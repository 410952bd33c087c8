//! Who users are, and who says what they may do: flags with kube-apiserver's names, and the files behind them.

use super::files;
use anyhow::{Context, Result, bail};
use clap::Args;
use corten_auth::authenticate::{Anonymous, FrontProxy, FrontProxySettings};
use corten_auth::authorize::duration;
use corten_auth::oidc::{
    AuthenticationConfiguration, ClaimMappings, ClaimValidationRule, Issuer, JwtAuthenticator,
    PrefixedClaimOrExpression,
};
use corten_auth::pki::{Pki, bundle};
use corten_auth::token::{EXTENDED_TOKEN_SECONDS, PublicKey, SigningKey, TokenSettings};
use rustls::pki_types::CertificateDer;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The name of the server's own certificate to others whom it speaks for users to.
const OWN_PROXY: &str = "front-proxy-client";

#[derive(Args, Clone, Debug)]
pub struct IdentityFlags {
    /// Who issues service account tokens; of several the first makes them, and all are believed.
    #[arg(long, env = "CORTEN_SERVICE_ACCOUNT_ISSUER", value_delimiter = ',', value_name = "URLS",
          default_value = corten_auth::token::ISSUER)]
    pub service_account_issuer: Vec<String>,
    /// Where others find the keys of these tokens; below the issuer when absent.
    #[arg(long, env = "CORTEN_SERVICE_ACCOUNT_JWKS_URI", default_value = "", value_name = "URL")]
    pub service_account_jwks_uri: String,
    /// The longest life of service account tokens, such as 24h.
    #[arg(long, env = "CORTEN_SERVICE_ACCOUNT_MAX_TOKEN_EXPIRATION", value_name = "DURATION")]
    pub service_account_max_token_expiration: Option<String>,
    /// The file of the private key that signs service account tokens; one of the cluster's own when absent.
    #[arg(long, env = "CORTEN_SERVICE_ACCOUNT_SIGNING_KEY_FILE", value_name = "FILE")]
    pub service_account_signing_key_file: Option<PathBuf>,
    /// Files with keys that check service account tokens, beside the one that signs them; repeated for several.
    #[arg(long, env = "CORTEN_SERVICE_ACCOUNT_KEY_FILE", value_delimiter = ',', value_name = "FILES")]
    pub service_account_key_file: Vec<PathBuf>,
    /// Whether the tokens that pods mount live a year, so that programs that do not read them again go on
    /// working; what they say of their end stays an hour.
    #[arg(
        long,
        env = "CORTEN_SERVICE_ACCOUNT_EXTEND_TOKEN_EXPIRATION",
        action = clap::ArgAction::Set,
        default_value_t = true,
        value_name = "BOOL"
    )]
    pub service_account_extend_token_expiration: bool,
    /// The names of the API server in tokens; the issuers when absent.
    #[arg(long, env = "CORTEN_API_AUDIENCES", value_delimiter = ',', value_name = "NAMES")]
    pub api_audiences: Vec<String>,
    /// Whether requests that prove nothing are answered as system:anonymous; when absent, at /livez, /readyz,
    /// /healthz and /version alone.
    #[arg(long, env = "CORTEN_ANONYMOUS_AUTH", action = clap::ArgAction::Set, value_name = "BOOL")]
    pub anonymous_auth: Option<bool>,
    /// A file of kind AuthenticationConfiguration: providers of OpenID Connect, and anonymous requests.
    #[arg(long, env = "CORTEN_AUTHENTICATION_CONFIG", value_name = "FILE")]
    pub authentication_config: Option<PathBuf>,
    /// A file of tokens, each a line of token, user, UID and perhaps groups, as CSV.
    #[arg(long, env = "CORTEN_TOKEN_AUTH_FILE", value_name = "FILE")]
    pub token_auth_file: Option<PathBuf>,
    /// Whether the tokens with which nodes join are good.
    #[arg(
        long,
        env = "CORTEN_ENABLE_BOOTSTRAP_TOKEN_AUTH",
        action = clap::ArgAction::Set,
        num_args = 0..=1,
        default_value_t = true,
        default_missing_value = "true",
        value_name = "BOOL"
    )]
    pub enable_bootstrap_token_auth: bool,
    /// Authorities of clients' certificates, beside the cluster's own; may change while the server runs.
    #[arg(long, env = "CORTEN_CLIENT_CA_FILE", value_name = "FILE")]
    pub client_ca_file: Option<PathBuf>,
    #[command(flatten)]
    pub oidc: OidcFlags,
    #[command(flatten)]
    pub proxy: ProxyFlags,
    #[command(flatten)]
    pub webhooks: WebhookFlags,
}

/// One provider of OpenID Connect.
#[derive(Args, Clone, Debug)]
pub struct OidcFlags {
    /// A provider of OpenID Connect, by its URL; requires --oidc-client-id.
    #[arg(long, env = "CORTEN_OIDC_ISSUER_URL", default_value = "", value_name = "URL")]
    pub oidc_issuer_url: String,
    /// For whom its tokens are.
    #[arg(long, env = "CORTEN_OIDC_CLIENT_ID", default_value = "", value_name = "NAME")]
    pub oidc_client_id: String,
    /// The authority that signed the provider's certificate; the machine's own when absent.
    #[arg(long, env = "CORTEN_OIDC_CA_FILE", value_name = "FILE")]
    pub oidc_ca_file: Option<PathBuf>,
    /// The claim that names the user.
    #[arg(long, env = "CORTEN_OIDC_USERNAME_CLAIM", default_value = "sub", value_name = "CLAIM")]
    pub oidc_username_claim: String,
    /// What is put before names; the issuer and # when absent, nothing for `-`.
    #[arg(
        long,
        env = "CORTEN_OIDC_USERNAME_PREFIX",
        default_value = "",
        value_name = "PREFIX",
        allow_hyphen_values = true
    )]
    pub oidc_username_prefix: String,
    /// The claim that names the groups.
    #[arg(long, env = "CORTEN_OIDC_GROUPS_CLAIM", default_value = "", value_name = "CLAIM")]
    pub oidc_groups_claim: String,
    /// What is put before groups.
    #[arg(long, env = "CORTEN_OIDC_GROUPS_PREFIX", default_value = "", value_name = "PREFIX")]
    pub oidc_groups_prefix: String,
    /// The algorithms that its tokens may be signed with.
    #[arg(
        long,
        env = "CORTEN_OIDC_SIGNING_ALGS",
        value_delimiter = ',',
        default_value = "RS256",
        value_name = "NAMES"
    )]
    pub oidc_signing_algs: Vec<String>,
    /// Claims that tokens must have, CLAIM=VALUE,...
    #[arg(long, env = "CORTEN_OIDC_REQUIRED_CLAIM", value_delimiter = ',', value_name = "CLAIMS")]
    pub oidc_required_claim: Vec<String>,
}

/// A proxy in front that says by headers who calls.
#[derive(Args, Clone, Debug)]
pub struct ProxyFlags {
    /// The authority of proxies that say by headers who calls; when absent, the cluster's own front proxy's.
    #[arg(long, env = "CORTEN_REQUESTHEADER_CLIENT_CA_FILE", value_name = "FILE")]
    pub requestheader_client_ca_file: Option<PathBuf>,
    /// The names of such proxies; any that the authority signed when absent.
    #[arg(long, env = "CORTEN_REQUESTHEADER_ALLOWED_NAMES", value_delimiter = ',', value_name = "NAMES")]
    pub requestheader_allowed_names: Vec<String>,
    /// The headers that name the user.
    #[arg(
        long,
        env = "CORTEN_REQUESTHEADER_USERNAME_HEADERS",
        value_delimiter = ',',
        default_value = "X-Remote-User",
        value_name = "NAMES"
    )]
    pub requestheader_username_headers: Vec<String>,
    /// The headers that hold the user's UID.
    #[arg(
        long,
        env = "CORTEN_REQUESTHEADER_UID_HEADERS",
        value_delimiter = ',',
        default_value = "X-Remote-Uid",
        value_name = "NAMES"
    )]
    pub requestheader_uid_headers: Vec<String>,
    /// The headers that name groups.
    #[arg(
        long,
        env = "CORTEN_REQUESTHEADER_GROUP_HEADERS",
        value_delimiter = ',',
        default_value = "X-Remote-Group",
        value_name = "NAMES"
    )]
    pub requestheader_group_headers: Vec<String>,
    /// What headers with extras begin with.
    #[arg(
        long,
        env = "CORTEN_REQUESTHEADER_EXTRA_HEADERS_PREFIX",
        value_delimiter = ',',
        default_value = "X-Remote-Extra-",
        value_name = "PREFIXES"
    )]
    pub requestheader_extra_headers_prefix: Vec<String>,
}

/// Who is asked about tokens and permissions.
#[derive(Args, Clone, Debug)]
pub struct WebhookFlags {
    /// A kubeconfig of the webhook that knows tokens.
    #[arg(long, env = "CORTEN_AUTHENTICATION_TOKEN_WEBHOOK_CONFIG_FILE", value_name = "FILE")]
    pub authentication_token_webhook_config_file: Option<PathBuf>,
    /// The version of authentication.k8s.io that it is asked in.
    #[arg(long, env = "CORTEN_AUTHENTICATION_TOKEN_WEBHOOK_VERSION", default_value = "v1")]
    pub authentication_token_webhook_version: String,
    /// How long its answers are remembered.
    #[arg(
        long,
        env = "CORTEN_AUTHENTICATION_TOKEN_WEBHOOK_CACHE_TTL",
        default_value = "2m",
        value_name = "DURATION"
    )]
    pub authentication_token_webhook_cache_ttl: String,
    /// Who says what users may do, in order: Node, RBAC, ABAC, Webhook, AlwaysAllow, AlwaysDeny.
    #[arg(
        long,
        env = "CORTEN_AUTHORIZATION_MODE",
        value_delimiter = ',',
        default_value = "Node,RBAC",
        value_name = "MODES"
    )]
    pub authorization_mode: Vec<String>,
    /// A file with the policies of the mode ABAC, a line of JSON each.
    #[arg(long, env = "CORTEN_AUTHORIZATION_POLICY_FILE", value_name = "FILE")]
    pub authorization_policy_file: Option<PathBuf>,
    /// A kubeconfig of the webhook that authorizes.
    #[arg(long, env = "CORTEN_AUTHORIZATION_WEBHOOK_CONFIG_FILE", value_name = "FILE")]
    pub authorization_webhook_config_file: Option<PathBuf>,
    /// The version of authorization.k8s.io that it is asked in.
    #[arg(long, env = "CORTEN_AUTHORIZATION_WEBHOOK_VERSION", default_value = "v1")]
    pub authorization_webhook_version: String,
    /// How long its permissions are remembered.
    #[arg(
        long,
        env = "CORTEN_AUTHORIZATION_WEBHOOK_CACHE_AUTHORIZED_TTL",
        default_value = "5m",
        value_name = "DURATION"
    )]
    pub authorization_webhook_cache_authorized_ttl: String,
    /// How long its refusals are remembered.
    #[arg(
        long,
        env = "CORTEN_AUTHORIZATION_WEBHOOK_CACHE_UNAUTHORIZED_TTL",
        default_value = "30s",
        value_name = "DURATION"
    )]
    pub authorization_webhook_cache_unauthorized_ttl: String,
    /// A file of kind AuthorizationConfiguration: who says what users may do, in order.
    #[arg(long, env = "CORTEN_AUTHORIZATION_CONFIG", value_name = "FILE")]
    pub authorization_config: Option<PathBuf>,
}

impl IdentityFlags {
    /// What is set about service account tokens.
    pub fn tokens(&self) -> Result<TokenSettings> {
        let longest = match &self.service_account_max_token_expiration {
            None => None,
            Some(text) => {
                let longest = duration(text).map_err(anyhow::Error::msg)?;
                let hour = Duration::from_secs(3600);
                if longest < hour || longest > Duration::from_secs(1 << 32) {
                    bail!("the service-account-max-token-expiration must be between 1 hour and 2^32 seconds");
                }
                Some(i64::try_from(longest.as_secs())?)
            }
        };
        if self.service_account_issuer.iter().any(String::is_empty) {
            bail!("service-account-issuer is empty: name who issues tokens, or leave the flag out");
        }
        for (i, issuer) in self.service_account_issuer.iter().enumerate() {
            if self.service_account_issuer[..i].contains(issuer) {
                bail!("service-account-issuer {issuer:?} is already specified");
            }
            if issuer.contains(':') && issuer.split_once("://").is_none_or(|(_, rest)| rest.is_empty()) {
                bail!("service-account-issuer {issuer:?} contained a ':' but was not a valid URL");
            }
        }
        let mut keys = Vec::new();
        for file in &self.service_account_key_file {
            let text = String::from_utf8_lossy(&files::read(file)?).into_owned();
            keys.extend(PublicKey::all_of(&text).with_context(|| {
                format!("reading public key file {}: data is no PEM of RSA or ECDSA keys", file.display())
            })?);
        }
        let signing = self.service_account_signing_key_file.as_deref().map(signing_key).transpose()?;
        let extend = self.service_account_extend_token_expiration;
        if let Some(longest) = longest.filter(|longest| extend && *longest < EXTENDED_TOKEN_SECONDS) {
            tracing::warn!(
                "service-account-extend-token-expiration is true, enabling tokens valid up to \
                 {EXTENDED_TOKEN_SECONDS} seconds, which is longer than service-account-max-token-expiration \
                 set to {longest} seconds"
            );
        }
        Ok(TokenSettings {
            keys,
            signing,
            extend,
            issuers: self.service_account_issuer.clone(),
            audiences: self.api_audiences.clone(),
            jwks_uri: self.service_account_jwks_uri.clone(),
            longest,
        })
    }

    pub(super) fn anonymous(&self, configuration: &AuthenticationConfiguration) -> Result<Anonymous> {
        Ok(match (&configuration.anonymous, self.anonymous_auth) {
            (Some(_), Some(_)) => bail!(
                "--anonymous-auth flag cannot be set when anonymous field is configured in authentication \
                 configuration file"
            ),
            (Some(said), None) if !said.enabled => Anonymous::Nowhere,
            (Some(said), None) if said.conditions.is_empty() => Anonymous::Everywhere,
            (Some(said), None) => Anonymous::At(said.conditions.iter().map(|c| c.path.clone()).collect()),
            (None, Some(true)) => Anonymous::Everywhere,
            (None, Some(false)) => Anonymous::Nowhere,
            (None, None) => Anonymous::OpenPaths,
        })
    }
}

fn signing_key(file: &Path) -> Result<SigningKey> {
    let text = files::read(file)?;
    SigningKey::from_pem(&String::from_utf8_lossy(&text))
        .with_context(|| format!("failed to parse service-account-signing-key-file {}", file.display()))
}

impl OidcFlags {
    /// The provider of the flags, if they name one.
    pub(super) fn authenticator(&self) -> Result<Option<JwtAuthenticator>> {
        match (self.oidc_issuer_url.as_str(), self.oidc_client_id.as_str()) {
            ("", "") => return Ok(None),
            ("", _) | (_, "") => bail!("oidc-issuer-url and oidc-client-id must be specified together"),
            _ => {}
        }
        let prefix = match self.oidc_username_prefix.as_str() {
            "-" => String::new(),
            "" if self.oidc_username_claim != "email" => format!("{}#", self.oidc_issuer_url),
            set => set.to_string(),
        };
        let mut rules = Vec::new();
        for pair in &self.oidc_required_claim {
            let Some((claim, value)) = pair.split_once('=') else {
                bail!("--oidc-required-claim {pair:?} must be CLAIM=VALUE");
            };
            let (claim, required_value) = (claim.to_string(), value.to_string());
            rules.push(ClaimValidationRule { claim, required_value, ..ClaimValidationRule::default() });
        }
        let authority = match &self.oidc_ca_file {
            None => String::new(),
            Some(file) => {
                std::fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?
            }
        };
        let prefixed = |claim: &str, prefix: String| PrefixedClaimOrExpression {
            claim: claim.into(),
            prefix: Some(prefix),
            ..PrefixedClaimOrExpression::default()
        };
        Ok(Some(JwtAuthenticator {
            issuer: Issuer {
                url: self.oidc_issuer_url.clone(),
                certificate_authority: authority,
                audiences: vec![self.oidc_client_id.clone()],
                ..Issuer::default()
            },
            claim_validation_rules: rules,
            claim_mappings: ClaimMappings {
                username: prefixed(&self.oidc_username_claim, prefix),
                groups: prefixed(&self.oidc_groups_claim, self.oidc_groups_prefix.clone()),
                ..ClaimMappings::default()
            },
            user_validation_rules: Vec::new(),
        }))
    }
}

impl ProxyFlags {
    /// The settings that hold, those of the cluster's own front proxy where no other is named.
    pub fn settings(&self) -> FrontProxySettings {
        let mut allowed_names = self.requestheader_allowed_names.clone();
        if self.requestheader_client_ca_file.is_none() && allowed_names.is_empty() {
            allowed_names = vec![OWN_PROXY.to_string()];
        }
        FrontProxySettings {
            allowed_names,
            username_headers: self.requestheader_username_headers.clone(),
            uid_headers: self.requestheader_uid_headers.clone(),
            group_headers: self.requestheader_group_headers.clone(),
            extra_headers_prefix: self.requestheader_extra_headers_prefix.clone(),
        }
    }

    /// The authorities of proxies.
    pub(super) fn authorities(&self, pki: &Pki) -> Result<Vec<CertificateDer<'static>>> {
        match &self.requestheader_client_ca_file {
            None => Ok(vec![pki.front_proxy_ca.certificate().clone()]),
            Some(file) => authorities(file),
        }
    }

    pub(super) fn front_proxy(&self, pki: &Pki) -> Result<FrontProxy> {
        FrontProxy::new(&self.authorities(pki)?, self.settings()).map_err(anyhow::Error::from)
    }
}

/// The authorities of a file.
pub(super) fn authorities(file: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let text = files::read(file)?;
    bundle::certificates(&String::from_utf8_lossy(&text))
        .with_context(|| format!("unable to load client CA file {:?}", file.display().to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        flags: IdentityFlags,
    }

    fn flags(line: &[&str]) -> IdentityFlags {
        Line::try_parse_from([&["server"], line].concat()).expect("flags").flags
    }

    #[test]
    fn flags_mean_what_upstreams_mean() {
        let usual = flags(&[]);
        assert_eq!(usual.tokens().expect("valid"), TokenSettings::default());
        assert_eq!(usual.anonymous(&Default::default()).expect("valid"), Anonymous::OpenPaths);
        assert!(usual.oidc.authenticator().expect("valid").is_none());
        assert_eq!(usual.proxy.settings().allowed_names, [OWN_PROXY]);
        let set = flags(&[
            "--service-account-issuer=https://a,https://b",
            "--service-account-max-token-expiration=2h",
            "--anonymous-auth=false",
            "--oidc-issuer-url=https://ex.io",
            "--oidc-client-id=me",
            "--oidc-required-claim=hd=ex.io",
        ]);
        let tokens = set.tokens().expect("valid");
        assert_eq!((tokens.issuers.len(), tokens.longest), (2, Some(7200)));
        assert_eq!(set.anonymous(&Default::default()).expect("valid"), Anonymous::Nowhere);
        let provider = set.oidc.authenticator().expect("valid").expect("a provider");
        assert_eq!(provider.claim_mappings.username.prefix.as_deref(), Some("https://ex.io#"));
        assert_eq!(provider.claim_validation_rules[0].required_value, "ex.io");
        assert!(flags(&["--oidc-issuer-url=https://ex.io"]).oidc.authenticator().is_err());
        assert!(flags(&["--service-account-max-token-expiration=5m"]).tokens().is_err());
        let dir = tempfile::tempdir().expect("a directory");
        let now = corten_rt::Clock::system().now();
        Pki::open(dir.path(), &Default::default(), now).expect("certificates");
        let signing = |file: &str| {
            let flag = format!("--service-account-signing-key-file={}", dir.path().join(file).display());
            flags(&[&flag]).tokens()
        };
        assert!(signing("sa.pub").is_err(), "no private key");
        let key = signing("sa.key").expect("valid").signing.expect("a key");
        assert_eq!(key.public().algorithm(), "ES256");
    }
}
