//! Device plugins (v1beta1): processes that offer the machine's devices under the name of a resource. A plugin
//! registers on the kubelet's socket and lists its devices; pods that ask for the resource are given some when
//! they are taken, and their containers get what the plugin says.

mod allocate;
mod checkpoint;
mod pool;
mod server;

pub use pool::Pool;

use crate::Shared;
use crate::pod::admission::Rejection;
use checkpoint::Given;
use corten_api::Quantity;
use corten_api::core::v1::{Container, Pod};
use corten_node_api::cri::{CdiDevice, ContainerConfig, Device, KeyValue, Mount};
use corten_node_api::device_plugin::PreStartContainerRequest;
use corten_semantics::resources::ResourceList;
use parking_lot::Mutex;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How long a plugin may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// The devices of this node.
#[derive(Debug)]
pub struct Devices {
    /// Where the kubelet's socket and those of the plugins are.
    dir: PathBuf,
    state: Mutex<Pool>,
    /// One allocation at a time.
    allocating: tokio::sync::Mutex<()>,
}

impl Devices {
    /// With what an earlier process gave to pods, as the checkpoint in `root/device-plugins` tells.
    pub fn new(root: &std::path::Path) -> Self {
        let dir = root.join("device-plugins");
        let state = Mutex::new(checkpoint::read(&dir));
        Devices { dir, state, allocating: tokio::sync::Mutex::default() }
    }

    /// What there is of each resource, and what of it is healthy.
    pub fn amounts(&self) -> (ResourceList, ResourceList) {
        let list = |amounts: pool::Counts| -> ResourceList {
            let whole = |n: usize| Quantity::whole(i64::try_from(n).unwrap_or(i64::MAX));
            amounts.into_iter().map(|(name, n)| (name, whole(n))).collect()
        };
        let (all, healthy) = self.state.lock().amounts();
        (list(all), list(healthy))
    }

    /// Gives the pod the devices that it asks for.
    ///
    /// # Errors
    /// There are not enough, or the plugin refuses.
    pub(crate) async fn admit(&self, shared: &Shared, pod: &Pod) -> Result<(), Rejection> {
        let refused = |why: String| Rejection {
            reason: "UnexpectedAdmissionError".into(),
            message: format!("Allocate failed due to {why}, which is unexpected"),
        };
        if !allocate::asks(pod) {
            return Ok(());
        }
        let _one = self.allocating.lock().await;
        self.forget_ended(shared);
        allocate::allocate(self, shared, pod).await.map_err(refused)
    }

    /// Takes devices back from pods that have ended.
    fn forget_ended(&self, shared: &Shared) {
        let pods = shared.pods.list();
        let lives =
            |uid: &str| pods.iter().any(|p| p.metadata.uid == uid && !corten_semantics::pod::is_terminal(p));
        self.state.lock().given.retain(|g| lives(&g.uid));
    }

    fn save(&self) {
        let text = checkpoint::text(&self.state.lock());
        if let Err(error) = checkpoint::write(&self.dir, &text) {
            tracing::warn!(%error, "the devices given to pods were not written down");
        }
    }

    /// Adds what the plugins say to the container's configuration.
    ///
    /// # Errors
    /// A plugin is not ready for the container.
    pub(crate) async fn give(
        &self,
        pod: &Pod,
        c: &Container,
        mut config: ContainerConfig,
    ) -> Result<ContainerConfig, String> {
        let given: Vec<Given> = {
            let state = self.state.lock();
            let is_it = |g: &&Given| g.uid == pod.metadata.uid && g.container == c.name;
            state.given.iter().filter(is_it).cloned().collect()
        };
        for g in given {
            let endpoint = {
                let state = self.state.lock();
                state
                    .resources
                    .get(&g.resource)
                    .filter(|r| r.options.pre_start_required)
                    .map(|r| r.endpoint.clone())
            };
            if let Some(endpoint) = endpoint {
                let request = PreStartContainerRequest { devices_ids: g.devices.iter().cloned().collect() };
                let Some(endpoint) = endpoint else {
                    return Err(format!(
                        "device plugin PreStartContainer rpc failed with err: endpoint of {} has gone",
                        g.resource
                    ));
                };
                let asked = async { server::client(&endpoint).pre_start_container(request).await };
                match corten_rt::timeout(PATIENCE, asked).await {
                    Some(Ok(_)) => {}
                    Some(Err(e)) => {
                        return Err(format!(
                            "device plugin PreStartContainer rpc failed with err: {}",
                            e.message()
                        ));
                    }
                    None => return Err("device plugin PreStartContainer rpc failed with err: timeout".into()),
                }
            }
            apply(g, &mut config);
        }
        Ok(config)
    }
}

/// Adds what a plugin said when it gave devices.
fn apply(given: Given, config: &mut ContainerConfig) {
    let response = given.response;
    let mut envs: Vec<_> = response.envs.into_iter().collect();
    envs.sort();
    for (key, value) in envs {
        // What the pod itself sets stands.
        if !config.envs.iter().any(|e| e.key == key) {
            config.envs.push(KeyValue { key, value: value.into_bytes() });
        }
    }
    config.mounts.extend(response.mounts.into_iter().map(|m| Mount {
        host_path: m.host_path,
        container_path: m.container_path,
        readonly: m.read_only,
        ..Mount::default()
    }));
    config.devices.extend(response.devices.into_iter().map(|d| Device {
        container_path: d.container_path,
        host_path: d.host_path,
        permissions: d.permissions,
    }));
    config.annotations.extend(response.annotations);
    config.cdi_devices.extend(response.cdi_devices.into_iter().map(|d| CdiDevice { name: d.name }));
}

/// Serves registration until dropped, and follows the plugins.
pub(crate) async fn run(shared: Arc<Shared>, tasks: corten_rt::Tasks) {
    server::run(shared, tasks).await;
}

#[cfg(test)]
mod tests;
