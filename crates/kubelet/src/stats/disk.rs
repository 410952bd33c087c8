//! What is on disk: the node's file systems, and of each pod its volumes, logs and writable layers.

use super::{Disk, Disks, PodDisk, VolumeUse};
use crate::Shared;
use crate::volumes::stats::{VolumeStats, is_behind};
use corten_api::core::v1::{Pod, Volume};
use corten_node_api::cri::{ContainerStats, FilesystemUsage, ImageFsInfoRequest, ListContainerStatsRequest};
use corten_semantics::pod::is_terminal;
use nix::sys::statvfs::statvfs;
use std::collections::{HashMap, HashSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// For how long what drivers tell of their volumes is good enough.
const BEHIND_AGE: Duration = Duration::from_secs(60);

/// Measures everything: as long as it takes to look at every file that pods wrote.
pub async fn measure(shared: &Arc<Shared>) -> Disks {
    let pods = crate::static_pods::as_they_run(shared).into_iter().filter(|p| !is_terminal(p)).collect();
    let disks = file_systems(shared).await;
    of_pods(shared, pods, disks).await
}

/// The node's file systems, without the pods' parts of them.
pub async fn file_systems(shared: &Arc<Shared>) -> Disks {
    let image_fs = shared.cri.image_fs_info(ImageFsInfoRequest {}).await.unwrap_or_default();
    let of = |list: &[FilesystemUsage]| list.first().map(place).unwrap_or_default();
    let (images, containers) = (of(&image_fs.image_filesystems), of(&image_fs.container_filesystems));
    let containers = if containers.0.as_os_str().is_empty() { images.clone() } else { containers };
    let device = |path: &Path| path.metadata().map(|m| m.dev()).ok();
    let root = &shared.places.root;
    let node = file_system(root);
    Disks {
        time: shared.clock.now(),
        node: Disk {
            used: node.capacity.saturating_sub(node.available),
            inodes_used: node.inodes.saturating_sub(node.inodes_free),
            ..node
        },
        images: with_use(&images),
        containers: with_use(&containers),
        images_apart: device(&images.0).is_some_and(|d| device(root) != Some(d)),
        containers_apart_from_images: device(&containers.0) != device(&images.0),
        ..Disks::default()
    }
}

/// The same with what these pods have on disk.
pub async fn of_pods(shared: &Arc<Shared>, pods: Vec<Arc<Pod>>, mut disks: Disks) -> Disks {
    let layers = match shared.cri.list_container_stats(ListContainerStatsRequest::default()).await {
        Ok(reply) => reply.stats,
        Err(error) => {
            tracing::debug!(%error, "the runtime does not tell what containers wrote");
            Vec::new()
        }
    };
    let behind = futures::future::join_all(pods.iter().map(|pod| behind(shared, pod))).await;
    let shared = shared.clone();
    let measured = tokio::task::spawn_blocking(move || {
        let mut wrote = written(&layers, &disks.containers);
        for (pod, behind) in pods.into_iter().zip(behind) {
            let layers = wrote.remove(&pod.metadata.uid).unwrap_or_default();
            let mut found = of_pod(&shared, &pod, layers, &disks.node);
            found.volumes.extend(behind);
            disks.pods.insert(pod.metadata.uid.clone(), found);
        }
        disks
    });
    measured.await.unwrap_or_default()
}

/// Volumes whose files are not the pod's own: behind claims, of drivers, of other machines.
async fn behind(shared: &Shared, pod: &Pod) -> Vec<VolumeUse> {
    let found = shared.volumes.stats(pod, BEHIND_AGE).await;
    let volume = |v: VolumeStats| VolumeUse {
        name: v.name,
        claim: v.claim,
        ephemeral: false,
        disk: Disk {
            used: v.used_bytes.unwrap_or(0),
            available: v.available_bytes.unwrap_or(0),
            capacity: v.capacity_bytes.unwrap_or(0),
            inodes_used: v.inodes_used.unwrap_or(0),
            inodes_free: v.inodes_free.unwrap_or(0),
            inodes: v.inodes.unwrap_or(0),
        },
    };
    found.into_iter().map(volume).collect()
}

/// Where a file system of the runtime is, and how much of it is used.
fn place(usage: &FilesystemUsage) -> (PathBuf, u64, u64) {
    let path = usage.fs_id.as_ref().map(|f| PathBuf::from(&f.mountpoint)).unwrap_or_default();
    let value = |v: &Option<corten_node_api::cri::UInt64Value>| v.as_ref().map_or(0, |v| v.value);
    (path, value(&usage.used_bytes), value(&usage.inodes_used))
}

fn with_use((path, used, inodes): &(PathBuf, u64, u64)) -> Disk {
    Disk { used: *used, inodes_used: *inodes, ..file_system(path) }
}

/// The writable layers, by pod UID and container name.
fn written(stats: &[ContainerStats], disk: &Disk) -> HashMap<String, HashMap<String, Disk>> {
    let mut out: HashMap<String, HashMap<String, Disk>> = HashMap::new();
    for s in stats {
        let (Some(about), Some(layer)) = (&s.attributes, &s.writable_layer) else { continue };
        let label = |name: &str| about.labels.get(name).cloned();
        let (Some(uid), Some(name)) =
            (label(crate::pod::names::POD_UID), label(crate::pod::names::CONTAINER_NAME))
        else {
            continue;
        };
        let (_, used, inodes_used) = place(layer);
        out.entry(uid).or_default().insert(name, Disk { used, inodes_used, ..*disk });
    }
    out
}

/// The file system that holds a path: its size and what is free.
pub fn file_system(path: &Path) -> Disk {
    let Ok(s) = statvfs(path) else { return Disk::default() };
    let block = s.fragment_size();
    Disk {
        available: s.blocks_available() * block,
        capacity: s.blocks() * block,
        inodes_free: s.files_free(),
        inodes: s.files(),
        ..Disk::default()
    }
}

fn of_pod(shared: &Shared, pod: &Pod, layers: HashMap<String, Disk>, node: &Disk) -> PodDisk {
    let dir = shared.places.pod(&pod.metadata.uid);
    let logs = entries(&shared.places.pod_logs(pod)).into_iter().filter_map(|path| {
        let name = path.file_name()?.to_str()?.to_string();
        let (used, inodes_used) = tree(&path);
        Some((name, Disk { used, inodes_used, ..*node }))
    });
    let other = ["etc-hosts", "containers", "plugins"].map(|name| tree(&dir.join(name)).0);
    PodDisk {
        volumes: volumes(&dir.join("volumes"), pod),
        layers,
        logs: logs.collect(),
        other: other.into_iter().sum(),
    }
}

fn volumes(dir: &Path, pod: &Pod) -> Vec<VolumeUse> {
    // VOLUMES/PLUGIN/NAME
    let mut out = Vec::new();
    for plugin in entries(dir) {
        for path in entries(&plugin) {
            let Some(name) = path.file_name().and_then(|n| n.to_str()) else { continue };
            let own = |v: &&Volume| v.name == name && !is_behind(v);
            let Some(volume) = pod.spec.volumes.iter().find(own) else { continue };
            out.push(volume_use(&path, volume));
        }
    }
    out
}

fn volume_use(path: &Path, volume: &Volume) -> VolumeUse {
    let source = &volume.volume_source;
    let in_memory = source.empty_dir.as_ref().is_some_and(|e| !e.medium.is_empty());
    let mut disk = file_system(path);
    (disk.used, disk.inodes_used) = tree(path);
    let ephemeral = !in_memory && source.host_path.is_none();
    VolumeUse { name: volume.name.clone(), ephemeral, claim: None, disk }
}

fn entries(dir: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path()).collect()
}

