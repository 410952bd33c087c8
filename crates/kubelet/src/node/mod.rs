//! This node in the API: its object, its conditions, its heartbeat.

mod conditions;
mod enforce;
mod machine;

pub(crate) use enforce::enforce;
pub use machine::{capacity, memory_bytes};

use conditions::{changed, conditions};
use machine::{architecture, system_info};

use crate::Shared;
use corten_api::coordination::v1::Lease;
use corten_api::core::v1::{ContainerImage, Node, NodeAddress, NodeFeatures, NodeStatus, ObjectReference};
use corten_api::{MicroTime, Quantity};
use corten_node_api::cri::{ListImagesRequest, StatusRequest, StatusResponse};
use corten_semantics::ApiResult;
use corten_semantics::owner::controller_reference;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const LEASES: &str = "kube-node-lease";
/// How often the runtime is asked until it is ready.
const IMPATIENT: Duration = Duration::from_millis(500);
/// Tells that the node attaches no volumes itself.
const ATTACHED_BY_CONTROLLER: &str = "volumes.kubernetes.io/controller-managed-attach-detach";
/// The most images that the status tells of.
const IMAGES: usize = 50;

/// What the node is called and says of itself.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    pub name: String,
    pub address: String,
    /// The port of the node's HTTPS API.
    pub port: u16,
    pub labels: BTreeMap<String, String>,
    pub most_pods: u32,
    /// `v1.35.0+corten...`.
    pub version: String,
    /// Name and version of the runtime, `containerd://1.6.20`.
    pub runtime: String,
}

/// Keeps the node's object and lease.
pub struct Registration {
    pub config: NodeConfig,
    pub shared: Arc<Shared>,
}

impl Registration {
    /// Registers the node and brings its status up to date; gives the node.
    pub async fn register(&self) -> ApiResult<Arc<Node>> {
        let api = self.shared.client.all::<Node>();
        let node = match api.find(&self.config.name).await? {
            Some(node) => node,
            None => match api.create(self.fresh().await).await {
                Err(e) if e.is_already_exists() => api.get(&self.config.name).await?,
                other => other?,
            },
        };
        let node = self.relabel(node).await?;
        self.report(node, true).await
    }

    async fn fresh(&self) -> Node {
        let mut node = Node::default();
        node.metadata.name = self.config.name.clone();
        node.metadata.labels = self.labels();
        node.metadata.annotations.insert(ATTACHED_BY_CONTROLLER.into(), "true".into());
        self.fill(&mut node.status).await;
        node
    }

    fn labels(&self) -> BTreeMap<String, String> {
        let mut labels = self.config.labels.clone();
        for prefix in ["kubernetes.io", "beta.kubernetes.io"] {
            labels.insert(format!("{prefix}/os"), "linux".into());
            labels.insert(format!("{prefix}/arch"), architecture().into());
        }
        labels.insert("kubernetes.io/hostname".into(), self.config.name.clone());
        labels
    }

    async fn relabel(&self, mut node: Arc<Node>) -> ApiResult<Arc<Node>> {
        let labels = self.labels();
        loop {
            let noted = node.metadata.annotations.get(ATTACHED_BY_CONTROLLER).is_some_and(|v| v == "true");
            if noted && labels.iter().all(|(k, v)| node.metadata.labels.get(k) == Some(v)) {
                return Ok(node);
            }
            let mut changed = (*node).clone();
            changed.metadata.labels.extend(labels.clone());
            changed.metadata.annotations.insert(ATTACHED_BY_CONTROLLER.into(), "true".into());
            match self.shared.client.all::<Node>().update(changed).await {
                Err(e) if e.is_conflict() => {
                    node = self.shared.client.all::<Node>().get(&self.config.name).await?
                }
                other => return other,
            }
        }
    }

