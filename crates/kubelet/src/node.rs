//! This node in the API: its object, its conditions, its heartbeat.

use corten_api::coordination::v1::Lease;
use corten_api::core::v1::{ContainerImage, Node, NodeAddress, NodeCondition, NodeStatus, NodeSystemInfo};
use corten_api::{MicroTime, Quantity, Time};
use corten_client::Client;
use corten_node_api::CriClient;
use corten_node_api::cri::{ListImagesRequest, StatusRequest};
use corten_rt::Clock;
use corten_semantics::ApiResult;
use corten_semantics::owner::controller_reference;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const LEASES: &str = "kube-node-lease";
const LEASE_SECONDS: i32 = 40;
const HEARTBEAT: Duration = Duration::from_secs(10);
/// How often the status is written though nothing in it has changed.
const REPORT: Duration = Duration::from_secs(300);

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

/// What the machine has.
pub fn capacity(most_pods: u32) -> BTreeMap<String, Quantity> {
    let cpus = std::thread::available_parallelism().map_or(1, |n| n.get() as i64);
    BTreeMap::from([
        ("cpu".to_string(), Quantity::whole(cpus)),
        ("memory".to_string(), Quantity::bytes(memory_bytes() / 1024 * 1024)),
        ("ephemeral-storage".to_string(), Quantity::bytes(disk_bytes() / 1024 * 1024)),
        ("hugepages-1Gi".to_string(), Quantity::whole(0)),
        ("hugepages-2Mi".to_string(), Quantity::whole(0)),
        ("pods".to_string(), Quantity::whole(i64::from(most_pods))),
    ])
}

/// The machine's memory.
pub fn memory_bytes() -> i64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find(|l| l.starts_with("MemTotal:"));
    line.and_then(|l| l.split_whitespace().nth(1)?.parse::<i64>().ok()).unwrap_or(0) * 1024
}

fn disk_bytes() -> i64 {
    nix::sys::statvfs::statvfs("/").map_or(0, |s| s.blocks() as i64 * s.fragment_size() as i64)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default().trim().to_string()
}

fn system_info(config: &NodeConfig) -> NodeSystemInfo {
    let release = read("/etc/os-release");
    let name = release.lines().find_map(|l| l.strip_prefix("PRETTY_NAME=")).unwrap_or("Linux");
    let machine = read("/etc/machine-id");
    NodeSystemInfo {
        system_uuid: if machine.is_empty() { config.name.clone() } else { machine.clone() },
        machine_id: machine,
        boot_id: read("/proc/sys/kernel/random/boot_id"),
        kernel_version: read("/proc/sys/kernel/osrelease"),
        os_image: name.trim_matches('"').to_string(),
        container_runtime_version: config.runtime.clone(),
        kubelet_version: config.version.clone(),
        operating_system: "linux".into(),
        architecture: architecture().into(),
        ..NodeSystemInfo::default()
    }
}

fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// The conditions, given why the runtime is not ready (if it is not). Times of those that did not change
/// stay.
pub fn conditions(old: &[NodeCondition], trouble: Option<&str>, now: Timestamp) -> Vec<NodeCondition> {
    let now = Time::new(now);
    let ready = match trouble {
        None => ("True", "KubeletReady", "kubelet is posting ready status".to_string()),
        Some(why) => ("False", "KubeletNotReady", why.to_string()),
    };
    let fine = |reason, message: &str| ("False", reason, message.to_string());
    let wanted = [
        ("MemoryPressure", fine("KubeletHasSufficientMemory", "kubelet has sufficient memory available")),
        ("DiskPressure", fine("KubeletHasNoDiskPressure", "kubelet has no disk pressure")),
        ("PIDPressure", fine("KubeletHasSufficientPID", "kubelet has sufficient PID available")),
        ("Ready", ready),
    ];
    let mut out: Vec<NodeCondition> =
        old.iter().filter(|o| wanted.iter().all(|w| w.0 != o.type_)).cloned().collect();
    for (kind, (status, reason, message)) in wanted {
        let same = old.iter().find(|o| o.type_ == kind && o.status == status);
        out.push(NodeCondition {
            type_: kind.into(),
            status: status.into(),
            reason: reason.into(),
            message,
            last_heartbeat_time: Some(now),
            last_transition_time: same.and_then(|s| s.last_transition_time).or(Some(now)),
        });
    }
    out
}

/// Keeps the node's object and lease.
pub struct Registration {
    pub config: NodeConfig,
    pub client: Client,
    pub cri: CriClient,
    pub clock: Clock,
}

impl Registration {
    /// Registers the node and brings its status up to date; gives the node.
    pub async fn register(&self) -> ApiResult<Arc<Node>> {
        let api = self.client.all::<Node>();
        let node = match api.find(&self.config.name).await? {
            Some(node) => node,
            None => match api.create(self.fresh().await).await {
                Err(e) if e.is_already_exists() => api.get(&self.config.name).await?,
                other => other?,
            },
        };
        let node = self.relabel(node).await?;
        self.report(node).await
    }

