//! Whose certificates count: clients', and those of proxies in front. Authorities are the cluster's own and those
//! of files that an operator may change while the server runs. Aggregated API servers read of them in a
//! ConfigMap, to which each server adds what it knows (upstream's `clusterauthenticationtrust`).

use super::files::{Followed, Outcome};
use super::identification::{IdentityFlags, authorities};
use anyhow::{Context, Result};
use corten_api::core::v1::ConfigMap;
use corten_apiserver::http::{Api, Server};
use corten_auth::Authenticator;
use corten_auth::authenticate::{ClientCertificates, Ways};
use corten_auth::pki::{Pki, bundle};
use corten_auth::tls;
use corten_auth::tls_settings::{NamedIdentities, Protocols};
use corten_client::{Client, Informer, WatchOptions};
use corten_rt::{Backoff, Clock, Tasks, Timestamp};
use parking_lot::Mutex;
use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

const NAMESPACE: &str = "kube-system";
const NAME: &str = "extension-apiserver-authentication";
/// How often the ConfigMap is looked at without a reason, as upstream.
const EVERY: Duration = Duration::from_secs(60);

/// Whose certificates count now.
pub struct Trust {
    flags: IdentityFlags,
    pki: Arc<Pki>,
    identity: Arc<NamedIdentities>,
    protocols: Protocols,
    certificates: Arc<ClientCertificates>,
    authenticator: Arc<Authenticator>,
    known: Mutex<Known>,
    /// The authorities have changed.
    changed: Notify,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Known {
    clients: Vec<CertificateDer<'static>>,
    proxies: Vec<CertificateDer<'static>>,
}

impl Known {
    fn read(flags: &IdentityFlags, pki: &Pki) -> Result<Self> {
        let mut clients = vec![pki.ca.certificate().clone()];
        if let Some(file) = &flags.client_ca_file {
            clients.extend(authorities(file)?);
        }
        Ok(Known { clients, proxies: flags.proxy.authorities(pki)? })
    }

    fn lacks_some_of(&self, other: &Known) -> bool {
        let gone = |now: &[CertificateDer<'_>], before: &[CertificateDer<'_>]| {
            before.iter().any(|one| !now.contains(one))
        };
        gone(&self.clients, &other.clients) || gone(&self.proxies, &other.proxies)
    }
}

impl Trust {
    /// Has `api` believe whom flags and files say; connections show certificates and speak protocols.
    pub fn begin(
        flags: &IdentityFlags,
        pki: &Arc<Pki>,
        (identity, protocols): (NamedIdentities, Protocols),
        api: &Api,
    ) -> Result<Self> {
        let known = Known::read(flags, pki)?;
        api.certificates.trust(&known.clients)?;
        Ok(Trust {
            flags: flags.clone(),
            pki: Arc::clone(pki),
            identity: Arc::new(identity),
            protocols,
            certificates: Arc::clone(&api.certificates),
            authenticator: Arc::clone(&api.authenticator),
            known: Mutex::new(known),
            changed: Notify::new(),
        })
    }

    /// What connections are made with.
    pub fn tls(&self) -> Result<Arc<ServerConfig>> {
        let Known { clients, proxies } = self.known.lock().clone();
        let authorities = [clients, proxies].concat();
        let identity: Arc<NamedIdentities> = Arc::clone(&self.identity);
        Ok(Arc::new(tls::server_config_of(identity, &authorities, &self.protocols)?))
    }

    /// Follows the files, and keeps the ConfigMap, from now on.
    pub fn keep(self: &Arc<Self>, client: Client, server: &Server, tasks: &Tasks) {
        let files = [&self.flags.client_ca_file, &self.flags.proxy.requestheader_client_ca_file];
        let files = files.into_iter().flatten().cloned();
        let (this, server) = (Arc::clone(self), server.clone());
        Followed::new(files).follow("client authorities", tasks, move || {
            let outcome = match this.reload(&server) {
                Ok(()) => Outcome::Done,
                Err(why) => {
                    let why = format!("{why:#}");
                    tracing::error!(why, "the changed authorities were refused; the last ones stay");
                    Outcome::Again
                }
            };
            std::future::ready(outcome)
        });
        let (this, informing) = (Arc::clone(self), tasks.clone());
        tasks.spawn_until_stopped("client authorities' ConfigMap", async move {
            let one = WatchOptions { field_selector: format!("metadata.name={NAME}"), ..Default::default() };
            let maps: Informer<ConfigMap> = Informer::start(client.namespaced(NAMESPACE), one, &informing);
            let mut changes = maps.changes();
            let mut backoff = Backoff::new(Duration::from_secs(1), EVERY);
            loop {
                let pause = match this.publish(&client).await {
                    Ok(()) => {
                        backoff.reset();
                        EVERY
                    }
                    Err(why) => {
                        tracing::warn!("{why:#}");
                        backoff.step()
                    }
                };
                let news = async {
                    tokio::select! {
                        _ = changes.changed() => {}
                        () = this.changed.notified() => {}
                    }
                };
                corten_rt::timeout(pause, news).await;
            }
        });
    }

