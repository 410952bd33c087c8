//! Volumes of drivers that are bare devices. Below `plugins/kubernetes.io/csi/volumeDevices` lie
//! `staging/PV`, `publish/PV/POD` (what the driver makes) and `PV/data/vol_data.json`; the pod's directory has
//! a link to what was published.

use super::super::{Place, Trouble, Volumes, local, names_in, tear_down::remove_empty};
use super::driver::text;
use super::mount::Order;
use super::{Driver, PLUGIN, RpcError, Spec, attach, data::VolumeData, lock_name, request, told};
use corten_api::storage::v1::CSIDriver;
use corten_node_api::csi::{NodePublishVolumeRequest, NodeStageVolumeRequest};
use std::collections::HashMap;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

/// Where they lie, beside the drivers' directories.
pub const DIR: &str = "volumeDevices";

fn top(volumes: &Volumes) -> PathBuf {
    volumes.plugin_dir("kubernetes.io/csi").join(DIR)
}

/// Where the volume of this name is staged.
pub fn staging(volumes: &Volumes, name: &str) -> PathBuf {
    top(volumes).join("staging").join(name)
}

/// Brings the device to the pod; gives the link to it.
pub async fn set_up(place: &Place<'_>, spec: &Spec) -> Result<PathBuf, Trouble> {
    let volumes = place.volumes;
    let published = top(volumes).join("publish").join(place.known_as).join(&place.pod.metadata.uid);
    if fs::metadata(&place.dir).is_ok_and(|m| m.file_type().is_block_device()) {
        return Ok(place.dir.clone());
    }
    let driver = volumes.csi.driver(&spec.driver).map_err(|e| {
        Trouble::MapDevice(told(format!("blockMapper.SetUpDevice failed to get CSI client: {e}")))
    })?;
    let object = volumes.client.all::<CSIDriver>().find(&spec.driver).await;
    let object = object.map_err(|e| {
        Trouble::MapDevice(told(format!(
            "blockMapper.SetupDevice failed to check CSIDriver for {}: {e}",
            spec.driver
        )))
    })?;
    let context = attach::publish_context(place, spec, object.as_deref()).await?;
    let _alone = volumes.locks.hold(&lock_name(&spec.driver, &spec.handle)).await;
    // The link, though it leads nowhere yet, tells that the pod uses the volume.
    let saved = spec.data(place).save(&top(volumes).join(place.known_as).join("data"));
    saved.map_err(|e| Trouble::MapDevice(told(format!("failed to save volume info data: {e}"))))?;
    local::link(&published, &place.dir).map_err(Trouble::MapPod)?;
    Box::pin(stage(place, spec, &driver, &context)).await?;
    let staged = Some(staging(volumes, place.known_as));
    let order = Order { spec, driver: &driver, object: object.as_deref(), context, staged };
    Box::pin(publish(place, order, &published)).await?;
    Ok(place.dir.clone())
}

async fn stage(
    place: &Place<'_>,
    spec: &Spec,
    driver: &Driver,
    context: &HashMap<String, String>,
) -> Result<(), Trouble> {
    let rpc = |e: RpcError| Trouble::MapDevice(e.to_string());
    let at = staging(place.volumes, place.known_as);
    if !driver.stages().await.map_err(rpc)? || place.volumes.ready.lock().contains(&at) {
        return Ok(());
    }
    fs::create_dir_all(&at).map_err(|e| Trouble::MapDevice(format!("{}: {e}", at.display())))?;
    let reference = spec.stage_secret.as_ref();
    let secrets = request::secrets(&place.volumes.client, reference, "NodeStageSecretRef").await;
    let request = NodeStageVolumeRequest {
        volume_id: spec.handle.clone(),
        publish_context: context.clone(),
        staging_target_path: text(&at),
        volume_capability: Some(request::capability(driver, spec, true, None).await.map_err(rpc)?),
        secrets: secrets.map_err(Trouble::MapDevice)?,
        volume_context: spec.attributes.clone().into_iter().collect(),
    };
    Box::pin(driver.stage(request)).await.map_err(rpc)?;
    place.volumes.ready.lock().insert(at);
    Ok(())
}

async fn publish(place: &Place<'_>, order: Order<'_>, at: &Path) -> Result<(), Trouble> {
    let rpc = |e: RpcError| Trouble::MapPod(e.to_string());
    if let Some(parent) = at.parent() {
        fs::create_dir_all(parent).map_err(|e| Trouble::MapPod(format!("{}: {e}", parent.display())))?;
    }
    let (volume_context, secrets) = order.words(place).await.map_err(Trouble::MapPod)?;
    let request = NodePublishVolumeRequest {
        volume_id: order.spec.handle.clone(),
        staging_target_path: order.staged.as_deref().map(text).unwrap_or_default(),
        target_path: text(at),
        volume_capability: Some(
            request::capability(order.driver, order.spec, true, None).await.map_err(rpc)?,
        ),
        readonly: order.spec.read_only,
        publish_context: order.context,
        secrets,
        volume_context,
    };
    Box::pin(order.driver.publish(request)).await.map_err(rpc)?;
    match fs::metadata(at) {
        Ok(made) if made.file_type().is_block_device() => Ok(()),
        _ => Err(Trouble::MapPod(format!("the driver has made no block device at {}", at.display()))),
    }
}

