//! What an operator says of a server's TLS: its oldest version, its cipher suites, and certificates for names of
//! their own.

use crate::tls::{self, ServerIdentity};
use rustls::SupportedProtocolVersion;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use std::sync::Arc;

static BOTH: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];
static NEW: [&SupportedProtocolVersion; 1] = [&TLS13];

/// Versions and cipher suites.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Protocols {
    only_13: bool,
    /// The suites of TLS 1.2, by their names; the usual ones when empty.
    suites: Vec<String>,
}

impl Protocols {
    /// From names as Go has them: `VersionTLS12`, `TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256`; nothing for what is usual.
    ///
    /// # Errors
    /// In upstream's words, for names that are not known here.
    pub fn parse(version: &str, suites: &[String]) -> Result<Self, String> {
        let only_13 = match version {
            // What is older than 1.2 is never spoken.
            "" | "VersionTLS10" | "VersionTLS11" | "VersionTLS12" => false,
            "VersionTLS13" => true,
            other => return Err(format!("unknown tls version {other:?}")),
        };
        let known: Vec<String> =
            tls::provider().cipher_suites.iter().map(|s| format!("{:?}", s.suite())).collect();
        let mut found = Vec::new();
        for name in suites {
            let full = match name.as_str() {
                short if short.ends_with("_POLY1305") => format!("{short}_SHA256"),
                whole => whole.to_string(),
            };
            let new = full.replacen("TLS_", "TLS13_", 1);
            match known.iter().find(|known| **known == full || **known == new) {
                Some(known) => found.push(known.clone()),
                None => return Err(format!("Cipher suite {name} not supported or doesn't exist")),
            }
        }
        Ok(Protocols { only_13, suites: found })
    }

    /// As Go, suites of TLS 1.3 are always there.
    pub(crate) fn provider(&self) -> Arc<CryptoProvider> {
        let usual = tls::provider();
        if self.suites.is_empty() {
            return usual;
        }
        let mut provider = CryptoProvider::clone(&usual);
        provider.cipher_suites.retain(|suite| {
            suite.version() == &TLS13 || self.suites.contains(&format!("{:?}", suite.suite()))
        });
        Arc::new(provider)
    }

    pub(crate) fn versions(&self) -> &'static [&'static SupportedProtocolVersion] {
        if self.only_13 { &NEW } else { &BOTH }
    }
}

/// Certificates by the name that a client asks for.
#[derive(Debug)]
pub struct NamedIdentities {
    /// For other names, and for who names none.
    pub usual: Arc<ServerIdentity>,
    /// With the names they are for, which may begin with `*.`.
    pub named: Vec<(Vec<String>, Arc<ServerIdentity>)>,
}

impl NamedIdentities {
    fn find(&self, name: &str) -> Option<&Arc<ServerIdentity>> {
        let of = |name: &str| {
            let has = |names: &[String]| names.iter().any(|one| one.eq_ignore_ascii_case(name));
            self.named.iter().find(|(names, _)| has(names)).map(|(_, identity)| identity)
        };
        let name = name.trim_end_matches('.');
        let mut labels: Vec<&str> = name.split('.').collect();
        of(name).or_else(|| {
            // As Go: label after label is replaced.
            (0..labels.len()).find_map(|i| {
                labels[i] = "*";
                of(&labels.join("."))
            })
        })
    }
}

impl ResolvesServerCert for NamedIdentities {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let named = hello.server_name().and_then(|name| self.find(name));
        named.unwrap_or(&self.usual).resolve(hello)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::{Authority, Leaf, Purpose};
    use corten_rt::Timestamp;

    #[test]
    fn versions_and_suites_are_go_s() {
        let suite = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256";
        let suites = |names: &str| -> Vec<String> { names.split_whitespace().map(str::to_owned).collect() };
        let chosen = Protocols::parse("VersionTLS12", &suites(suite)).expect("known");
        let old = |protocols: &Protocols| {
            let all = protocols.provider().cipher_suites.clone();
            all.iter().filter(|suite| suite.version() == &TLS12).count()
        };
        assert_eq!((old(&chosen), old(&Protocols::default()) > 1), (1, true));
        assert_eq!(Protocols::parse("VersionTLS13", &[]).expect("known").versions().len(), 1);
        let both = "TLS_AES_128_GCM_SHA256 TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305";
        assert!(Protocols::parse("", &suites(both)).is_ok());
        for (version, names, why) in [
            ("1.2", "", "unknown tls version \"1.2\""),
            (
                "",
                "TLS_RSA_WITH_RC4_128_SHA",
                "Cipher suite TLS_RSA_WITH_RC4_128_SHA not supported or doesn't exist",
            ),
        ] {
            assert_eq!(Protocols::parse(version, &suites(names)).err().as_deref(), Some(why));
        }
    }

    #[test]
    fn names_have_certificates_of_their_own() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a time");
        let authority = Authority::create("a", now).expect("an authority");
        let identity = |name: &str| {
            let leaf = Leaf { common_name: name.into(), purpose: Purpose::Server, ..Leaf::default() };
            Arc::new(ServerIdentity::new(&authority.issue(&leaf, now).expect("issued")).expect("an identity"))
        };
        let (one, many) = (identity("one"), identity("many"));
        let names = |name: &str| vec![name.to_string()];
        let all = NamedIdentities {
            usual: identity("usual"),
            named: vec![(names("*.ex.io"), many.clone()), (names("api.ex.io"), one.clone())],
        };
        for (name, want) in [
            ("api.ex.io", Some(&one)),
            ("API.ex.io.", Some(&one)),
            ("web.ex.io", Some(&many)),
            ("a.b.ex.io", None),
            ("ex.io", None),
        ] {
            let found = all.find(name);
            assert_eq!(found.map(Arc::as_ptr), want.map(Arc::as_ptr), "{name}");
        }
    }
}
