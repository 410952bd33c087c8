//! A node that runs nothing: it registers, keeps its Lease, says of pods bound to it that they run, and
//! completes their deletion.

use crate::cluster::{parse, patch_sub};
use anyhow::Result;
use corten_api::Kind;
use corten_api::coordination::v1::Lease;
use corten_api::core::v1::{Node, Pod};
use corten_api::meta::v1::Preconditions;
use corten_client::{Client, DeleteOptions, Informer, Informers, Key, WorkQueue};
use corten_rt::{Clock, Stop, Tasks, sleep};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

const LEASES: &str = "kube-node-lease";
const RENEW_EVERY: Duration = Duration::from_secs(10);
/// How long a pod takes from being bound to running, and from the end of its grace to being gone.
const WORK: Duration = Duration::from_millis(500);

/// What a node has to give.
#[derive(Clone, Debug)]
pub struct Size {
    pub cpu: String,
    pub memory: String,
    pub pods: u32,
}

impl Default for Size {
    fn default() -> Self {
        Size { cpu: "4".into(), memory: "8Gi".into(), pods: 110 }
    }
}

/// A node that pretends. It dies, without a word, when it is dropped or told to [`HollowNode::die`].
pub struct HollowNode {
    pub name: String,
    tasks: Tasks,
}

impl HollowNode {
    pub(crate) async fn start(
        name: &str,
        size: Size,
        client: Client,
        informers: &Informers,
        clock: Clock,
    ) -> Result<Self> {
        let work =
            Work { name: name.to_string(), client, pods: informers.of(), clock, next: AtomicU32::new(2) };
        work.register(size).await?;
        let tasks = Tasks::new(Stop::new());
        let queue = WorkQueue::default();
        work.pods.on_change({
            let (queue, name) = (queue.clone(), name.to_string());
            move |change| {
                if let Some(pod) = change.new.as_ref().filter(|pod| pod.spec.node_name == name) {
                    queue.add(Key::of(&**pod));
                }
            }
        });
        let work = std::sync::Arc::new(work);
        let heart = work.clone();
        tasks.spawn_until_stopped("heartbeat", async move {
            loop {
                sleep(RENEW_EVERY).await;
                if let Err(error) = heart.renew().await {
                    tracing::warn!(%error, "the lease was not renewed");
                }
            }
        });
        tasks.spawn_until_stopped("pods", async move {
            loop {
                let key = queue.next().await;
                queue.done(&key);
                sleep(WORK).await;
                match work.sync(&key).await {
                    Ok(Some(later)) => queue.add_after(key, later),
                    Ok(None) => queue.forget(&key),
                    Err(_) => queue.retry(key),
                }
            }
        });
        Ok(HollowNode { name: name.to_string(), tasks })
    }

    /// Stops everything at once, as a machine that loses its power.
    pub fn die(&self) {
        self.tasks.stop().stop();
    }
}

impl Drop for HollowNode {
    fn drop(&mut self) {
        self.die();
    }
}

struct Work {
    name: String,
    client: Client,
    pods: Informer<Pod>,
    clock: Clock,
    /// The last part of the next pod's address.
    next: AtomicU32,
}

impl Work {
    /// Says what there is, also after a pause: pods that ran go on running.
    async fn register(&self, size: Size) -> Result<()> {
        let amounts = json!({"cpu": size.cpu, "memory": size.memory, "pods": size.pods.to_string()});
        let node = json!({"metadata": {"name": self.name, "labels": {"kubernetes.io/hostname": self.name}}});
        self.ensure::<Node>("", node).await?;
        let status = json!({"status": {
            "capacity": amounts, "allocatable": amounts,
            "addresses": [{"type": "InternalIP", "address": "192.0.2.10"}, {"type": "Hostname", "address": self.name}],
            "conditions": [{
                "type": "Ready", "status": "True", "reason": "KubeletReady", "message": "hollow node",
                "lastHeartbeatTime": self.time(), "lastTransitionTime": self.time(),
            }],
        }});
        patch_sub::<Node>(&self.client, "", &self.name, "status", status).await?;
        let lease = json!({
            "metadata": {"name": self.name},
            "spec": {"holderIdentity": self.name, "leaseDurationSeconds": 40, "renewTime": self.micro_time()},
        });
        self.ensure::<Lease>(LEASES, lease).await?;
        self.renew().await?;
        for pod in self.pods.list().iter().filter(|pod| pod.spec.node_name == self.name) {
            if pod.metadata.deletion_timestamp.is_none() && pod.status.phase == "Running" {
                let ready = json!({"status": {"conditions": [{"type": "Ready", "status": "True"}]}});
                let meta = &pod.metadata;
                patch_sub::<Pod>(&self.client, &meta.namespace, &meta.name, "status", ready).await?;
            }
        }
        Ok(())
    }

    /// Creates what a node of this name may have left behind.
    async fn ensure<K: Kind>(&self, namespace: &str, manifest: Value) -> Result<()> {
        match self.client.namespaced::<K>(namespace).create(parse(manifest)?).await {
            Err(error) if !error.is_already_exists() => Err(error.into()),
            _ => Ok(()),
        }
    }

    async fn renew(&self) -> Result<()> {
        let patch = json!({"spec": {"renewTime": self.micro_time()}}).to_string().into_bytes();
        let leases = self.client.namespaced::<Lease>(LEASES);
        leases.patch(&self.name, corten_client::PatchType::Merge, patch).await?;
        Ok(())
    }

    /// Does what one pod needs now; says when to look again.
    async fn sync(&self, key: &Key) -> Result<Option<Duration>> {
        let Some(pod) = self.pods.get(key).filter(|pod| pod.spec.node_name == self.name) else {
            return Ok(None);
        };
        if pod.metadata.deletion_timestamp.is_some() {
            let uid = Some(pod.metadata.uid.clone());
            let options = DeleteOptions {
                grace_period_seconds: Some(0),
                preconditions: Some(Preconditions { uid, resource_version: None }),
                ..DeleteOptions::default()
            };
            let pods = self.client.namespaced::<Pod>(&key.namespace);
            match pods.delete(&key.name, options).await {
                Err(error) if !error.is_not_found() => return Err(error.into()),
                _ => return Ok(None),
            }
        }
        if pod.status.phase.is_empty() || pod.status.phase == "Pending" {
            let status = json!({"status": self.running(&pod)});
            patch_sub::<Pod>(&self.client, &key.namespace, &key.name, "status", status).await?;
        }
        Ok(None)
    }

    fn running(&self, pod: &Pod) -> Value {
        let now = self.time();
        let node = self.name.bytes().fold(0u8, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte));
        let ip = format!("10.244.{node}.{}", self.next.fetch_add(1, Ordering::Relaxed));
        let condition = |kind: &str| json!({"type": kind, "status": "True", "lastTransitionTime": now});
        let containers: Vec<Value> = pod
            .spec
            .containers
            .iter()
            .map(|container| {
                json!({
                    "name": container.name, "image": container.image, "imageID": container.image,
                    "ready": true, "started": true, "restartCount": 0, "containerID": "hollow://1",
                    "state": {"running": {"startedAt": now}},
                })
            })
            .collect();
        let conditions = ["Initialized", "ContainersReady", "Ready"].map(condition);
        json!({
            "phase": "Running", "startTime": now, "podIP": ip, "podIPs": [{"ip": ip}], "hostIP": "192.0.2.10",
            "conditions": conditions, "containerStatuses": containers,
        })
    }

    fn time(&self) -> String {
        self.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    fn micro_time(&self) -> String {
        self.clock.now().strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
    }
}