/// Takes away all devices that drivers have published to the pod of this UID.
pub async fn tear_down(volumes: &Volumes, uid: &str) -> Result<(), String> {
    let links = volumes.pod_dir(uid).join("volumeDevices").join(PLUGIN);
    for name in names_in(&links) {
        Box::pin(one(volumes, uid, &name)).await?;
        remove_file(&links.join(&name))?;
    }
    Ok(())
}

/// Takes the volume from the pod, and from the node if that was the last one.
async fn one(volumes: &Volumes, uid: &str, name: &str) -> Result<(), String> {
    let home = top(volumes).join(name);
    let data = VolumeData::load(&home.join("data"));
    let Some(data) = data.map_err(|e| format!("{}: {e}", home.display()))? else { return Ok(()) };
    let _alone = volumes.locks.hold(&lock_name(&data.driver, &data.handle)).await;
    let driver = volumes.csi.driver(&data.driver);
    let driver =
        driver.map_err(|e| told(format!("blockMapper.UnmapPodDevice failed to get CSI client: {e}")))?;
    let published = top(volumes).join("publish").join(name);
    let at = published.join(uid);
    Box::pin(driver.unpublish(&data.handle, &at))
        .await
        .map_err(|e| told(format!("blockMapper.UnmapPodDevice failed: {e}")))?;
    // Drivers that bind a device on a file leave the file.
    volumes.mounts.unmount(&at).map_err(|e| e.to_string())?;
    remove_file(&at)?;
    if names_in(&published).is_empty() {
        Box::pin(unstage(volumes, &driver, &data.handle, name)).await?;
    }
    Ok(())
}

async fn unstage(volumes: &Volumes, driver: &Driver, handle: &str, name: &str) -> Result<(), String> {
    let failed = |e| told(format!("blockMapper.TearDownDevice failed: {e}"));
    let at = staging(volumes, name);
    if driver.stages().await.map_err(failed)? {
        Box::pin(driver.unstage(handle, &at)).await.map_err(failed)?;
    }
    volumes.ready.lock().remove(&at);
    if volumes.mounts.is_mounted(&at).map_err(|e| e.to_string())? {
        return Err(told(format!("the driver left {} mounted", at.display())));
    }
    let home = top(volumes).join(name);
    match fs::symlink_metadata(&at) {
        // A driver may have left a file, or a link to the device.
        Ok(left) if !left.is_dir() => remove_file(&at)?,
        _ => remove_empty(&at)?,
    }
    remove_empty(&top(volumes).join("publish").join(name))?;
    VolumeData::remove(&home.join("data")).map_err(|e| format!("{}: {e}", home.display()))?;
    remove_empty(&home.join("data"))?;
    remove_empty(&home)
}

fn remove_file(path: &Path) -> Result<(), String> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(format!("remove {}: {e}", path.display())),
        _ => Ok(()),
    }
}

/// Takes devices from the node that no pod uses.
pub async fn let_go_unused(volumes: &Volumes) -> Result<(), String> {
    for name in names_in(&top(volumes)).into_iter().filter(|n| n != "publish" && n != "staging") {
        let home = top(volumes).join(&name);
        let data = VolumeData::load(&home.join("data")).map_err(|e| format!("{}: {e}", home.display()))?;
        let Some(data) = data else { continue };
        let _alone = volumes.locks.hold(&lock_name(&data.driver, &data.handle)).await;
        let linked = |uid: &String| {
            fs::symlink_metadata(volumes.pod_dir(uid).join("volumeDevices").join(PLUGIN).join(&name)).is_ok()
        };
        if volumes.present().iter().any(linked) {
            continue;
        }
        let driver = volumes.csi.driver(&data.driver).map_err(told)?;
        for uid in names_in(&top(volumes).join("publish").join(&name)) {
            let at = top(volumes).join("publish").join(&name).join(uid);
            Box::pin(driver.unpublish(&data.handle, &at)).await.map_err(told)?;
            volumes.mounts.unmount(&at).map_err(|e| e.to_string())?;
            remove_file(&at)?;
        }
        Box::pin(unstage(volumes, &driver, &data.handle, &name)).await?;
    }
    Ok(())
}
