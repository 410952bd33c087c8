//! How full volumes are, for `/stats/summary` and for evictions. What must be counted file by file is
//! remembered for a while.

use super::Volumes;
use super::claim::use_of;
use super::csi::Spec;
use corten_api::Time;
use corten_api::core::v1::{Pod, Volume};
use corten_node_api::csi::volume_usage::Unit;
use corten_rt::Instant;
use nix::sys::statvfs::statvfs;
use parking_lot::Mutex;
use std::collections::{HashMap, HashSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// For how long what was counted is good enough for the stats.
pub const USUAL_AGE: Duration = Duration::from_secs(60);

/// How full one volume of a pod is; `None` where nobody can tell.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VolumeStats {
    /// The name in the pod.
    pub name: String,
    /// Namespace and name of the claim behind it.
    pub claim: Option<(String, String)>,
    /// When this was found.
    pub time: Option<Time>,
    pub capacity_bytes: Option<u64>,
    pub available_bytes: Option<u64>,
    pub used_bytes: Option<u64>,
    pub inodes: Option<u64>,
    pub inodes_free: Option<u64>,
    pub inodes_used: Option<u64>,
}

/// What a directory holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes on the disk; what several names share counts once.
    pub bytes: u64,
    /// Files and directories.
    pub inodes: u64,
}

/// What was found, by pod and volume.
#[derive(Default)]
pub(super) struct Measured(Mutex<HashMap<(String, String), (Instant, VolumeStats)>>);

impl Measured {
    fn fresh(&self, uid: &str, name: &str, age: Duration) -> Option<VolumeStats> {
        let known = self.0.lock();
        let (when, stats) = known.get(&(uid.to_string(), name.to_string()))?;
        (when.elapsed() < age).then(|| stats.clone())
    }

    pub fn forget(&self, uid: &str) {
        self.0.lock().retain(|(of, _), _| of != uid);
    }
}

impl Volumes {
    /// How full the volumes are that the pod has in place, found `age` ago at most. Volumes of which nobody
    /// can tell (those of the node's own paths) are left out.
    pub async fn stats(&self, pod: &Pod, age: Duration) -> Vec<VolumeStats> {
        let mut all = Vec::new();
        for volume in &pod.spec.volumes {
            if use_of(pod, &volume.name).is_none() {
                continue;
            }
            let uid = &pod.metadata.uid;
            if let Some(known) = self.measured.fresh(uid, &volume.name, age) {
                all.push(known);
                continue;
            }
            let Some(found) = Box::pin(self.measure(pod, volume)).await else { continue };
            let known = VolumeStats {
                name: volume.name.clone(),
                claim: claim_of(pod, volume),
                time: Some(Time::new(self.clock.now())),
                ..found
            };
            self.measured
                .0
                .lock()
                .insert((uid.clone(), volume.name.clone()), (Instant::now(), known.clone()));
            all.push(known);
        }
        all
    }

    /// What the pod holds in emptyDir volumes on the node's disk, by the volumes' names, counted `age` ago at
    /// most: what counts against their size limits and the pod's ephemeral storage.
    pub async fn disk_usage(&self, pod: &Pod, age: Duration) -> Vec<(String, Usage)> {
        let on_disk = |name: &str| {
            let volume = pod.spec.volumes.iter().find(|v| v.name == name);
            let source = volume.and_then(|v| v.volume_source.empty_dir.as_deref());
            source.is_some_and(|s| s.medium.is_empty())
        };
        let all = self.stats(pod, age).await.into_iter().filter(|stats| on_disk(&stats.name));
        all.map(|s| {
            let usage = Usage { bytes: s.used_bytes.unwrap_or(0), inodes: s.inodes_used.unwrap_or(0) };
            (s.name, usage)
        })
        .collect()
    }

    async fn measure(&self, pod: &Pod, volume: &Volume) -> Option<VolumeStats> {
        let source = &volume.volume_source;
        let dir = self.pod_dir(&pod.metadata.uid).join("volumes");
        let below = |plugin: &str| dir.join(plugin).join(&volume.name);
        if let Some(empty) = &source.empty_dir {
            let path = below("kubernetes.io~empty-dir");
            return match empty.medium.is_empty() {
                true => counted(path).await,
                false => of_file_system(&path),
            };
        }
        let shown = [
            ("kubernetes.io~configmap", source.config_map.is_some()),
            ("kubernetes.io~secret", source.secret.is_some()),
            ("kubernetes.io~projected", source.projected.is_some()),
            ("kubernetes.io~downward-api", source.downward_api.is_some()),
        ];
        if let Some((plugin, _)) = shown.iter().find(|(_, is)| *is) {
            return counted(below(plugin)).await;
        }
        if source.nfs.is_some() {
            return of_mount(self, &below(super::nfs::PLUGIN));
        }
        if source.csi.is_some() || claim_of(pod, volume).is_some() {
            return self.measure_bound(pod, volume).await;
        }
        None
    }

