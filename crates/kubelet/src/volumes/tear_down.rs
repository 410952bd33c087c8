//! Taking a pod's volumes away, by what lies on the disk: the pod itself may be long forgotten.

use super::{VolumeError, Volumes, csi, is_name, local};
use corten_sys::mounts::Mounts;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

impl Volumes {
    /// Takes away what a pod's volumes have mounted, also through CSI drivers, and removes the pod's directory.
    /// A pod without one is fine.
    ///
    /// # Errors
    /// Something is still in use, a driver is away, or the disk failed; calling again goes on.
    pub async fn unmount(&self, uid: &str) -> Result<(), VolumeError> {
        let failed = |message: String| VolumeError::TearDown { uid: uid.to_string(), message };
        if !is_name(uid) {
            return Err(failed("the UID is no file name".into()));
        }
        let (dir, mounts) = (self.pod_dir(uid), self.mounts.clone());
        self.objects.release(uid);
        self.measured.forget(uid);
        self.tokens.forget(&dir);
        // What was set up for containers lies over the volumes.
        mounts.unmount_under(&dir.join("volume-subpaths")).map_err(|e| failed(e.to_string()))?;
        Box::pin(csi::tear_down(self, uid)).await.map_err(failed)?;
        self.ready.lock().retain(|path| !path.starts_with(&dir));
        let shared = local::mounted_for(&dir);
        let removal = tokio::task::spawn_blocking(move || remove(&dir, &*mounts));
        removal.await.map_err(|e| failed(e.to_string()))?.map_err(failed)?;
        local::let_go(self, &shared).await.map_err(failed)?;
        self.in_use.forget(uid);
        Ok(())
    }
}

/// Unmounts everything below a pod's directory, and removes the directory. Nothing is removed as long as
/// something is mounted there: it would be somebody's data.
fn remove(dir: &Path, mounts: &dyn Mounts) -> Result<(), String> {
    mounts.unmount_under(dir).map_err(|e| e.to_string())?;
    if let Some(left) = mounts.list(dir).map_err(|e| e.to_string())?.first() {
        return Err(format!("{} is still mounted", left.target.display()));
    }
    // What is not the pod's own must have gone with its mount.
    for plugin in [csi::PLUGIN, local::PLUGIN, super::nfs::PLUGIN] {
        let volumes = dir.join("volumes").join(plugin);
        for name in super::names_in(&volumes) {
            remove_empty(&volumes.join(&name))?;
        }
    }
    match fs::remove_dir_all(dir) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(format!("remove {}: {e}", dir.display())),
        _ => Ok(()),
    }
}

/// Removes a directory on which something was mounted.
pub(super) fn remove_empty(dir: &Path) -> Result<(), String> {
    match fs::remove_dir(dir) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(format!("remove {}: {e}", dir.display())),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_sys::mounts::FakeMounts;

    #[test]
    fn data_that_should_not_be_there_is_kept() {
        let dir = tempfile::tempdir().expect("directory");
        let (pod, mounts) = (dir.path().join("u-1"), FakeMounts::default());
        let volume = pod.join("volumes").join(local::PLUGIN).join("pv");
        fs::create_dir_all(&volume).expect("made");
        fs::write(volume.join("precious"), "").expect("written");
        assert!(remove(&pod, &mounts).expect_err("not empty").contains("not empty"));
        assert!(volume.join("precious").exists());
        fs::remove_file(volume.join("precious")).expect("removed");
        fs::create_dir_all(pod.join("volumes/kubernetes.io~empty-dir/x/y")).expect("made");
        assert_eq!(remove(&pod, &mounts), Ok(()));
        assert_eq!(remove(&pod, &mounts), Ok(()));
        assert!(!pod.exists());
    }
}
