//! The drivers that are registered, and what the API is told of them.

use super::driver::Driver;
use super::node_object;
use crate::plugins::{Plugin, PluginHandler};
use async_trait::async_trait;
use corten_client::Client;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;

/// All drivers on this node, by name.
pub(super) struct Drivers {
    client: Client,
    node_name: String,
    known: Mutex<BTreeMap<String, Arc<Driver>>>,
}

impl Drivers {
    pub fn new(client: Client, node_name: &str) -> Self {
        Drivers { client, node_name: node_name.to_string(), known: Mutex::default() }
    }

    pub fn get(&self, name: &str) -> Result<Arc<Driver>, String> {
        let missing = || format!("driver name {name} not found in the list of registered CSI drivers");
        self.known.lock().get(name).cloned().ok_or_else(missing)
    }
}

/// Takes plugins that are CSI drivers. Cheap to clone.
#[derive(Clone)]
pub struct CsiPlugins(Arc<Drivers>);

impl CsiPlugins {
    pub(super) fn of(drivers: Arc<Drivers>) -> Self {
        CsiPlugins(drivers)
    }

    /// Sees to it that the node's CSINode exists; the scheduler and controllers wait for it.
    ///
    /// # Errors
    /// The API's, in words.
    pub async fn prepare(&self) -> Result<(), String> {
        node_object::ensure(&self.0.client, &self.0.node_name).await.map(drop).map_err(|e| e.to_string())
    }
}

#[async_trait]
impl PluginHandler for CsiPlugins {
    async fn register(&self, plugin: &Plugin) -> Result<(), String> {
        check_versions(plugin)?;
        let name = &plugin.name;
        let driver = Driver::new(name, &plugin.endpoint);
        let info = Box::pin(driver.info()).await;
        let info = info.map_err(|e| format!("failed to get NodeGetInfo from driver {name:?}: {e}"))?;
        if info.node_id.is_empty() {
            return Err("error adding CSI driver node info: driverNodeID must not be empty".into());
        }
        if let Ok(about) = Box::pin(driver.plugin_info()).await {
            tracing::debug!(driver = name, version = about.vendor_version, "a CSI driver registers");
        }
        node_object::install(&self.0.client, &self.0.node_name, name, &info).await?;
        self.0.known.lock().insert(name.clone(), Arc::new(driver));
        Ok(())
    }

    async fn deregister(&self, plugin: &Plugin) {
        {
            let mut known = self.0.known.lock();
            // Another may have taken its place.
            if known.get(&plugin.name).is_none_or(|driver| driver.endpoint != plugin.endpoint) {
                return;
            }
            known.remove(&plugin.name);
        }
        let outcome = node_object::uninstall(&self.0.client, &self.0.node_name, &plugin.name).await;
        if let Err(error) = outcome {
            tracing::warn!(driver = plugin.name, error, "a CSI driver that went is still in the API");
        }
    }
}

fn check_versions(plugin: &Plugin) -> Result<(), String> {
    let known = plugin.versions.iter().any(|v| v.trim_start_matches('v').starts_with("1."));
    match known {
        true => Ok(()),
        false => Err(format!(
            "CSI driver {:?}: none of the versions specified {:?} are supported",
            plugin.name, plugin.versions
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_version_1_is_spoken() {
        for (versions, good) in
            [(vec!["1.0.0"], true), (vec!["0.3.0", "v1.9.0"], true), (vec!["0.3.0"], false), (vec![], false)]
        {
            let plugin = Plugin {
                name: "d".into(),
                endpoint: "/x".into(),
                versions: versions.into_iter().map(str::to_string).collect(),
            };
            assert_eq!(check_versions(&plugin).is_ok(), good, "{plugin:?}");
        }
    }
}