/// Bytes and inodes of a file or directory with all below it on the same file system; what has several names
/// counts once, links are not followed.
pub fn tree(path: &Path) -> (u64, u64) {
    let Ok(top) = path.symlink_metadata() else { return (0, 0) };
    let (mut bytes, mut inodes) = (0, 0);
    let mut seen = HashSet::new();
    let mut waiting = vec![(path.to_path_buf(), top.clone())];
    while let Some((path, found)) = waiting.pop() {
        if found.dev() != top.dev() || found.nlink() > 1 && !found.is_dir() && !seen.insert(found.ino()) {
            continue;
        }
        bytes += found.blocks() * 512;
        inodes += 1;
        if found.is_dir() {
            waiting.extend(
                entries(&path).into_iter().filter_map(|p| Some((p.clone(), p.symlink_metadata().ok()?))),
            );
        }
    }
    (bytes, inodes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_counted_once_and_links_are_not_followed() {
        let dir = tempfile::tempdir().expect("directory");
        assert_eq!(tree(&dir.path().join("none")), (0, 0));
        let empty = tree(dir.path()).0;
        std::fs::create_dir(dir.path().join("d")).expect("made");
        std::fs::write(dir.path().join("d/file"), vec![1; 100_000]).expect("written");
        std::fs::hard_link(dir.path().join("d/file"), dir.path().join("again")).expect("linked");
        std::os::unix::fs::symlink("/usr", dir.path().join("link")).expect("linked");
        let (bytes, inodes) = tree(dir.path());
        assert!((100_000..150_000).contains(&(bytes - empty)), "{bytes}");
        assert_eq!(inodes, 4, "the directory, d, the file, the link");
        assert!(file_system(dir.path()).capacity > 0);
    }
}