    /// Writes the status as it is now, if it differs or `always`. Others write the node too: a conflict means
    /// to read it again, and what they wrote stays.
    async fn report(&self, mut node: Arc<Node>, always: bool) -> ApiResult<Arc<Node>> {
        loop {
            let mut wanted = (*node).clone();
            self.fill(&mut wanted.status).await;
            if !always && !changed(&node.status, &wanted.status) {
                return Ok(node);
            }
            let before = node.status.conditions.clone();
            let after = wanted.status.conditions.clone();
            match self.shared.client.all::<Node>().update_status(wanted).await {
                Err(e) if e.is_conflict() => {
                    node = self.shared.client.all::<Node>().get(&self.config.name).await?;
                }
                Ok(node) => {
                    self.tell(&conditions::events(&before, &after));
                    return Ok(node);
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn tell(&self, reasons: &[&str]) {
        for reason in reasons {
            let message = format!("Node {} status is now: {reason}", self.config.name);
            self.shared.events.note(reference(&self.config.name), "Normal", reason, message);
        }
    }

    async fn fill(&self, status: &mut NodeStatus) {
        let shared = &self.shared;
        // Resources that others have added stay; those of device plugins are ours.
        status.capacity.extend(capacity(self.config.most_pods, &shared.places.root));
        let (all, healthy) = shared.devices.amounts();
        status.capacity.extend(all);
        status.allocatable = shared.settings.allocatable(&status.capacity);
        status.allocatable.extend(healthy);
        let pages: i64 =
            status.capacity.iter().filter(|(n, _)| n.starts_with("hugepages-")).map(|(_, q)| q.value()).sum();
        if let Some(memory) = status.allocatable.get_mut("memory").filter(|_| pages > 0) {
            *memory -= Quantity::bytes(pages);
        }
        let address = |kind: &str, address: &str| NodeAddress { type_: kind.into(), address: address.into() };
        status.addresses =
            vec![address("InternalIP", &self.config.address), address("Hostname", &self.config.name)];
        status.daemon_endpoints.kubelet_endpoint.port = i32::from(self.config.port);
        status.node_info = system_info(&self.config);
        status.images = self.images().await;
        status.volumes_in_use = shared.volumes.in_use();
        let told = shared.cri.status(StatusRequest { verbose: false }).await;
        let trouble = self.trouble(told.as_ref().map_err(ToString::to_string));
        if let Ok(told) = told {
            status.runtime_handlers = machine::handlers(&told);
            let groups = told.features.map(|f| f.supplemental_groups_policy);
            status.features = groups.map(|g| Box::new(NodeFeatures { supplemental_groups_policy: Some(g) }));
        }
        let pressure = shared.pressure.conditions();
        status.conditions = conditions(&status.conditions, trouble.as_deref(), &pressure, shared.clock.now());
    }

    /// What the runtime complains of, or why the node takes no pods.
    fn trouble(&self, told: Result<&StatusResponse, String>) -> Option<String> {
        if self.shared.shutdown.is_under_way() {
            return Some("node is shutting down".into());
        }
        let reply = match told {
            Ok(reply) => reply,
            Err(e) => return Some(format!("container runtime is down: {e}")),
        };
        let failing = reply.status.iter().flat_map(|s| &s.conditions).filter(|c| !c.status);
        let words: Vec<String> = failing
            .map(|c| {
                let what = if c.r#type == "NetworkReady" {
                    "container runtime network not ready"
                } else {
                    "container runtime not ready"
                };
                format!("{what}: {}={} reason:{} message:{}", c.r#type, c.status, c.reason, c.message)
            })
            .collect();
        (!words.is_empty()).then(|| words.join(", "))
    }

    async fn images(&self) -> Vec<ContainerImage> {
        let listed = self.shared.cri.list_images(ListImagesRequest { filter: None }).await;
        let mut images: Vec<ContainerImage> = listed
            .map(|r| r.images)
            .unwrap_or_default()
            .into_iter()
            .map(|i| ContainerImage {
                names: i.repo_digests.into_iter().chain(i.repo_tags).take(5).collect(),
                size_bytes: i64::try_from(i.size).unwrap_or(i64::MAX),
            })
            .collect();
        images.sort_by(|a, b| b.size_bytes.cmp(&a.size_bytes).then(a.names.cmp(&b.names)));
        images.truncate(IMAGES);
        images
    }

    /// Beats until dropped: the lease four times in its duration, the status when something changed, and every
    /// few minutes though nothing did.
    pub async fn keep(&self) {
        let settings = &self.shared.settings;
        let pause = (settings.lease / 4).min(settings.status_update);
        let mut reported = corten_rt::Instant::now();
        let (mut beaten, mut looked) = (None::<corten_rt::Instant>, None::<corten_rt::Instant>);
        let mut ready = true;
        loop {
            if beaten.is_none_or(|at| at.elapsed() >= settings.lease / 4) {
                match self.beat().await {
                    Ok(()) => beaten = Some(corten_rt::Instant::now()),
                    Err(error) => tracing::debug!(%error, "the node's lease was not renewed"),
                }
            }
            let always = reported.elapsed() >= settings.status_report;
            let told = corten_rt::timeout(pause_until(ready, pause), self.shared.pressure.changed.notified());
            if always || !ready || looked.is_none_or(|at| at.elapsed() >= settings.status_update) {
                match self.bring_up_to_date(always).await {
                    Ok(node) => {
                        looked = Some(corten_rt::Instant::now());
                        ready = conditions::is_ready(&node.status.conditions);
                        if always {
                            reported = corten_rt::Instant::now();
                        }
                    }
                    Err(error) => tracing::debug!(%error, "the node's status was not written"),
                }
            }
            if told.await.is_some() {
                looked = None;
            }
        }
    }

    /// Writes the status if it changed. A node that somebody deleted comes back.
    async fn bring_up_to_date(&self, always: bool) -> ApiResult<Arc<Node>> {
        match self.shared.client.all::<Node>().find(&self.config.name).await? {
            Some(node) => self.report(node, always).await,
            None => self.register().await,
        }
    }

    async fn beat(&self) -> ApiResult<()> {
        let api = self.shared.client.namespaced::<Lease>(LEASES);
        let now = Some(MicroTime::new(self.shared.clock.now()));
        let seconds = i32::try_from(self.shared.settings.lease.as_secs()).unwrap_or(i32::MAX);
        match api.find(&self.config.name).await? {
            Some(lease) => {
                let mut lease = (*lease).clone();
                lease.spec.renew_time = now;
                lease.spec.lease_duration_seconds = Some(seconds);
                lease.spec.holder_identity = Some(self.config.name.clone());
                api.update(lease).await?;
            }
            None => {
                let mut lease = Lease::default();
                lease.metadata.name = self.config.name.clone();
                lease.metadata.namespace = LEASES.into();
                if let Some(node) = self.shared.client.all::<Node>().find(&self.config.name).await? {
                    let mut owner = controller_reference(&*node);
                    owner.controller = None;
                    owner.block_owner_deletion = None;
                    lease.metadata.owner_references = vec![owner];
                }
                lease.spec.holder_identity = Some(self.config.name.clone());
                lease.spec.lease_duration_seconds = Some(seconds);
                lease.spec.renew_time = now;
                api.create(lease).await?;
            }
        }
        Ok(())
    }
}

/// Until a runtime that is not ready is asked again.
fn pause_until(ready: bool, pause: Duration) -> Duration {
    if ready { pause } else { IMPATIENT.min(pause) }
}

/// The node, as events about it name it.
pub(crate) fn reference(name: &str) -> ObjectReference {
    ObjectReference {
        kind: "Node".into(),
        name: name.into(),
        // Upstream's events of a node have its name here.
        uid: name.into(),
        ..ObjectReference::default()
    }
}
