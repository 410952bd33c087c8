//! How the server proves itself to those it calls: for webhooks of admission, by a kubeconfig whose users are named
//! after whom is called (upstream's `webhook.AuthenticationInfoResolver`).

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use corten_auth::pki::Identity;
use corten_client::http::{HttpError, Proof, Token};
use http::header::AUTHORIZATION;
use http::request::Builder;

use super::Destination;

/// How the server proves itself to one peer.
#[derive(Default)]
pub struct Credential {
    identity: Option<Identity>,
    token: Option<TokenSource>,
    headers: Vec<(String, String)>,
}

enum TokenSource {
    Text(String),
    File(PathBuf),
}

impl From<Proof> for Credential {
    fn from(proof: Proof) -> Self {
        let pem = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let identity = (!proof.certificate.is_empty())
            .then(|| Identity { certificate: pem(&proof.certificate), key: pem(&proof.key) });
        let token = match proof.token {
            Token::None => None,
            Token::Text(text) => Some(TokenSource::Text(text)),
            Token::File(path) => Some(TokenSource::File(path)),
        };
        Credential { identity, token, headers: proof.headers }
    }
}

impl Credential {
    /// The certificate that is shown.
    pub fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    /// The request, with what proves whose it is.
    ///
    /// # Errors
    /// When the token cannot be read.
    pub fn sign(&self, mut request: Builder) -> Result<Builder, String> {
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let token = match &self.token {
            None => return Ok(request),
            Some(TokenSource::Text(text)) => text.clone(),
            Some(TokenSource::File(path)) => {
                let read = std::fs::read_to_string(path);
                read.map_err(|error| format!("{}: {error}", path.display()))?.trim().to_string()
            }
        };
        Ok(request.header(AUTHORIZATION, format!("Bearer {token}")))
    }
}

/// Credentials by the names of those they are for: `host:port`, `host` where the port is 443, `*.rest:port`, or `*`.
#[derive(Clone, Default)]
pub struct Credentials {
    users: HashMap<String, Arc<Credential>>,
    /// For everybody else.
    usual: Option<Arc<Credential>>,
}

impl Credentials {
    /// The users of a kubeconfig.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn of_kubeconfig(path: &Path) -> Result<Self, HttpError> {
        let (users, current) = Proof::of_kubeconfig(path)?;
        let users: HashMap<_, _> =
            users.into_iter().map(|(name, proof)| (name, Arc::new(Credential::from(proof)))).collect();
        let usual = users.get("*").or_else(|| users.get(&current)).cloned();
        Ok(Credentials { users, usual })
    }

    /// The credential for a peer.
    pub fn find(&self, peer: &Destination) -> Option<&Arc<Credential>> {
        if self.users.is_empty() {
            return None;
        }
        let authority = peer.authority();
        let found = self.named(&authority);
        let portless = || self.named(authority.strip_suffix(":443")?);
        found.or_else(portless).or(self.usual.as_ref())
    }

    /// By the whole name, or else by its end behind a star.
    fn named(&self, name: &str) -> Option<&Arc<Credential>> {
        let ends = name.match_indices('.').map(|(at, _)| format!("*{}", &name[at..]));
        self.users.get(name).or_else(|| ends.into_iter().find_map(|end| self.users.get(&end)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_name_goes_first() {
        let named =
            |name: &str| Credential { headers: vec![(name.into(), String::new())], ..Default::default() };
        let names = ["a.ns.svc:8443", "*.ns.svc:8443", "*.svc", "b.ns.svc", "h", "[::1]:9", "*"];
        let users: HashMap<_, _> =
            names.iter().map(|name| ((*name).to_string(), Arc::new(named(name)))).collect();
        let credentials = Credentials { usual: users.get("*").cloned(), users };
        let service =
            |name: &str, port| Destination::Service { namespace: "ns".into(), name: name.into(), port };
        let host = |host: &str, port| Destination::Host { host: host.into(), port };
        for (peer, want) in [
            (service("a", 8443), "a.ns.svc:8443"),
            (service("b", 8443), "*.ns.svc:8443"),
            (service("b", 443), "b.ns.svc"),
            (service("c", 443), "*.svc"),
            (service("c", 80), "*"),
            (host("h", 443), "h"),
            (host("h", 444), "*"),
            (host("::1", 9), "[::1]:9"),
        ] {
            let found = credentials.find(&peer).expect("somebody is for all");
            assert_eq!(found.headers[0].0, want, "{peer:?}");
        }
        assert!(Credentials::default().find(&host("h", 443)).is_none());
    }
}
