//! Keeps the kernel's Service rules in step with the API.

use super::NodeSetup;
use anyhow::{Context, Result};
use corten_api::core::v1::{Pod, Service};
use corten_api::discovery::v1::EndpointSlice;
use corten_client::{Change, Informer, Informers, Key};
use corten_network::services::from_api;
use corten_network::{Claim, Services, ServicesConfig};
use corten_rt::Tasks;
use corten_sys::Cidr;
use corten_sys::conntrack::KernelConntrack;
use corten_sys::nft::{Family, KernelNft};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// Changes that come within this time are written together.
const GATHER: Duration = Duration::from_millis(5);

/// Starts the task that writes the rules. `pods` are those of this node, which is all that a node may see.
pub fn start(setup: &NodeSetup, informers: &Informers, pods: Informer<Pod>, tasks: &Tasks) -> Result<()> {
    let config = ServicesConfig {
        families: vec![Family::V4],
        cluster_ranges: vec![setup.cluster_cidr.parse::<Cidr>().context("the range of pods")?],
        service_ranges: vec![setup.service_cidr.parse::<Cidr>().context("the range of Services")?],
    };
    let rules = Services::new(config, Arc::new(KernelNft::default()), Arc::new(KernelConntrack::default()));
    let writer = Writer {
        node: setup.name.clone(),
        services: informers.of(),
        slices: informers.of(),
        pods,
        rules: Arc::new(rules),
        index: Arc::default(),
        dirty: Arc::default(),
    };
    tasks.spawn_until_stopped("service rules", writer.run());
    Ok(())
}

/// The slices of each Service.
type Index = BTreeMap<String, BTreeSet<Key>>;

/// What has changed since the last writing.
#[derive(Default)]
struct Dirty {
    owners: Mutex<BTreeSet<String>>,
    woken: Notify,
}

impl Dirty {
    fn add(&self, owner: String) {
        self.owners.lock().insert(owner);
        self.woken.notify_one();
    }
}

struct Writer {
    node: String,
    services: Informer<Service>,
    slices: Informer<EndpointSlice>,
    pods: Informer<Pod>,
    rules: Arc<Services>,
    index: Arc<Mutex<Index>>,
    dirty: Arc<Dirty>,
}

/// The owner's name of the ports that a pod takes of its node.
fn pod_owner(key: &Key) -> String {
    format!("pod:{key}")
}

impl Writer {
    async fn run(self) {
        self.follow();
        self.services.synced().await;
        self.slices.synced().await;
        self.pods.synced().await;
        let mut started = false;
        loop {
            let changed = std::mem::take(&mut *self.dirty.owners.lock());
            let claims: Vec<(String, Claim)> = changed.iter().map(|o| (o.clone(), self.claim(o))).collect();
            let (rules, first) = (self.rules.clone(), !started);
            let written = tokio::task::spawn_blocking(move || {
                rules.update(claims)?;
                if first { rules.start() } else { Ok(()) }
            });
            match written.await {
                Ok(Ok(())) => started = true,
                Ok(Err(error)) => {
                    tracing::warn!(%error, "the service rules were not written; trying again");
                    self.dirty.owners.lock().extend(changed);
                    corten_rt::sleep(Duration::from_secs(1)).await;
                    continue;
                }
                Err(error) => tracing::error!(%error, "the service rules broke"),
            }
            self.dirty.woken.notified().await;
            corten_rt::sleep(GATHER).await;
        }
    }

    fn follow(&self) {
        let dirty = self.dirty.clone();
        self.services.on_change(move |c: &Change<Service>| {
            if let Some(s) = c.object() {
                dirty.add(from_api::owner(&s.metadata.namespace, &s.metadata.name));
            }
        });
        let (dirty, index) = (self.dirty.clone(), self.index.clone());
        self.slices.on_change(move |c: &Change<EndpointSlice>| {
            let mut index = index.lock();
            if let Some(old) = &c.old
                && let Some(owner) = from_api::owner_of_slice(old)
            {
                if let Some(slices) = index.get_mut(&owner) {
                    slices.remove(&Key::of(&**old));
                }
                dirty.add(owner);
            }
            if let Some(new) = &c.new
                && let Some(owner) = from_api::owner_of_slice(new)
            {
                index.entry(owner.clone()).or_default().insert(Key::of(&**new));
                dirty.add(owner);
            }
        });
        let (dirty, node) = (self.dirty.clone(), self.node.clone());
        self.pods.on_change(move |c: &Change<Pod>| {
            let Some(pod) = c.object().filter(|p| p.spec.node_name == node) else { return };
            if pod.spec.containers.iter().flat_map(|c| &c.ports).any(|p| p.host_port != 0) {
                dirty.add(pod_owner(&Key::of(&**pod)));
            }
        });
    }

    fn claim(&self, owner: &str) -> Claim {
        let key = |text: &str| text.split_once('/').map(|(ns, name)| Key::new(ns, name)).unwrap_or_default();
        if let Some(pod) = owner.strip_prefix("pod:") {
            let live = |p: &Arc<Pod>| !corten_semantics::pod::is_terminal(p);
            return match self.pods.get(&key(pod)).filter(live) {
                Some(pod) => {
                    let ips: Vec<IpAddr> =
                        pod.status.pod_ips.iter().filter_map(|i| i.ip.parse().ok()).collect();
                    Claim::of_host_ports(&from_api::host_ports(&pod, &ips))
                }
                None => Claim::default(),
            };
        }
        let Some(service) = self.services.get(&key(owner)) else { return Claim::default() };
        let keys = self.index.lock().get(owner).cloned().unwrap_or_default();
        let slices: Vec<Arc<EndpointSlice>> = keys.iter().filter_map(|k| self.slices.get(k)).collect();
        let slices: Vec<&EndpointSlice> = slices.iter().map(|s| &**s).collect();
        from_api::claim(&service, &slices, &self.node)
    }
}
