//! Bringing a volume with a file system to a pod: attach, stage, publish, give to the pod's group.

use super::super::{Place, Trouble, ownership};
use super::driver::text;
use super::{Driver, RpcError, Spec, attach, data::VolumeData, lock_name, request, stage_dir, told};
use corten_api::storage::v1::CSIDriver;
use corten_node_api::csi::{NodePublishVolumeRequest, NodeStageVolumeRequest};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Brings the volume to `DIR/mount`. One that is there already is published again only if its driver asks to
/// be told anew from time to time.
pub async fn set_up(place: &Place<'_>, spec: &Spec) -> Result<PathBuf, Trouble> {
    let volumes = place.volumes;
    let target = place.dir.join("mount");
    let there = place.is_ready() || volumes.mounts.is_mounted(&target).map_err(|e| e.to_string())?;
    let object = volumes.client.all::<CSIDriver>().find(&spec.driver).await;
    let object = match object {
        // Whether to tell anew can wait.
        Err(_) if there => None,
        other => other.map_err(|e| told(format!("mounter.SetUpAt failed to get CSIDriver: {e}")))?,
    };
    let object = object.as_deref();
    let again = there && object.is_some_and(|o| o.spec.requires_republish == Some(true));
    if there && !again {
        if object.is_some() {
            // Of an earlier process.
            attach::note_use(place, spec, object);
        }
        place.now_ready();
        return Ok(target);
    }
    let driver = volumes.csi.driver(&spec.driver).map_err(|e| no_driver(spec, &e))?;
    check_lifecycle(spec, object).map_err(told)?;
    let context = attach::publish_context(place, spec, object).await?;
    let _alone = volumes.locks.hold(&lock_name(&spec.driver, &spec.handle)).await;
    // From now on the volume counts as used by this pod, whatever happens.
    spec.data(place)
        .save(&place.dir)
        .map_err(|e| told(format!("mounter.SetUpAt failed to save volume info data: {e}")))?;
    let staged = match spec.ephemeral {
        true => None,
        false => Box::pin(stage(place, spec, &driver, &context)).await?,
    };
    let order = Order { spec, driver: &driver, object, context, staged };
    Box::pin(publish(place, order, &target)).await?;
    if !there {
        give(place, spec, &driver, object, &target).await?;
    }
    place.now_ready();
    Ok(target)
}

fn no_driver(spec: &Spec, why: &str) -> Trouble {
    match spec.ephemeral {
        true => Trouble::SetUp(told(format!("mounter.SetUpAt failed to get CSI client: {why}"))),
        false => {
            Trouble::Device(told(format!("attacher.MountDevice failed to create newCsiDriverClient: {why}")))
        }
    }
}

/// Whether the driver has volumes of this kind: those in a pod's spec must be declared.
fn check_lifecycle(spec: &Spec, object: Option<&CSIDriver>) -> Result<(), String> {
    let (driver, mode) = (&spec.driver, if spec.ephemeral { "Ephemeral" } else { "Persistent" });
    let about = format!(
        "mounter.SetupAt failed to check volume lifecycle mode: volume mode {mode:?} not supported by driver {driver}"
    );
    match object {
        None if spec.ephemeral => Err(format!("{about} (no CSIDriver object)")),
        None => Ok(()),
        Some(object) => {
            let modes = &object.spec.volume_lifecycle_modes;
            let usual = modes.is_empty() && !spec.ephemeral;
            match usual || modes.iter().any(|m| m == mode) {
                true => Ok(()),
                false => Err(format!("{about} (only supports {modes:?})")),
            }
        }
    }
}

