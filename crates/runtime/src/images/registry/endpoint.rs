//! Where an image may be had: its registry's mirrors, then the registry.

use super::{Registries, RegistryConfig};
use crate::images::error::{Error, Result};
use crate::images::reference::{DEFAULT_REGISTRY, Reference};
use http::Uri;

/// The host behind Docker's default registry.
const DEFAULT_HOST: &str = "registry-1.docker.io";

/// One place to ask.
#[derive(Clone, Debug)]
pub(in crate::images) struct Endpoint {
    /// `http` or `https`.
    scheme: &'static str,
    /// Host and port.
    authority: String,
    /// What comes before `/v2`.
    prefix: String,
    /// The registry whose images a mirror is asked for.
    mirrored: Option<String>,
    /// Its certificates and credentials.
    pub config: RegistryConfig,
}

impl Endpoint {
    /// All places for a name, in the order to ask them.
    pub(super) fn all(registries: &Registries, reference: &Reference) -> Result<Vec<Endpoint>> {
        let registry = reference.registry();
        let config = registries.of(registry);
        let mut endpoints = Vec::new();
        for mirror in &config.mirrors {
            endpoints.push(Self::of_mirror(registries, mirror, registry)?);
        }
        let host = if registry == DEFAULT_REGISTRY { DEFAULT_HOST } else { registry };
        endpoints.push(Endpoint {
            scheme: scheme(host, &config),
            authority: host.to_owned(),
            prefix: String::new(),
            mirrored: None,
            config,
        });
        Ok(endpoints)
    }

    fn of_mirror(registries: &Registries, mirror: &str, registry: &str) -> Result<Endpoint> {
        let wrong = || {
            Error::invalid(format!(
                "mirror {mirror:?} of {registry} is neither host[:port] nor a URL: correct the configuration"
            ))
        };
        let (given, rest) = match mirror.split_once("://") {
            Some(("http", rest)) => (Some("http"), rest),
            Some(("https", rest)) => (Some("https"), rest),
            Some(_) => return Err(wrong()),
            None => (None, mirror),
        };
        let (authority, path) = rest.split_once('/').map_or((rest, ""), |(a, p)| (a, p));
        authority.parse::<http::uri::Authority>().map_err(|_| wrong())?;
        let config = registries.of(authority);
        let path = path.trim_end_matches('/').trim_end_matches("v2").trim_end_matches('/');
        Ok(Endpoint {
            scheme: given.unwrap_or_else(|| scheme(authority, &config)),
            authority: authority.to_owned(),
            prefix: if path.is_empty() { String::new() } else { format!("/{path}") },
            mirrored: Some(registry.to_owned()),
            config,
        })
    }

    /// The address of something in a repository: `manifests` or `blobs`.
    pub(super) fn url(&self, repository: &str, kind: &str, what: &str) -> Result<Uri> {
        let Endpoint { scheme, authority, prefix, .. } = self;
        let query = self.mirrored.as_ref().map(|registry| format!("?ns={registry}")).unwrap_or_default();
        let text = format!("{scheme}://{authority}{prefix}/v2/{repository}/{kind}/{what}{query}");
        text.parse().map_err(|_| Error::invalid(format!("{text:?} is no address")))
    }

    /// For messages.
    pub(super) fn host(&self) -> &str {
        &self.authority
    }

    /// Whether the pull's own credentials are for it. Mirrors have those of their configuration.
    pub(super) fn is_mirror(&self) -> bool {
        self.mirrored.is_some()
    }

    /// Whether passwords may travel unprotected to and for it.
    pub(super) fn is_plain(&self) -> bool {
        self.scheme == "http"
    }
}

impl Registries {
    fn of(&self, host: &str) -> RegistryConfig {
        self.hosts.get(host).or_else(|| self.hosts.get("*")).cloned().unwrap_or_default()
    }
}

fn scheme(authority: &str, config: &RegistryConfig) -> &'static str {
    let plain = config.insecure || (is_loopback(authority) && config.ca.is_empty());
    if plain { "http" } else { "https" }
}

fn is_loopback(authority: &str) -> bool {
    if let Some(rest) = authority.strip_prefix('[') {
        return rest
            .split(']')
            .next()
            .and_then(|ip| ip.parse::<std::net::Ipv6Addr>().ok())
            .is_some_and(|ip| ip.is_loopback());
    }
    let host = authority.split(':').next().unwrap_or_default();
    host == "localhost" || host.parse::<std::net::Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirrors_come_first_and_loopback_is_plain() {
        let json = r#"{"hosts":{
            "docker.io":{"mirrors":["mirror.lan:5000","https://proxy.lan/docker/v2/","http://plain.lan"]},
            "mirror.lan:5000":{"insecure":true},
            "localhost:7":{"ca":["/ca.pem"]},
            "*":{"mirrors":["all.lan"]}}}"#;
        let registries: Registries = serde_json::from_str(json).unwrap();
        let table: [(&str, &[&str]); 5] = [
            (
                "busybox",
                &[
                    "http://mirror.lan:5000/v2/library/busybox/blobs/x?ns=docker.io",
                    "https://proxy.lan/docker/v2/library/busybox/blobs/x?ns=docker.io",
                    "http://plain.lan/v2/library/busybox/blobs/x?ns=docker.io",
                    "https://registry-1.docker.io/v2/library/busybox/blobs/x",
                ],
            ),
            ("quay.io/a", &["https://all.lan/v2/a/blobs/x?ns=quay.io", "https://quay.io/v2/a/blobs/x"]),
            ("localhost:7/a", &["https://localhost:7/v2/a/blobs/x"]),
            ("mirror.lan:5000/a", &["http://mirror.lan:5000/v2/a/blobs/x"]),
            ("[::1]:5/a", &["https://all.lan/v2/a/blobs/x?ns=[::1]:5", "http://[::1]:5/v2/a/blobs/x"]),
        ];
        for (name, expected) in table {
            let reference = Reference::parse(name).unwrap();
            let endpoints = Endpoint::all(&registries, &reference).unwrap();
            let urls: Vec<String> = endpoints
                .iter()
                .map(|e| e.url(reference.repository(), "blobs", "x").unwrap().to_string())
                .collect();
            assert_eq!(urls, expected, "{name}");
        }
        for mirror in ["ftp://x", "", "a b"] {
            let config = RegistryConfig { mirrors: vec![mirror.into()], ..RegistryConfig::default() };
            let registries =
                Registries { hosts: [("h.io".to_owned(), config)].into(), ..Registries::default() };
            assert!(Endpoint::all(&registries, &Reference::parse("h.io/a").unwrap()).is_err(), "{mirror:?}");
        }
    }
}
