//! Credentials, and the tokens that registries give for them.

use super::challenge::Challenge;
use super::endpoint::Endpoint;
use super::http::{self as wire, Ask, Http};
use super::retry::Failure;
use super::{Patience, RegistryConfig};
use crate::images::error::{Error, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use corten_node_api::cri::AuthConfig;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Uri};

/// Largest answer of a token service.
const MOST_TOKEN: u64 = 1 << 20;

/// What a puller knows. Never shown.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub(in crate::images) enum Credentials {
    /// Nothing.
    #[default]
    None,
    /// User name and password.
    Password(String, String),
    /// A refresh token, for which the token service gives tokens.
    Identity(String),
    /// A token, ready for use.
    Token(String),
}

impl Credentials {
    /// Reads what CRI brings. `auth` is `user:password` in base64.
    pub(in crate::images) fn of_pull(auth: &AuthConfig) -> Result<Self> {
        if !auth.identity_token.is_empty() {
            return Ok(Credentials::Identity(auth.identity_token.clone()));
        }
        if !auth.registry_token.is_empty() {
            return Ok(Credentials::Token(auth.registry_token.clone()));
        }
        if !auth.username.is_empty() {
            return Ok(Credentials::Password(auth.username.clone(), auth.password.clone()));
        }
        if auth.auth.is_empty() {
            return Ok(Credentials::None);
        }
        let wrong = || Error::Denied {
            what: "the credentials' `auth` is not user:password in base64: correct the pull secret".into(),
        };
        let decoded = STANDARD.decode(auth.auth.trim()).map_err(|_| wrong())?;
        let text = String::from_utf8(decoded).map_err(|_| wrong())?;
        let (user, password) = text.split_once(':').ok_or_else(wrong)?;
        Ok(Credentials::Password(user.to_owned(), password.trim_end_matches('\0').to_owned()))
    }

    pub(super) fn of_config(config: &RegistryConfig) -> Self {
        match config.username.is_empty() {
            true => Credentials::None,
            false => Credentials::Password(config.username.clone(), config.password.clone()),
        }
    }