/// Stages the volume unless it is; gives where, or `None` when the driver does not stage.
async fn stage(
    place: &Place<'_>,
    spec: &Spec,
    driver: &Driver,
    context: &HashMap<String, String>,
) -> Result<Option<PathBuf>, Trouble> {
    let volumes = place.volumes;
    let rpc = |e: RpcError| Trouble::Device(e.to_string());
    if !driver.stages().await.map_err(rpc)? {
        return Ok(None);
    }
    let dir = stage_dir(volumes, &spec.driver, &spec.handle);
    let at = dir.join("globalmount");
    let known = volumes.ready.lock().contains(&at);
    if known || volumes.mounts.is_mounted(&at).map_err(|e| e.to_string())? {
        return Ok(Some(at));
    }
    let secrets = request::secrets(&volumes.client, spec.stage_secret.as_ref(), "NodeStageSecretRef").await;
    let group = group(place, driver).await.map_err(rpc)?;
    let capability = request::capability(driver, spec, false, group).await.map_err(rpc)?;
    let request = NodeStageVolumeRequest {
        volume_id: spec.handle.clone(),
        publish_context: context.clone(),
        staging_target_path: text(&at),
        volume_capability: Some(capability),
        secrets: secrets.map_err(Trouble::Device)?,
        volume_context: spec.attributes.clone().into_iter().collect(),
    };
    std::fs::create_dir_all(&at)
        .and_then(|()| spec.data(place).save(&dir))
        .map_err(|e| Trouble::Device(told(format!("failed to save volume info data: {e}"))))?;
    if let Err(error) = Box::pin(driver.stage(request)).await {
        if error.is_final() {
            take_back(&dir, &at);
            take_back(&place.dir, &place.dir.join("mount"));
        }
        return Err(rpc(error));
    }
    volumes.ready.lock().insert(at.clone());
    Ok(Some(at))
}

/// Removes what was prepared for a volume that the driver has refused. What cannot be removed is for later.
fn take_back(dir: &Path, at: &Path) {
    if !at.exists() || std::fs::remove_dir(at).is_ok() {
        let _ = VolumeData::remove(dir).and_then(|()| std::fs::remove_dir(dir));
    }
}

/// The pod's group, if the driver gives volumes to it.
async fn group(place: &Place<'_>, driver: &Driver) -> Result<Option<u32>, RpcError> {
    Ok(if driver.gives_to_group().await? { place.group() } else { None })
}

/// What goes into publishing a volume.
pub(super) struct Order<'a> {
    pub spec: &'a Spec,
    pub driver: &'a Driver,
    pub object: Option<&'a CSIDriver>,
    pub context: HashMap<String, String>,
    pub staged: Option<PathBuf>,
}

impl Order<'_> {
    /// What the driver is told of volume and pod, and the secrets.
    pub async fn words(
        &self,
        place: &Place<'_>,
    ) -> Result<(HashMap<String, String>, HashMap<String, String>), String> {
        let mut about: HashMap<String, String> = self.spec.attributes.clone().into_iter().collect();
        let reference = self.spec.publish_secret.as_ref();
        let mut secrets = request::secrets(&place.volumes.client, reference, "NodePublishSecretRef").await?;
        if let Some(object) = self.object {
            if object.spec.pod_info_on_mount == Some(true) {
                about.extend(request::about_pod(place.pod, self.spec.ephemeral));
            }
            let tokens = request::tokens(place, object).await.map_err(|e| {
                told(format!("mounter.SetUpAt failed to get service accoount token attributes: {e}"))
            })?;
            match object.spec.service_account_token_in_secrets {
                Some(true) => secrets.extend(tokens),
                _ => about.extend(tokens),
            }
        }
        Ok((about, secrets))
    }
}

async fn publish(place: &Place<'_>, order: Order<'_>, target: &Path) -> Result<(), Trouble> {
    let Order { spec, driver, .. } = order;
    let rpc = |e: RpcError| Trouble::SetUp(e.to_string());
    let (volume_context, secrets) = order.words(place).await?;
    let group = group(place, driver).await.map_err(rpc)?;
    let capability = request::capability(driver, spec, false, group).await.map_err(rpc)?;
    let request = NodePublishVolumeRequest {
        volume_id: spec.handle.clone(),
        publish_context: order.context,
        staging_target_path: order.staged.as_deref().map(text).unwrap_or_default(),
        target_path: text(target),
        volume_capability: Some(capability),
        readonly: spec.read_only,
        secrets,
        volume_context,
    };
    match Box::pin(driver.publish(request)).await {
        Ok(()) => Ok(()),
        Err(error) => {
            // A staged volume must be unstaged, which goes by what lies here.
            if error.is_final() && order.staged.is_none() {
                take_back(&place.dir, target);
            }
            Err(rpc(error))
        }
    }
}

