//! Directories that live as long as their pod, on the node's disk, in memory, or in huge pages.

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
    let medium = Medium::of(source, place.pod)?;
    let mounts = &place.volumes.mounts;
    let there = medium == Medium::Disk || mounts.is_mounted(&place.dir).map_err(|e| e.to_string())?;
    let marker = marker(place);
    if there && marker.exists() && place.dir.exists() {
        return Ok(());
    }
    fs::create_dir_all(&place.dir).map_err(text)?;
    match medium {
        _ if there => Ok(()),
        Medium::Disk => Ok(()),
        Medium::Memory => {
            mounts.tmpfs(&place.dir, memory(source, place.pod, &place.volumes.config.allocatable))
        }
        Medium::HugePages(size) => {
            mounts.mount("nodev", &place.dir, "hugetlbfs", &[format!("pagesize={size}")])
        }
    }
    .map_err(|e| e.to_string())?;
    ownership::set_mode(&place.dir, 0o777).map_err(text)?;
    if let Some(group) = place.group() {
        ownership::give(&place.dir, group, ownership::WRITE).map_err(text)?;
    }
    fs::create_dir_all(&marker).map_err(text)
}

/// In what the directory lies.
#[derive(Debug, PartialEq)]
enum Medium {
    Disk,
    Memory,
    /// Pages of this size, as the resource's name writes it.
    HugePages(String),
}

impl Medium {
    fn of(source: &EmptyDirVolumeSource, pod: &Pod) -> Result<Self, String> {
        match source.medium.as_str() {
            "" => Ok(Medium::Disk),
            "Memory" => Ok(Medium::Memory),
            medium if medium == "HugePages" || medium.starts_with("HugePages-") => {
                page_size(medium, pod).map(Medium::HugePages)
            }
            other => Err(format!("storage medium {other:?} is not supported on this node")),
        }
    }
}

/// The size of the huge pages that the medium stands for: the pod must have asked for them.
fn page_size(medium: &str, pod: &Pod) -> Result<String, String> {
    let named = medium.strip_prefix("HugePages-");
    let own = pod.spec.resources.iter().map(|r| &r.requests);
    let containers = pod.spec.containers.iter().chain(&pod.spec.init_containers);
    let requests = own.chain(containers.map(|c| &c.resources.requests));
    let mut sizes: Vec<&str> =
        requests.flat_map(|r| r.keys()).filter_map(|name| name.strip_prefix("hugepages-")).collect();
    sizes.sort_unstable();
    sizes.dedup();
    match (named, sizes.as_slice()) {
        (Some(size), found) if found.contains(&size) => Ok(size.to_string()),
        (None, [size]) => Ok(size.to_string()),
        (None, [_, _, ..]) => {
            Err(format!("medium: {medium} can't be used if container requests multiple huge page sizes"))
        }
        _ => Err(format!(
            "medium {medium}: hugePages storage requested, but there is no resource request for huge pages"
        )),
    }
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
    let whole = pod.spec.resources.as_ref().and_then(|r| r.limits.get("memory").copied());
    let pod_limit = whole.or_else(|| limits.reduce(|sum, q| Some(sum? + q?)).flatten());
    let own = source.size_limit.filter(|q| !q.is_zero());
    let least = [node, pod_limit.filter(|q| !q.is_zero()), own].into_iter().flatten().min();
    least.and_then(|q| u64::try_from(q.value()).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::core::v1::Container;

    #[test]
    fn huge_pages_must_have_been_asked_for() {
        let pod = |names: &[&str]| {
            let mut c = Container::default();
            for name in names {
                c.resources.requests.insert(format!("hugepages-{name}"), Quantity::bytes(1));
            }
            let mut pod = Pod::default();
            pod.spec.containers = vec![c];
            pod
        };
        for (medium, names, want) in [
            ("HugePages", vec!["2Mi"], Some("2Mi")),
            ("HugePages", vec!["2Mi", "1Gi"], None),
            ("HugePages", vec![], None),
            ("HugePages-1Gi", vec!["2Mi", "1Gi"], Some("1Gi")),
            ("HugePages-1Gi", vec!["2Mi"], None),
        ] {
            assert_eq!(page_size(medium, &pod(&names)).ok().as_deref(), want, "{medium} {names:?}");
        }
        let source = EmptyDirVolumeSource { medium: "Tape".into(), size_limit: None };
        assert!(Medium::of(&source, &pod(&[])).is_err());
    }

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
