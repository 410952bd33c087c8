//! Taking volumes of drivers away: unpublished from the pod, and unstaged once no pod of the node uses them.
//! All of it goes by what lies on the disk.

use super::super::{Volumes, names_in, tear_down::remove_empty};
use super::{Driver, PLUGIN, block, data::VolumeData, lock_name, stage_dir, told};
use std::path::Path;
use std::sync::Arc;

/// Takes away all that drivers have published to the pod of this UID.
pub async fn tear_down(volumes: &Volumes, uid: &str) -> Result<(), String> {
    block::tear_down(volumes, uid).await?;
    let dir = volumes.pod_dir(uid).join("volumes").join(PLUGIN);
    let mut failed = None;
    for name in names_in(&dir) {
        let volume = dir.join(&name);
        if let Err(error) = Box::pin(one(volumes, &volume)).await {
            failed.get_or_insert(error);
        }
    }
    failed.map_or(Ok(()), Err)
}

/// The volume whose directory in the pod is `dir`.
async fn one(volumes: &Volumes, dir: &Path) -> Result<(), String> {
    let data = load(dir)?;
    let Some(data) = data else {
        // A crash came before anything was asked of the driver.
        remove_empty(&dir.join("mount"))?;
        return remove_empty(dir);
    };
    let _alone = volumes.locks.hold(&lock_name(&data.driver, &data.handle)).await;
    let driver = volumes.csi.driver(&data.driver).map_err(|e| no_client("Unmounter.TearDownAt", &e))?;
    let target = dir.join("mount");
    Box::pin(driver.unpublish(&data.handle, &target))
        .await
        .map_err(|e| told(format!("Unmounter.TearDownAt failed: {e}")))?;
    volumes.ready.lock().remove(dir);
    if !data.ephemeral {
        // While our own file is here the volume counts as used by us, and a crash finds it.
        if !others(volumes, &data, dir) {
            Box::pin(unstage(volumes, &driver, &data.handle)).await?;
        }
    }
    clean(volumes, dir, &target)
}

fn no_client(step: &str, why: &str) -> String {
    told(format!("{step} failed to get CSI client: {why}"))
}

fn load(dir: &Path) -> Result<Option<VolumeData>, String> {
    VolumeData::load(dir)
        .map_err(|e| told(format!("failed to open volume data file [{}]: {e}", dir.display())))
}

/// Removes the directory of a volume and what is remembered of it. The driver removes the mount point; some
/// leave it.
fn clean(volumes: &Volumes, dir: &Path, mount_point: &Path) -> Result<(), String> {
    if volumes.mounts.is_mounted(mount_point).map_err(|e| e.to_string())? {
        return Err(told(format!("the driver left {} mounted", mount_point.display())));
    }
    remove_empty(mount_point)?;
    VolumeData::remove(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    remove_empty(dir)
}

/// Whether a pod's directory other than `own` has the same volume.
fn others(volumes: &Volumes, data: &VolumeData, own: &Path) -> bool {
    volumes.present().iter().any(|uid| {
        let dir = volumes.pod_dir(uid).join("volumes").join(PLUGIN);
        let mut dirs = names_in(&dir).into_iter().map(|name| dir.join(name)).filter(|dir| dir != own);
        dirs.any(|dir| match VolumeData::load(&dir) {
            Ok(found) => found.is_some_and(|f| f.driver == data.driver && f.handle == data.handle),
            // Whatever it is, it may be this.
            Err(_) => true,
        })
    })
}

/// Takes a staged volume from the node; one that is not staged is fine.
async fn unstage(volumes: &Volumes, driver: &Arc<Driver>, handle: &str) -> Result<(), String> {
    let dir = stage_dir(volumes, &driver.name, handle);
    if !dir.exists() {
        return Ok(());
    }
    let at = dir.join("globalmount");
    let failed = |e| told(format!("attacher.UnmountDevice failed: {e}"));
    if driver.stages().await.map_err(failed)? {
        Box::pin(driver.unstage(handle, &at)).await.map_err(failed)?;
    }
    volumes.ready.lock().remove(&at);
    clean(volumes, &dir, &at)
}

/// Takes volumes from the node that no pod uses: what a crash left.
pub async fn let_go_unused(volumes: &Volumes) -> Result<(), String> {
    let top = volumes.plugin_dir("kubernetes.io/csi");
    let mut failed = None;
    for name in names_in(&top).into_iter().filter(|name| name != block::DIR) {
        for hash in names_in(&top.join(&name)) {
            let dir = top.join(&name).join(hash);
            if let Err(error) = Box::pin(let_go(volumes, &dir)).await {
                failed.get_or_insert(error);
            }
        }
    }
    if let Err(error) = Box::pin(block::let_go_unused(volumes)).await {
        failed.get_or_insert(error);
    }
    failed.map_or(Ok(()), Err)
}

async fn let_go(volumes: &Volumes, dir: &Path) -> Result<(), String> {
    let Some(data) = load(dir)? else {
        remove_empty(&dir.join("globalmount"))?;
        return remove_empty(dir);
    };
    let _alone = volumes.locks.hold(&lock_name(&data.driver, &data.handle)).await;
    // Drivers that stage write here; while one stages anew, its lock was waited for.
    if others(volumes, &data, Path::new("")) {
        return Ok(());
    }
    let driver = volumes.csi.driver(&data.driver).map_err(|e| no_client("attacher.UnmountDevice", &e))?;
    unstage(volumes, &driver, &data.handle).await
}