/// Gives the volume to the pod's group, where the driver leaves that to us.
async fn give(
    place: &Place<'_>,
    spec: &Spec,
    driver: &Driver,
    object: Option<&CSIDriver>,
    target: &Path,
) -> Result<(), Trouble> {
    let by_driver = driver.gives_to_group().await.map_err(|e| e.to_string())?;
    if by_driver || !is_given_by_us(spec, object) {
        return Ok(());
    }
    let failed = |e| format!("applyFSGroup failed for vol {}: {e}", spec.handle);
    Ok(ownership::give_volume(place.pod, target.to_path_buf()).await.map_err(failed)?)
}

/// Whether the pod's group applies to the volume, by the policy that its driver has declared.
fn is_given_by_us(spec: &Spec, object: Option<&CSIDriver>) -> bool {
    if spec.read_only {
        return false;
    }
    let once = |mode: &String| matches!(mode.as_str(), "ReadWriteOnce" | "ReadWriteOncePod");
    match object.and_then(|o| o.spec.fs_group_policy.as_deref()) {
        Some("None") => false,
        Some("File") => true,
        _ => !spec.fs_type.is_empty() && (spec.ephemeral || spec.access_modes.iter().any(once)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(policy: Option<&str>, modes: &[&str]) -> CSIDriver {
        let mut object = CSIDriver::default();
        object.spec.fs_group_policy = policy.map(str::to_string);
        object.spec.volume_lifecycle_modes = modes.iter().map(|m| m.to_string()).collect();
        object
    }

    #[test]
    fn groups_apply_by_policy() {
        let spec = |fs_type: &str, mode: &str, read_only| Spec {
            fs_type: fs_type.into(),
            access_modes: vec![mode.into()],
            read_only,
            ..Spec::default()
        };
        let usual = Some("ReadWriteOnceWithFSType");
        for (policy, spec, want) in [
            (None, spec("ext4", "ReadWriteOnce", false), true),
            (None, spec("", "ReadWriteOnce", false), false),
            (usual, spec("ext4", "ReadWriteOncePod", false), true),
            (usual, spec("ext4", "ReadWriteMany", false), false),
            (Some("File"), spec("", "ReadWriteMany", false), true),
            (Some("File"), spec("", "ReadWriteMany", true), false),
            (Some("None"), spec("ext4", "ReadWriteOnce", false), false),
        ] {
            assert_eq!(is_given_by_us(&spec, Some(&object(policy, &[]))), want, "{policy:?} {spec:?}");
        }
        let inline = Spec { ephemeral: true, access_modes: Vec::new(), ..spec("ext4", "", false) };
        assert!(is_given_by_us(&inline, None));
    }

    #[test]
    fn volumes_in_pods_must_be_declared() {
        let spec = |ephemeral| Spec { driver: "d".into(), ephemeral, ..Spec::default() };
        for (ephemeral, modes, good) in [
            (false, None, true),
            (true, None, false),
            (false, Some(vec![]), true),
            (true, Some(vec!["Ephemeral"]), true),
            (false, Some(vec!["Ephemeral"]), false),
            (true, Some(vec!["Persistent", "Ephemeral"]), true),
        ] {
            let object = modes.as_ref().map(|modes| object(None, modes));
            assert_eq!(
                check_lifecycle(&spec(ephemeral), object.as_ref()).is_ok(),
                good,
                "{ephemeral} {modes:?}"
            );
        }
        let text = check_lifecycle(&spec(true), None).expect_err("refused");
        assert!(text.ends_with("\"Ephemeral\" not supported by driver d (no CSIDriver object)"), "{text}");
    }
}