    fn basic(&self) -> Option<HeaderValue> {
        let Credentials::Password(user, password) = self else { return None };
        let mut value =
            HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
                .ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

/// Whether credentials that name a server are meant for this registry. Docker's has several names.
pub(in crate::images) fn are_for(server_address: &str, registry: &str) -> bool {
    let host = server_address.split_once("://").map_or(server_address, |(_, rest)| rest);
    let host = host.split('/').next().unwrap_or_default();
    let docker = |host: &str| matches!(host, "docker.io" | "index.docker.io" | "registry-1.docker.io");
    host.is_empty() || host == registry || (docker(host) && docker(registry))
}

/// The header that satisfies a challenge.
pub(super) async fn answer(
    challenge: &Challenge,
    credentials: &Credentials,
    repository: &str,
    endpoint: &Endpoint,
    http: &Http,
    patience: Patience,
) -> Result<HeaderValue, Failure> {
    match challenge {
        Challenge::Basic => credentials.basic().ok_or_else(|| {
            let host = endpoint.host();
            let what = format!(
                "{host} demands a user name and a password: no basic auth credentials; add an imagePullSecret"
            );
            Error::Denied { what }.into()
        }),
        Challenge::Bearer { realm, service, scope } => {
            let token = match credentials {
                Credentials::Token(token) => token.clone(),
                _ => {
                    let own = format!("repository:{repository}:pull");
                    let scope = scope.as_deref().filter(|scope| scope.contains(&own)).unwrap_or(&own);
                    let ask = token_request(realm, service.as_deref(), scope, credentials, endpoint)?;
                    fetch(&ask, http, patience).await?
                }
            };
            bearer(&token)
        }
    }
}

pub(super) fn bearer(token: &str) -> Result<HeaderValue, Failure> {
    let value = HeaderValue::from_str(&format!("Bearer {token}"));
    let mut value = value
        .map_err(|_| Error::Denied { what: "the registry token holds characters it must not".into() })?;
    value.set_sensitive(true);
    Ok(value)
}

fn token_request(
    realm: &str,
    service: Option<&str>,
    scope: &str,
    credentials: &Credentials,
    endpoint: &Endpoint,
) -> Result<Ask> {
    let host = endpoint.host();
    let url: Uri = realm.parse().map_err(|_| {
        Error::invalid(format!("{host} sends us to {realm:?} for a token, which is no address"))
    })?;
    if url.scheme_str() != Some("https") && !(url.scheme_str() == Some("http") && endpoint.is_plain()) {
        return Err(Error::Denied {
            what: format!("{host} wants the credentials sent unprotected to {realm}: refused"),
        });
    }
    let mut query = form_urlencoded(&[("scope", scope)]);
    if let Some(service) = service {
        query = format!("{}&{query}", form_urlencoded(&[("service", service)]));
    }
    if let Credentials::Identity(token) = credentials {
        let rest = form_urlencoded(&[
            ("grant_type", "refresh_token"),
            ("client_id", "corten"),
            ("refresh_token", token),
        ]);
        let mut ask = Ask::get(url);
        ask.method = Method::POST;
        ask.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        ask.body = format!("{query}&{rest}").into();
        return Ok(ask);
    }
    let base = url.to_string();
    let joined = if url.query().is_some() { format!("{base}&{query}") } else { format!("{base}?{query}") };
    let mut ask = Ask::get(joined.parse().map_err(|_| Error::invalid(format!("{joined:?} is no address")))?);
    if let Some(basic) = credentials.basic() {
        ask.headers.insert(AUTHORIZATION, basic);
    }
    Ok(ask)
}

async fn fetch(ask: &Ask, http: &Http, patience: Patience) -> Result<String, Failure> {
    #[derive(serde::Deserialize)]
    struct Answer {
        #[serde(default)]
        token: String,
        #[serde(default)]
        access_token: String,
    }
    let response = http.send(ask).await?;
    if !response.status().is_success() {
        return Err(match wire::failure(response, ask, patience).await {
            Failure::Final(error) => Failure::Final(error.during("failed to fetch a token")),
            passing => passing,
        });
    }
    let bytes = wire::read(response, MOST_TOKEN, patience, &ask.shown()).await?;
    let wrong = || Failure::from(Error::invalid(format!("{}: the answer holds no token", ask.shown())));
    let answer: Answer = serde_json::from_slice(&bytes).map_err(|_| wrong())?;
    [answer.token, answer.access_token].into_iter().find(|token| !token.is_empty()).ok_or_else(wrong)
}

fn form_urlencoded(pairs: &[(&str, &str)]) -> String {
    let encode = |text: &str| -> String {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
        text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
    };
    pairs.iter().map(|(key, value)| format!("{key}={}", encode(value))).collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_credentials() {
        let password = |user: &str, password: &str| Some(Credentials::Password(user.into(), password.into()));
        let base = AuthConfig::default;
        let table = [
            (base(), Some(Credentials::None)),
            (AuthConfig { username: "u".into(), password: "p:q".into(), ..base() }, password("u", "p:q")),
            (AuthConfig { auth: STANDARD.encode("u:p:q\0\0"), ..base() }, password("u", "p:q")),
            (AuthConfig { auth: "%".into(), ..base() }, None),
            (AuthConfig { auth: STANDARD.encode("nocolon"), ..base() }, None),
            (
                AuthConfig { identity_token: "i".into(), username: "u".into(), ..base() },
                Some(Credentials::Identity("i".into())),
            ),
            (AuthConfig { registry_token: "r".into(), ..base() }, Some(Credentials::Token("r".into()))),
        ];
        for (n, (auth, expected)) in table.into_iter().enumerate() {
            assert!(Credentials::of_pull(&auth).ok() == expected, "{n}");
        }
    }

    #[test]
    fn credentials_are_for_one_registry() {
        let table = [
            ("", "quay.io", true),
            ("quay.io", "quay.io", true),
            ("https://quay.io/v2/", "quay.io", true),
            ("https://index.docker.io/v1/", "docker.io", true),
            ("https://index.docker.io/v1/", "quay.io", false),
            ("quay.io", "quay.io.evil.com", false),
            ("127.0.0.1:5000", "127.0.0.1:5001", false),
        ];
        for (server, registry, expected) in table {
            assert_eq!(are_for(server, registry), expected, "{server} {registry}");
        }
    }
}
