//! How full volumes are that are not files of the pod's own: those behind claims, of CSI drivers, and NFS.
//! What a driver has told is remembered for a while.

use super::Volumes;
use super::claim::use_of;
use super::csi::Spec;
use corten_api::Time;
use corten_api::core::v1::{Pod, Volume};
use corten_node_api::csi::volume_usage::Unit;
use corten_rt::Instant;
use nix::sys::statvfs::statvfs;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

/// How long to wait for a file system that is another machine's.
const PATIENCE: Duration = Duration::from_secs(10);

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
    /// How full the pod's volumes are that lie behind claims, belong to drivers, or are another machine's; found
    /// `age` ago at most. Those of which nobody can tell are left out.
    pub async fn stats(&self, pod: &Pod, age: Duration) -> Vec<VolumeStats> {
        let mut all = Vec::new();
        for volume in pod.spec.volumes.iter().filter(|v| is_behind(v)) {
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

    async fn measure(&self, pod: &Pod, volume: &Volume) -> Option<VolumeStats> {
        let source = &volume.volume_source;
        if source.nfs.is_some() {
            let dir = self.pod_dir(&pod.metadata.uid).join("volumes").join(super::nfs::PLUGIN);
            return of_mount(self, &dir.join(&volume.name)).await;
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
            false if source.local.is_some() => {
                of_mount(self, &dir.join(super::local::PLUGIN).join(name)).await
            }
            false if source.nfs.is_some() => of_mount(self, &dir.join(super::nfs::PLUGIN).join(name)).await,
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

/// Whether [`Volumes::stats`] tells of the volume, if anybody can.
pub fn is_behind(volume: &Volume) -> bool {
    let source = &volume.volume_source;
    source.persistent_volume_claim.is_some()
        || source.ephemeral.is_some()
        || source.csi.is_some()
        || source.nfs.is_some()
}

/// A file system of the volume's own, if it is there. A server may be slow to answer.
async fn of_mount(volumes: &Volumes, dir: &Path) -> Option<VolumeStats> {
    let (mounts, dir) = (volumes.mounts.clone(), dir.to_path_buf());
    let looking = tokio::task::spawn_blocking(move || match mounts.is_mounted(&dir).ok()? {
        true => of_file_system(&dir),
        false => None,
    });
    corten_rt::timeout(PATIENCE, looking).await?.ok()?
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_systems_tell_how_full_they_are() {
        let dir = tempfile::tempdir().expect("directory");
        let found = of_file_system(dir.path()).expect("there");
        let (all, used, free) = (found.capacity_bytes, found.used_bytes, found.available_bytes);
        assert!(all > Some(0) && used <= all && free <= all, "{found:?}");
        assert_eq!(of_file_system(&dir.path().join("none")), None);
    }

    #[test]
    fn claims_are_found_by_their_names() {
        let mut pod = Pod::default();
        (pod.metadata.name, pod.metadata.namespace) = ("web".into(), "ns".into());
        let mut volume = Volume { name: "v".into(), ..Default::default() };
        assert!(claim_of(&pod, &volume).is_none() && !is_behind(&volume));
        volume.volume_source.ephemeral = Some(Box::default());
        assert_eq!(claim_of(&pod, &volume), Some(("ns".into(), "web-v".into())));
        assert!(is_behind(&volume));
    }
}
