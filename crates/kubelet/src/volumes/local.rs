//! Volumes that are a directory or a disk of this very node.
//!
//! A disk that shall carry a file system is mounted once, below `plugins/`, and shown to each pod from there.

use super::{Place, Trouble, VolumeKind, Volumes, format, ownership, tear_down};
use async_trait::async_trait;
use corten_api::core::v1::LocalVolumeSource;
use std::fs;
use std::os::unix::fs::{FileTypeExt, symlink};
use std::path::{Path, PathBuf};

/// Names the directories in which they lie.
pub(super) const PLUGIN: &str = "kubernetes.io~local-volume";
/// The file system of a disk that names none.
const USUAL: &str = "ext4";

#[async_trait]
impl VolumeKind for LocalVolumeSource {
    fn plugin(&self) -> &'static str {
        PLUGIN
    }

    async fn set_up(&self, place: &Place<'_>) -> Result<PathBuf, Trouble> {
        let path = Path::new(&self.path);
        if !path.is_absolute() || path.components().any(|c| c.as_os_str() == "..") {
            return Err(Trouble::SetUp(format!(
                "invalid path: {} must be absolute and without '..'",
                self.path
            )));
        }
        if place.is_block() {
            return device(path, place).map(|()| place.dir.clone());
        }
        let mounts = &place.volumes.mounts;
        if place.is_ready() || mounts.is_mounted(&place.dir).map_err(|e| e.to_string())? {
            place.now_ready();
            return Ok(place.dir.clone());
        }
        let kind = fs::metadata(path).map_err(|e| Trouble::Device(format!("path {:?}: {e}", self.path)))?;
        let _alone = place.volumes.locks.hold(&lock_name(place.known_as)).await;
        let source = if kind.is_dir() {
            path.to_path_buf()
        } else if kind.file_type().is_block_device() {
            mounted_disk(self, place).await.map_err(Trouble::Device)?
        } else {
            return Err(Trouble::Device("only directory and block device are supported".into()));
        };
        fs::create_dir_all(&place.dir).map_err(|e| format!("{}: {e}", place.dir.display()))?;
        // Whoever has it besides this pod has given it to its own group.
        let shared = others(place.volumes, place.known_as, &place.dir);
        mounts.bind(&source, &place.dir, place.read_only).map_err(|e| e.to_string())?;
        if !place.read_only && !shared {
            ownership::give_volume(place.pod, place.dir.clone()).await?;
        }
        place.now_ready();
        Ok(place.dir.clone())
    }
}

/// Links to the device in the pod's directory.
fn device(path: &Path, place: &Place<'_>) -> Result<(), Trouble> {
    let kind = fs::metadata(path).map_err(|e| Trouble::MapDevice(format!("{}: {e}", path.display())))?;
    if !kind.file_type().is_block_device() {
        return Err(Trouble::MapDevice(format!("{} is not a block device", path.display())));
    }
    link(path, &place.dir).map_err(Trouble::MapPod)
}

/// Makes `link` point to `target`.
pub(super) fn link(target: &Path, link: &Path) -> Result<(), String> {
    let text = |e: std::io::Error| format!("{}: {e}", link.display());
    if fs::read_link(link).is_ok_and(|there| there == target) {
        return Ok(());
    }
    if let Some(parent) = link.parent() {
        fs::create_dir_all(parent).map_err(text)?;
    }
    if fs::symlink_metadata(link).is_ok() {
        fs::remove_file(link).map_err(text)?;
    }
    symlink(target, link).map_err(text)
}

/// Mounts the disk for the whole node, making a file system where there is none, and gives where.
async fn mounted_disk(source: &LocalVolumeSource, place: &Place<'_>) -> Result<PathBuf, String> {
    let target = shared_dir(place.volumes).join(place.known_as);
    let mounts = &place.volumes.mounts;
    if mounts.is_mounted(&target).map_err(|e| e.to_string())? {
        return Ok(target);
    }
    fs::create_dir_all(&target).map_err(|e| format!("{}: {e}", target.display()))?;
    let fs_type = source.fs_type.as_deref().filter(|t| !t.is_empty()).unwrap_or(USUAL);
    let mut options = place.mount_options();
    match place.read_only {
        true => options.push("ro".into()),
        false => format::ensure(Path::new(&source.path), fs_type).await?,
    }
    mounts.mount(&source.path, &target, fs_type, &options).map_err(|error| {
        let at = target.display();
        format!("local: failed to mount device {} at {at} (fstype: {fs_type}), error {error}", source.path)
    })?;
    Ok(target)
}

fn shared_dir(volumes: &Volumes) -> PathBuf {
    volumes.plugin_dir("kubernetes.io/local-volume/mounts")
}

/// Whether another directory than `own` is in use for the volume.
fn others(volumes: &Volumes, name: &str, own: &Path) -> bool {
    volumes.present().iter().any(|uid| {
        let dir = volumes.pod_dir(uid).join("volumes").join(PLUGIN).join(name);
        dir != own && dir.exists()
    })
}

/// The local volumes of the pod whose directory this is.
pub(super) fn mounted_for(pod_dir: &Path) -> Vec<String> {
    super::names_in(&pod_dir.join("volumes").join(PLUGIN))
}

/// Unmounts those disks among `names` that no pod uses any more.
pub(super) async fn let_go(volumes: &Volumes, names: &[String]) -> Result<(), String> {
    for name in names {
        let _alone = volumes.locks.hold(&lock_name(name)).await;
        let target = shared_dir(volumes).join(name);
        if target.exists() && !others(volumes, name, Path::new("")) {
            volumes.mounts.unmount(&target).map_err(|e| e.to_string())?;
            tear_down::remove_empty(&target)?;
        }
    }
    Ok(())
}

/// Unmounts all disks that no pod uses: what a crash left.
pub(super) async fn let_all_go(volumes: &Volumes) -> Result<(), String> {
    let_go(volumes, &super::names_in(&shared_dir(volumes))).await
}

fn lock_name(name: &str) -> String {
    format!("local/{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_put_right() {
        let dir = tempfile::tempdir().expect("directory");
        let at = dir.path().join("a/b");
        for target in ["/dev/null", "/dev/zero", "/dev/zero"] {
            link(Path::new(target), &at).expect("linked");
            assert_eq!(fs::read_link(&at).expect("link"), Path::new(target));
        }
    }
}