    fn reload(&self, server: &Server) -> Result<()> {
        let read = Known::read(&self.flags, &self.pki)?;
        let front_proxy = Arc::new(self.flags.proxy.front_proxy(&self.pki)?);
        let mut known = self.known.lock();
        if *known == read {
            return Ok(());
        }
        self.certificates.trust(&read.clients)?;
        self.authenticator.ways.rcu(|ways| {
            let front_proxy = Some(Arc::clone(&front_proxy));
            Ways { front_proxy, ..Ways::clone(ways) }
        });
        let fewer = read.lacks_some_of(&known);
        *known = read;
        drop(known);
        server.entrance().replace(self.tls()?);
        if fewer {
            server.entrance().renew();
        }
        self.changed.notify_one();
        tracing::info!("the authorities of clients and proxies have changed");
        Ok(())
    }

    /// Adds what this server knows to the ConfigMap.
    pub async fn publish(&self, client: &Client) -> Result<()> {
        let about = || format!("keep the ConfigMap {NAMESPACE}/{NAME}");
        let maps = client.namespaced::<ConfigMap>(NAMESPACE);
        let found = maps.find(NAME).await.map_err(anyhow::Error::from).with_context(about)?;
        let known = self.known.lock().clone();
        let wanted = |have| data(have, &known, &self.flags, Clock::system().now());
        let written = match found {
            Some(map) => {
                let data = wanted(&map.data);
                if map.data == data {
                    return Ok(());
                }
                maps.update(ConfigMap { data, ..ConfigMap::clone(&map) }).await
            }
            None => {
                let mut map = ConfigMap { data: wanted(&BTreeMap::new()), ..ConfigMap::default() };
                (map.metadata.namespace, map.metadata.name) = (NAMESPACE.into(), NAME.into());
                maps.create(map).await
            }
        };
        written.map(|_| ()).map_err(anyhow::Error::from).with_context(about)
    }
}

/// What the ConfigMap is to hold that holds `have`: what other servers know stays, until it has ended.
fn data(
    have: &BTreeMap<String, String>,
    known: &Known,
    flags: &IdentityFlags,
    now: Timestamp,
) -> BTreeMap<String, String> {
    let settings = flags.proxy.settings();
    let mut data = BTreeMap::new();
    for (key, ours) in [("client-ca-file", &known.clients), ("requestheader-client-ca-file", &known.proxies)]
    {
        let theirs = have.get(key).map(|text| bundle::certificates(text).unwrap_or_default());
        data.insert(key.to_string(), bundle::merged(&theirs.unwrap_or_default(), ours, now));
    }
    for (key, ours) in [
        ("requestheader-allowed-names", &settings.allowed_names),
        ("requestheader-extra-headers-prefix", &settings.extra_headers_prefix),
        ("requestheader-group-headers", &settings.group_headers),
        ("requestheader-uid-headers", &settings.uid_headers),
        ("requestheader-username-headers", &settings.username_headers),
    ] {
        let theirs: Option<Vec<String>> = have.get(key).and_then(|text| serde_json::from_str(text).ok());
        let mut all: Vec<String> = Vec::new();
        for name in theirs.unwrap_or_default().into_iter().chain(ours.iter().cloned()) {
            if !all.contains(&name) {
                all.push(name);
            }
        }
        data.insert(key.to_string(), serde_json::json!(all).to_string());
    }
    data
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use corten_auth::pki::Authority;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        flags: IdentityFlags,
    }

    #[test]
    fn the_map_keeps_what_others_know() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a time");
        let [old, new, proxy] = ["old", "new", "proxy"].map(|n| Authority::create(n, now).expect("made"));
        let of = |authority: &Authority| vec![authority.certificate().clone()];
        let line = ["server", "--requestheader-allowed-names=b,c"];
        let flags = Line::try_parse_from(line).expect("flags").flags;
        let known = Known { clients: of(&new), proxies: of(&proxy) };
        let first = data(&BTreeMap::new(), &known, &flags, now);
        assert_eq!(first["client-ca-file"], bundle::merged(&of(&new), &[], now));
        assert_eq!(first["requestheader-username-headers"], "[\"X-Remote-User\"]");
        let mut have = first.clone();
        have.insert("client-ca-file".into(), old.pem().into());
        have.insert("requestheader-allowed-names".into(), "[\"a\",\"b\"]".into());
        have.insert("requestheader-group-headers".into(), "not a list".into());
        let both = data(&have, &known, &flags, now);
        assert_eq!(both["client-ca-file"], bundle::merged(&of(&old), &of(&new), now));
        assert_eq!(both["requestheader-allowed-names"], "[\"a\",\"b\",\"c\"]");
        assert_eq!(both["requestheader-group-headers"], first["requestheader-group-headers"]);
        assert_eq!(data(&both, &known, &flags, now), both, "once is enough");
    }
}
