//! What the node's HTTPS API learns of the pods.

use crate::Shared;
use crate::meters::Meters;
use crate::pod::names::{CONTAINER_NAME, POD_UID, Places};
use crate::server::{ContainerRef, PodDirectory};
use crate::stats::{Disks, Usage};
use async_trait::async_trait;
use corten_api::authentication::v1::UserInfo;
use corten_api::core::v1::Pod;
use corten_client::Key;
use corten_node_api::cri::{
    Container, ContainerFilter, ContainerState, ListContainersRequest, ListPodSandboxRequest,
    PodSandboxFilter, PodSandboxState,
};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// The kubelet's pods.
pub(crate) struct Directory(pub Arc<Shared>);

impl Directory {
    fn find(&self, namespace: &str, pod: &str) -> Option<Arc<Pod>> {
        let own = self.0.static_pods.named(namespace, pod);
        own.or_else(|| self.0.pods.get(&Key::new(namespace, pod)))
    }
}

fn attempt(c: &Container) -> u32 {
    c.metadata.as_ref().map_or(0, |m| m.attempt)
}

#[async_trait]
impl PodDirectory for Directory {
    fn pods(&self) -> Vec<Arc<Pod>> {
        crate::static_pods::with_static(&self.0)
    }

    async fn container(
        &self,
        namespace: &str,
        pod: &str,
        container: &str,
        previous: bool,
    ) -> Option<ContainerRef> {
        let pod = self.find(namespace, pod)?;
        let selector = HashMap::from([
            (POD_UID.to_string(), pod.metadata.uid.clone()),
            (CONTAINER_NAME.to_string(), container.to_string()),
        ]);
        let filter = Some(ContainerFilter { label_selector: selector, ..ContainerFilter::default() });
        let mut found = self.0.cri.list_containers(ListContainersRequest { filter }).await.ok()?.containers;
        found.sort_by_key(|c| std::cmp::Reverse(attempt(c)));
        let c = found.into_iter().nth(usize::from(previous))?;
        let log = Places::container_log(container, attempt(&c));
        Some(ContainerRef {
            attempt: attempt(&c),
            running: c.state == ContainerState::ContainerRunning as i32
                || c.state == ContainerState::ContainerCreated as i32,
            log_path: self.0.places.pod_logs(&pod).join(log),
            id: c.id,
        })
    }

    async fn sandbox(&self, namespace: &str, pod: &str) -> Option<String> {
        let pod = self.find(namespace, pod)?;
        let selector = HashMap::from([(POD_UID.to_string(), pod.metadata.uid.clone())]);
        let filter = Some(PodSandboxFilter { label_selector: selector, ..PodSandboxFilter::default() });
        let found = self.0.cri.list_pod_sandbox(ListPodSandboxRequest { filter }).await.ok()?.items;
        found.into_iter().find(|s| s.state == PodSandboxState::SandboxReady as i32).map(|s| s.id)
    }

    async fn usage(&self) -> Arc<Usage> {
        self.0.stats.usage(&self.0).await
    }

    async fn disks(&self, fresh: Duration) -> Arc<Disks> {
        self.0.stats.disks(&self.0, fresh).await
    }

    fn meters(&self) -> Option<&Meters> {
        Some(&self.0.meters)
    }

    fn configuration(&self) -> serde_json::Value {
        self.0.settings.configuration(&self.0.resolver, &self.0.cgroup_root)
    }

    fn version(&self) -> String {
        self.0.version.clone()
    }

    async fn who(&self, token: &str) -> Result<Option<UserInfo>, String> {
        self.0.reviews.who(&self.0.client, token).await
    }

    async fn may(&self, user: &UserInfo, verb: &str, subresource: &str) -> Result<bool, String> {
        self.0.reviews.may(&self.0.client, &self.0.node_name, user, verb, subresource).await
    }
}