    /// A volume of a driver, or one behind a claim.
    async fn measure_bound(&self, pod: &Pod, volume: &Volume) -> Option<VolumeStats> {
        let how = use_of(pod, &volume.name)?;
        let uid = &pod.metadata.uid;
        if let Some(source) = &volume.volume_source.csi {
            let at =
                self.pod_dir(uid).join("volumes").join(super::csi::PLUGIN).join(&volume.name).join("mount");
            return self.ask_driver(&source.driver, &Spec::handle_of(uid, &volume.name), &at).await;
        }
        let bound = super::claim::resolve(&self.client, pod, volume, how).await.ok()??;
        let name = &bound.volume.metadata.name;
        let source = &bound.volume.spec.persistent_volume_source;
        let below = if bound.is_block() { "volumeDevices" } else { "volumes" };
        let dir = self.pod_dir(uid).join(below);
        if let Some(csi) = &source.csi {
            let place = dir.join(super::csi::PLUGIN).join(name);
            let at = if bound.is_block() { place } else { place.join("mount") };
            return self.ask_driver(&csi.driver, &csi.volume_handle, &at).await;
        }
        match bound.is_block() {
            true => None,
            false if source.local.is_some() => of_mount(self, &dir.join(super::local::PLUGIN).join(name)),
            false if source.nfs.is_some() => of_mount(self, &dir.join(super::nfs::PLUGIN).join(name)),
            false => None,
        }
    }

    async fn ask_driver(&self, driver: &str, handle: &str, at: &Path) -> Option<VolumeStats> {
        let driver = self.csi.driver(driver).ok()?;
        if !driver.measures().await.ok()? {
            return None;
        }
        let reply = match Box::pin(driver.stats(handle, at)).await {
            Ok(reply) => reply,
            Err(error) => {
                tracing::debug!(handle, %error, "a driver does not tell how full a volume is");
                return None;
            }
        };
        let mut stats = VolumeStats::default();
        for usage in reply.usage {
            let number = |n: i64| u64::try_from(n).ok();
            match Unit::try_from(usage.unit) {
                Ok(Unit::Bytes) => {
                    stats.capacity_bytes = number(usage.total);
                    stats.available_bytes = number(usage.available);
                    stats.used_bytes = number(usage.used);
                }
                Ok(Unit::Inodes) => {
                    stats.inodes = number(usage.total);
                    stats.inodes_free = number(usage.available);
                    stats.inodes_used = number(usage.used);
                }
                _ => {}
            }
        }
        Some(stats)
    }
}

/// Namespace and name of the claim that the volume names.
fn claim_of(pod: &Pod, volume: &Volume) -> Option<(String, String)> {
    let source = &volume.volume_source;
    let own = || format!("{}-{}", pod.metadata.name, volume.name);
    let named = source.persistent_volume_claim.as_ref().map(|claim| claim.claim_name.clone());
    let name = named.or_else(|| source.ephemeral.as_ref().map(|_| own()))?;
    Some((pod.metadata.namespace.clone(), name))
}

/// A directory on the node's disk: its own files, and the room on the disk.
async fn counted(dir: PathBuf) -> Option<VolumeStats> {
    let counting = tokio::task::spawn_blocking(move || {
        let room = of_file_system(&dir)?;
        let usage = usage(&dir);
        Some(VolumeStats { used_bytes: Some(usage.bytes), inodes_used: Some(usage.inodes), ..room })
    });
    counting.await.ok()?
}

/// A file system of the volume's own, if it is there.
fn of_mount(volumes: &Volumes, dir: &Path) -> Option<VolumeStats> {
    if volumes.mounts.is_mounted(dir).ok()? { of_file_system(dir) } else { None }
}

fn of_file_system(dir: &Path) -> Option<VolumeStats> {
    let found = statvfs(dir).ok()?;
    let block = found.fragment_size();
    Some(VolumeStats {
        capacity_bytes: Some(found.blocks() * block),
        available_bytes: Some(found.blocks_available() * block),
        used_bytes: Some(found.blocks().saturating_sub(found.blocks_free()) * block),
        inodes: Some(found.files()),
        inodes_free: Some(found.files_free()),
        inodes_used: Some(found.files().saturating_sub(found.files_free())),
        ..VolumeStats::default()
    })
}

/// Counts what lies in `dir`, without what is mounted in it. Directories and files may vanish meanwhile.
pub fn usage(dir: &Path) -> Usage {
    let mut usage = Usage::default();
    let Ok(top) = fs::symlink_metadata(dir) else { return usage };
    let mut linked = HashSet::new();
    let mut open = vec![dir.to_path_buf()];
    usage.inodes += 1;
    usage.bytes += top.blocks() * 512;
    while let Some(dir) = open.pop() {
        let Ok(entries) = fs::read_dir(&dir) else { continue };
        for entry in entries.flatten() {
            let Ok(meta) = entry.metadata() else { continue };
            if meta.dev() != top.dev() || meta.nlink() > 1 && !meta.is_dir() && !linked.insert(meta.ino()) {
                continue;
            }
            usage.inodes += 1;
            usage.bytes += meta.blocks() * 512;
            if meta.is_dir() {
                open.push(entry.path());
            }
        }
    }
    usage
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_several_names_counts_once() {
        let dir = tempfile::tempdir().expect("directory");
        fs::create_dir_all(dir.path().join("a/b")).expect("made");
        let file = dir.path().join("a/b/f");
        fs::write(&file, vec![7; 100_000]).expect("written");
        let before = usage(dir.path());
        assert_eq!(before.inodes, 4);
        assert!((100_000..130_000).contains(&before.bytes), "{before:?}");
        fs::hard_link(&file, dir.path().join("g")).expect("linked");
        assert_eq!(usage(dir.path()), before);
        assert_eq!(usage(&dir.path().join("none")), Usage::default());
    }
}