    async fn fresh(&self) -> Node {
        let mut node = Node::default();
        node.metadata.name = self.config.name.clone();
        node.metadata.labels = self.labels();
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
            if labels.iter().all(|(k, v)| node.metadata.labels.get(k) == Some(v)) {
                return Ok(node);
            }
            let mut changed = (*node).clone();
            changed.metadata.labels.extend(labels.clone());
            match self.client.all::<Node>().update(changed).await {
                Err(e) if e.is_conflict() => node = self.client.all::<Node>().get(&self.config.name).await?,
                other => return other,
            }
        }
    }

    /// Writes the status as it is now. Others write the node too, so a conflict only means to read it again.
    async fn report(&self, mut node: Arc<Node>) -> ApiResult<Arc<Node>> {
        let mut changed = (*node).clone();
        self.fill(&mut changed.status).await;
        let status = changed.status.clone();
        loop {
            match self.client.all::<Node>().update_status(changed).await {
                Err(e) if e.is_conflict() => node = self.client.all::<Node>().get(&self.config.name).await?,
                other => return other,
            }
            changed = Node { status: status.clone(), ..(*node).clone() };
        }
    }

    async fn fill(&self, status: &mut NodeStatus) {
        let capacity = capacity(self.config.most_pods);
        // Resources that others have added stay.
        status.capacity.extend(capacity.clone());
        status.allocatable.extend(capacity);
        let address = |kind: &str, address: &str| NodeAddress { type_: kind.into(), address: address.into() };
        status.addresses =
            vec![address("InternalIP", &self.config.address), address("Hostname", &self.config.name)];
        status.daemon_endpoints.kubelet_endpoint.port = i32::from(self.config.port);
        status.node_info = system_info(&self.config);
        status.images = self.images().await;
        let trouble = self.trouble().await;
        status.conditions = conditions(&status.conditions, trouble.as_deref(), self.clock.now());
    }

    /// What the runtime complains of.
    async fn trouble(&self) -> Option<String> {
        match self.cri.status(StatusRequest { verbose: false }).await {
            Ok(reply) => {
                let failing = reply.status.into_iter().flat_map(|s| s.conditions).filter(|c| !c.status);
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
            Err(e) => Some(format!("container runtime is down: {e}")),
        }
    }

    async fn images(&self) -> Vec<ContainerImage> {
        let listed = self.cri.list_images(ListImagesRequest { filter: None }).await;
        let mut images: Vec<ContainerImage> = listed
            .map(|r| r.images)
            .unwrap_or_default()
            .into_iter()
            .map(|i| ContainerImage {
                names: i.repo_digests.into_iter().chain(i.repo_tags).take(5).collect(),
                size_bytes: i64::try_from(i.size).unwrap_or(i64::MAX),
            })
            .collect();
        images.sort_by_key(|i| std::cmp::Reverse(i.size_bytes));
        images.truncate(50);
        images
    }

    /// Beats until dropped: the lease every ten seconds, the status when something changed, and every five
    /// minutes.
    pub async fn keep(&self) {
        let mut reported = corten_rt::Instant::now();
        let mut trouble = None;
        loop {
            if let Err(error) = self.beat().await {
                tracing::debug!(%error, "the node's lease was not renewed");
            }
            let now = self.trouble().await;
            if now != trouble || reported.elapsed() >= REPORT {
                match self.register().await {
                    Ok(_) => (reported, trouble) = (corten_rt::Instant::now(), now),
                    Err(error) => tracing::debug!(%error, "the node's status was not written"),
                }
            } else if let Ok(None) = self.client.all::<Node>().find(&self.config.name).await {
                // Somebody deleted the node: a kubelet that lives comes back.
                let _ = self.register().await;
            }
            // Until the runtime is ready, look often.
            let pause = if trouble.is_some() { Duration::from_millis(500) } else { HEARTBEAT };
            corten_rt::sleep(pause).await;
        }
    }

    async fn beat(&self) -> ApiResult<()> {
        let api = self.client.namespaced::<Lease>(LEASES);
        let now = Some(MicroTime::new(self.clock.now()));
        match api.find(&self.config.name).await? {
            Some(lease) => {
                let mut lease = (*lease).clone();
                lease.spec.renew_time = now;
                lease.spec.holder_identity = Some(self.config.name.clone());
                api.update(lease).await?;
            }
            None => {
                let mut lease = Lease::default();
                lease.metadata.name = self.config.name.clone();
                lease.metadata.namespace = LEASES.into();
                if let Some(node) = self.client.all::<Node>().find(&self.config.name).await? {
                    let mut owner = controller_reference(&*node);
                    owner.controller = None;
                    owner.block_owner_deletion = None;
                    lease.metadata.owner_references = vec![owner];
                }
                lease.spec.holder_identity = Some(self.config.name.clone());
                lease.spec.lease_duration_seconds = Some(LEASE_SECONDS);
                lease.spec.renew_time = now;
                api.create(lease).await?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_keep_the_time_of_their_last_change() {
        let at = |s| Timestamp::from_second(s).expect("in range");
        let first = conditions(&[], Some("runtime is down"), at(1));
        let ready = |c: &[NodeCondition]| c.iter().find(|c| c.type_ == "Ready").cloned().expect("present");
        assert_eq!(
            (ready(&first).status.as_str(), ready(&first).reason.as_str()),
            ("False", "KubeletNotReady")
        );
        let second = conditions(&first, None, at(2));
        let third = conditions(&second, None, at(3));
        assert_eq!(ready(&third).last_transition_time, Some(at(2).into()));
        assert_eq!(ready(&third).last_heartbeat_time, Some(at(3).into()));
    }

    #[test]
    fn the_machine_has_something_to_offer() {
        let capacity = capacity(110);
        assert!(capacity["cpu"].value() > 0 && capacity["memory"].value() > 1 << 20);
    }
}
