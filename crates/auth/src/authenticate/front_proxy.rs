//! A proxy in front of the server that has authenticated its callers and says by headers who they are
//! (upstream's `headerrequest`).

use super::Peer;
use crate::impersonate::unescape;
use crate::pki::{Inspected, PkiError};
use crate::tls;
use corten_api::Items;
use corten_api::authentication::v1::UserInfo;
use corten_rt::Timestamp;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Whom to believe, and which headers; the names are those of kube-apiserver's `--requestheader-` flags.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FrontProxySettings {
    /// The common names of proxies; any when empty.
    pub allowed_names: Vec<String>,
    /// The first of these that is there names the user.
    pub username_headers: Vec<String>,
    /// The first of these that is there holds the UID.
    pub uid_headers: Vec<String>,
    /// All of these hold groups.
    pub group_headers: Vec<String>,
    /// What follows such a prefix is the key of an extra.
    pub extra_headers_prefix: Vec<String>,
}

/// Believes proxies whose certificates an authority of their own has signed.
#[derive(Debug)]
pub struct FrontProxy {
    verifier: Arc<dyn ClientCertVerifier>,
    settings: FrontProxySettings,
}

impl FrontProxy {
    /// Believes certificates of `authorities`.
    ///
    /// # Errors
    /// When an authority's certificate is malformed.
    pub fn new(
        authorities: &[CertificateDer<'static>],
        settings: FrontProxySettings,
    ) -> Result<Self, PkiError> {
        let roots = Arc::new(tls::roots(authorities)?);
        let verifier = WebPkiClientVerifier::builder_with_provider(roots, tls::provider())
            .build()
            .map_err(|e| PkiError::Malformed(e.to_string()))?;
        let lower = |names: Vec<String>| names.iter().map(|n| n.to_ascii_lowercase()).collect();
        let settings = FrontProxySettings {
            allowed_names: settings.allowed_names,
            username_headers: lower(settings.username_headers),
            uid_headers: lower(settings.uid_headers),
            group_headers: lower(settings.group_headers),
            extra_headers_prefix: lower(settings.extra_headers_prefix),
        };
        Ok(FrontProxy { verifier, settings })
    }

    /// Marks a connection whose certificate is a proxy's; to be asked once a connection.
    pub fn judge(&self, chain: &[CertificateDer<'_>], own: Peer, now: Timestamp) -> Peer {
        match self.verify(chain, now) {
            Ok(not_after) => Peer::FrontProxy { not_after, own: Box::new(own) },
            Err(why) => {
                tracing::debug!(%why, "not a front proxy's certificate");
                own
            }
        }
    }

    fn verify(&self, chain: &[CertificateDer<'_>], now: Timestamp) -> Result<Timestamp, PkiError> {
        let refuse = |why: String| PkiError::Malformed(why);
        let Some((own, others)) = chain.split_first() else {
            return Err(refuse("there is none".into()));
        };
        let seconds = u64::try_from(now.as_second()).unwrap_or_default();
        let time = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        self.verifier.verify_client_cert(own, others, time).map_err(|e| refuse(e.to_string()))?;
        let read = Inspected::from_der(own)?;
        let allowed = &self.settings.allowed_names;
        if !allowed.is_empty() && !allowed.contains(&read.common_name) {
            return Err(refuse(format!("{:?} is not among the allowed names", read.common_name)));
        }
        Ok(read.not_after)
    }

    /// Who the headers (names in any case) say calls; `None` if they name nobody.
    pub(super) fn user<'a>(&self, headers: impl Iterator<Item = (&'a str, &'a str)>) -> Option<UserInfo> {
        let headers: Vec<(String, &str)> =
            headers.map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
        let first = |wanted: &[String]| {
            let filled = |want: &String| headers.iter().find(|(name, v)| name == want && !v.is_empty());
            wanted.iter().find_map(filled).map(|(_, value)| (*value).to_string())
        };
        let username = first(&self.settings.username_headers)?;
        let of = |want: &String| {
            let want = want.clone();
            headers.iter().filter(move |(name, _)| *name == want).map(|(_, value)| (*value).to_string())
        };
        let mut extra: BTreeMap<String, Items> = BTreeMap::new();
        for (name, value) in &headers {
            let key = self.settings.extra_headers_prefix.iter().find_map(|p| name.strip_prefix(p.as_str()));
            if let Some(key) = key {
                extra.entry(unescape(key)).or_default().0.push((*value).to_string());
            }
        }
        Some(UserInfo {
            username,
            uid: first(&self.settings.uid_headers).unwrap_or_default(),
            groups: self.settings.group_headers.iter().flat_map(of).collect(),
            extra,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::{Authority, Leaf};

    fn settings() -> FrontProxySettings {
        let one = |name: &str| vec![name.to_string()];
        FrontProxySettings {
            allowed_names: one("front"),
            username_headers: one("X-Remote-User"),
            uid_headers: one("X-Remote-Uid"),
            group_headers: one("X-Remote-Group"),
            extra_headers_prefix: one("X-Remote-Extra-"),
        }
    }

    #[test]
    fn headers_say_who_calls() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a time");
        let authority = Authority::create("proxies", now).expect("an authority");
        let proxy = FrontProxy::new(&[authority.certificate().clone()], settings()).expect("a proxy");
        let user = proxy.user(
            [
                ("x-remote-user", "jane"),
                ("X-Remote-Group", "a"),
                ("x-remote-group", "b"),
                ("x-remote-uid", "7"),
                ("x-remote-extra-acme.com%2Fscope", "s"),
            ]
            .into_iter(),
        );
        let user = user.expect("somebody");
        assert_eq!((user.username.as_str(), user.uid.as_str()), ("jane", "7"));
        assert_eq!(user.groups, ["a", "b"]);
        assert_eq!(user.extra["acme.com/scope"].0, ["s"]);
        assert_eq!(proxy.user([("x-remote-group", "a")].into_iter()), None);
    }

    #[test]
    fn only_the_proxies_themselves_are_believed() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a time");
        let authority = Authority::create("proxies", now).expect("an authority");
        let other = Authority::create("others", now).expect("an authority");
        let proxy = FrontProxy::new(&[authority.certificate().clone()], settings()).expect("a proxy");
        for (signer, name, believed) in
            [(&authority, "front", true), (&authority, "back", false), (&other, "front", false)]
        {
            let identity = signer.issue(&Leaf::client(name, ""), now).expect("a certificate");
            let chain = [Inspected::from_pem(&identity.certificate).expect("readable").der];
            let peer = proxy.judge(&chain, Peer::Stranger, now);
            assert_eq!(matches!(peer, Peer::FrontProxy { .. }), believed, "{name}");
            assert!(matches!(peer.own(), Peer::Stranger));
        }
    }
}
