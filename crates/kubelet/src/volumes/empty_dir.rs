//! Directories that live as long as their pod, on the node's disk or in memory.

use super::{Place, Trouble, VolumeKind, ownership};
use async_trait::async_trait;
use corten_api::Quantity;
use corten_api::core::v1::{EmptyDirVolumeSource, Pod};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

#[async_trait]
impl VolumeKind for EmptyDirVolumeSource {
    fn plugin(&self) -> &'static str {
        "kubernetes.io~empty-dir"
    }

    async fn set_up(&self, place: &Place<'_>) -> Result<PathBuf, Trouble> {
        let ready = &place.volumes.ready;
        if !ready.lock().contains(&place.dir) {
            prepare(self, place).map_err(|e| format!("{}: {e}", place.dir.display()))?;
            ready.lock().insert(place.dir.clone());
        }
        Ok(place.dir.clone())
    }
}

/// Makes the directory, once in the pod's life: what the pod did to it since stays.
fn prepare(source: &EmptyDirVolumeSource, place: &Place<'_>) -> Result<(), String> {
    let text = |e: std::io::Error| e.to_string();
    let in_memory = source.medium == "Memory";
    if !in_memory && !source.medium.is_empty() {
        return Err(format!("storage medium {:?} is not supported on this node", source.medium));
    }
    let mounts = &place.volumes.mounts;
    let there = !in_memory || mounts.is_mounted(&place.dir).map_err(|e| e.to_string())?;
    let marker = marker(place);
    if there && marker.exists() && place.dir.exists() {
        return Ok(());
    }
    fs::create_dir_all(&place.dir).map_err(text)?;
    if in_memory && !there {
        let most = memory(source, place.pod, &place.volumes.config.allocatable);
        mounts.tmpfs(&place.dir, most).map_err(|e| e.to_string())?;
    }
    ownership::set_mode(&place.dir, 0o777).map_err(text)?;
    if let Some(group) = place.group() {
        ownership::give(&place.dir, group, ownership::WRITE).map_err(text)?;
    }
    fs::create_dir_all(&marker).map_err(text)
}

/// Exists once the directory is as it shall be.
fn marker(place: &Place<'_>) -> PathBuf {
    let pod = place.volumes.pod_dir(&place.pod.metadata.uid);
    pod.join("plugins/kubernetes.io~empty-dir").join(place.name).join("ready")
}

/// The most bytes of a directory in memory: what the pod may have in all, and what the volume says.
fn memory(source: &EmptyDirVolumeSource, pod: &Pod, node: &BTreeMap<String, Quantity>) -> Option<u64> {
    let node = node.get("memory").copied().filter(|q| !q.is_zero());
    let limits = pod.spec.containers.iter().map(|c| c.resources.limits.get("memory").copied());
    let pod_limit = limits.reduce(|sum, q| Some(sum? + q?)).flatten();
    let own = source.size_limit.filter(|q| !q.is_zero());
    let least = [node, pod_limit.filter(|q| !q.is_zero()), own].into_iter().flatten().min();
    least.and_then(|q| u64::try_from(q.value()).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::core::v1::Container;

    #[test]
    fn the_smallest_bound_holds() {
        let container = |limit: i64| {
            let mut c = Container::default();
            if limit > 0 {
                c.resources.limits.insert("memory".into(), Quantity::bytes(limit));
            }
            c
        };
        for (own, limits, node, want) in [
            (0, vec![0], 0, None),
            (0, vec![0], 100, Some(100)),
            (50, vec![10, 0], 100, Some(50)),
            (50, vec![10, 20], 100, Some(30)),
            (500, vec![0], 100, Some(100)),
        ] {
            let mut pod = Pod::default();
            pod.spec.containers = limits.into_iter().map(container).collect();
            let source =
                EmptyDirVolumeSource { medium: "Memory".into(), size_limit: Some(Quantity::bytes(own)) };
            let node = BTreeMap::from([("memory".to_string(), Quantity::bytes(node))]);
            assert_eq!(memory(&source, &pod, &node), want);
        }
    }
}
