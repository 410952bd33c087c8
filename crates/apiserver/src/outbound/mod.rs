//! Calls that the server itself makes to others, over HTTPS: webhooks for admission and conversion, and the
//! servers behind aggregated APIs. They are Services of the cluster or URLs. Errors speak as Go's HTTP client
//! does, for people and programs read them.

mod call;
mod convert;
mod credentials;
mod dial;
mod failure;
mod peer;
mod resolve;
mod trust;

use std::collections::HashMap;
use std::sync::Arc;

use corten_api::admissionregistration::v1 as admission;
use corten_api::apiextensions::v1 as apiextensions;
use corten_auth::pki::Identity;
use corten_rt::{Clock, Instant, Tasks};
use corten_semantics::Lookup;
use parking_lot::Mutex;

pub use call::Answer;
pub use credentials::{Credential, Credentials};
pub use dial::Stream;
pub use failure::Failure;
pub use peer::{Body, Peer};
pub use resolve::{Destination, joined, slices};
pub use trust::Trust;

/// How many peers are remembered, as upstream's client manager does.
const PEERS: usize = 200;

/// Everybody the server has called lately.
pub struct Outbound {
    lookup: Arc<dyn Lookup>,
    clock: Clock,
    tasks: Tasks,
    peers: Mutex<HashMap<Key, (Instant, Arc<Peer>)>>,
}

/// What makes a peer another one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    destination: Destination,
    trust: Trust,
    /// Whether the server's own certificate is shown, and which.
    identity: Option<String>,
}

/// A webhook as its owner describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    pub destination: Destination,
    /// The URL before its query, as errors show it.
    pub url: String,
    /// The part of it that the peer sees.
    pub path: String,
    pub trust: Trust,
}

impl Hook {
    /// At a Service.
    pub fn service(
        namespace: &str,
        name: &str,
        path: Option<&str>,
        port: Option<i32>,
        bundle: &[u8],
    ) -> Self {
        let port = port.and_then(|p| u16::try_from(p).ok()).unwrap_or(443);
        let destination = Destination::Service { namespace: namespace.into(), name: name.into(), port };
        let path = rooted(path.unwrap_or_default());
        let url = format!("https://{name}.{namespace}.svc:{port}{path}");
        Hook { destination, url, path, trust: Trust::Bundle(bundle.to_vec()) }
    }

    /// At a URL.
    ///
    /// # Errors
    /// When it is none that can be called.
    pub fn url(url: &str, bundle: &[u8]) -> Result<Self, String> {
        let uri: http::Uri = url.parse().map_err(|e| format!("Unparsable URL: {e}"))?;
        let host = uri.host().filter(|_| uri.scheme_str() == Some("https"));
        let host = host.ok_or_else(|| format!("Unparsable URL: {url} is not https://host[/path]"))?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_string();
        let destination = Destination::Host { host, port: uri.port_u16().unwrap_or(443) };
        let path = rooted(uri.path());
        let authority = uri.authority().map(ToString::to_string).unwrap_or_default();
        let url = format!("https://{authority}{path}");
        Ok(Hook { destination, url, path, trust: Trust::Bundle(bundle.to_vec()) })
    }

    /// At the URL of a kubeconfig, which may be one without TLS.
    ///
    /// # Errors
    /// When it is none that can be called.
    pub fn configured(url: &str, bundle: &[u8]) -> Result<Self, String> {
        let Some(rest) = url.strip_prefix("http://") else { return Hook::url(url, bundle) };
        let mut hook = Hook::url(&format!("https://{rest}"), b"")?;
        let uri: http::Uri = url.parse().map_err(|e| format!("Unparsable URL: {e}"))?;
        if let Destination::Host { port, .. } = &mut hook.destination {
            *port = uri.port_u16().unwrap_or(80);
        }
        hook.url = hook.url.replacen("https", "http", 1);
        Ok(Hook { trust: Trust::Plain, ..hook })
    }

    /// The webhook of an admission configuration.
    ///
    /// # Errors
    /// When it names nobody.
    pub fn admission(client: &admission::WebhookClientConfig) -> Result<Self, String> {
        match (&client.service, &client.url) {
            (Some(s), _) => {
                Ok(Hook::service(&s.namespace, &s.name, s.path.as_deref(), s.port, &client.ca_bundle))
            }
            (None, Some(url)) => Hook::url(url, &client.ca_bundle),
            (None, None) => Err("webhook configuration must have either service or URL".into()),
        }
    }

    /// The webhook of a custom resource's conversion.
    ///
    /// # Errors
    /// When it names nobody.
    pub fn conversion(client: &apiextensions::WebhookClientConfig) -> Result<Self, String> {
        match (&client.service, &client.url) {
            (Some(s), _) => {
                Ok(Hook::service(&s.namespace, &s.name, s.path.as_deref(), s.port, &client.ca_bundle))
            }
            (None, Some(url)) => Hook::url(url, &client.ca_bundle),
            (None, None) => Err("webhook configuration must have either service or URL".into()),
        }
    }
}

fn rooted(path: &str) -> String {
    if path.starts_with('/') { path.to_string() } else { format!("/{path}") }
}

impl Outbound {
    /// Finds Services in `lookup`; connections live in `tasks`.
    pub fn new(lookup: Arc<dyn Lookup>, clock: Clock, tasks: Tasks) -> Self {
        Outbound { lookup, clock, tasks, peers: Mutex::default() }
    }

    /// Whoever is at `destination`, judged by `trust`; `identity` is shown to them if they ask.
    ///
    /// # Errors
    /// When the certificates are malformed.
    pub fn peer(
        &self,
        destination: &Destination,
        trust: &Trust,
        identity: Option<&Identity>,
    ) -> Result<Arc<Peer>, String> {
        let certificate = identity.map(|i| i.certificate.clone());
        let key = Key { destination: destination.clone(), trust: trust.clone(), identity: certificate };
        if let Some((used, peer)) = self.peers.lock().get_mut(&key) {
            *used = Instant::now();
            return Ok(Arc::clone(peer));
        }
        let peer = Peer::new(destination.clone(), trust, identity, self)?;
        let mut peers = self.peers.lock();
        if peers.len() >= PEERS {
            let oldest = peers.iter().min_by_key(|(_, (used, _))| *used).map(|(key, _)| key.clone());
            oldest.and_then(|key| peers.remove(&key));
        }
        peers.insert(key, (Instant::now(), Arc::clone(&peer)));
        Ok(peer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hooks_are_services_or_urls() {
        let hook = Hook::service("ns", "svc", Some("/p"), None, b"");
        assert_eq!((hook.url.as_str(), hook.path.as_str()), ("https://svc.ns.svc:443/p", "/p"));
        for (url, want) in [
            ("https://host/p", Ok(("host", 443, "https://host/p"))),
            ("https://host:8443", Ok(("host", 8443, "https://host:8443/"))),
            ("https://[::1]:1/p", Ok(("::1", 1, "https://[::1]:1/p"))),
            ("http://host/p", Err(())),
            ("host", Err(())),
        ] {
            let got = Hook::url(url, b"").map_err(|_| ());
            let got = got.as_ref().map_err(|_| ()).map(|hook| match &hook.destination {
                Destination::Host { host, port } => (host.as_str(), *port, hook.url.as_str()),
                Destination::Service { .. } => ("", 0, ""),
            });
            assert_eq!(got, want, "{url}");
        }
        let plain = Hook::configured("http://host/p", b"").expect("a hook");
        assert_eq!((plain.url.as_str(), &plain.trust), ("http://host/p", &Trust::Plain));
        assert_eq!(plain.destination, Destination::Host { host: "host".into(), port: 80 });
    }
}
