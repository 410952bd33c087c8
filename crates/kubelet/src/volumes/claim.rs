//! Claims: which PersistentVolume stands behind a pod's volume, and whether the pod may have it.

use super::Trouble;
use corten_api::core::v1::{PersistentVolume, PersistentVolumeClaim, Pod, Volume};
use corten_client::Client;
use corten_semantics::owner::is_controlled_by;
use std::sync::Arc;

/// While a claim has it, pods may use the claim though it is being deleted.
const PROTECTION: &str = "kubernetes.io/pvc-protection";

/// A claim, and the volume that it is bound to.
#[derive(Clone, Debug)]
pub(super) struct Bound {
    pub claim: Arc<PersistentVolumeClaim>,
    pub volume: Arc<PersistentVolume>,
}

impl Bound {
    /// Whether the volume is a bare device, without a file system.
    pub fn is_block(&self) -> bool {
        self.volume.spec.volume_mode.as_deref() == Some("Block")
    }
}

/// The claim that a volume of the pod names.
struct Asked {
    claim: String,
    /// The claim was made for this pod alone.
    ephemeral: bool,
}

fn asked(pod: &Pod, volume: &Volume) -> Option<Asked> {
    let source = &volume.volume_source;
    if let Some(claim) = &source.persistent_volume_claim {
        return Some(Asked { claim: claim.claim_name.clone(), ephemeral: false });
    }
    let name = format!("{}-{}", pod.metadata.name, volume.name);
    source.ephemeral.as_ref().map(|_| Asked { claim: name, ephemeral: true })
}

/// How containers use a volume.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Use {
    pub mounted: bool,
    pub as_device: bool,
}

/// How the pod's containers use the volume `name`; `None` when none does.
pub(super) fn use_of(pod: &Pod, name: &str) -> Option<Use> {
    let containers = pod.spec.containers.iter().chain(&pod.spec.init_containers);
    let plain = containers.map(|c| (&c.volume_mounts, &c.volume_devices));
    let debuggers = pod.spec.ephemeral_containers.iter().map(|c| {
        let c = &c.ephemeral_container_common;
        (&c.volume_mounts, &c.volume_devices)
    });
    let mut found = Use::default();
    for (mounts, devices) in plain.chain(debuggers) {
        found.mounted |= mounts.iter().any(|m| m.name == name);
        found.as_device |= devices.iter().any(|d| d.name == name);
    }
    (found != Use::default()).then_some(found)
}

/// What stands behind a volume that names a claim; `None` for other volumes.
pub(super) async fn resolve(
    client: &Client,
    pod: &Pod,
    volume: &Volume,
    how: Use,
) -> Result<Option<Bound>, Trouble> {
    let Some(asked) = asked(pod, volume) else { return Ok(None) };
    let namespace = &pod.metadata.namespace;
    let in_claim = |why: String| {
        Trouble::Unprocessed(format!("error processing PVC {namespace}/{}: {why}", asked.claim))
    };
    let claims = client.namespaced::<PersistentVolumeClaim>(namespace);
    let claim = claims
        .get(&asked.claim)
        .await
        .map_err(|e| in_claim(format!("failed to fetch PVC from API server: {e}")))?;
    check_claim(&claim).map_err(|why| in_claim(why.into()))?;
    if asked.ephemeral && !is_controlled_by(&claim.metadata, pod) {
        return Err(Trouble::Unprocessed(format!(
            "PVC {namespace}/{} was not created for pod {namespace}/{} (pod is not owner)",
            asked.claim, pod.metadata.name
        )));
    }
    let name = &claim.spec.volume_name;
    let volume_behind = client
        .all::<PersistentVolume>()
        .get(name)
        .await
        .map_err(|e| in_claim(format!("failed to fetch PV {name} from API server: {e}")))?;
    check_volume(&volume_behind, &claim.metadata.uid).map_err(in_claim)?;
    let bound = Bound { claim, volume: volume_behind };
    check_mode(&bound, &volume.name, how).map_err(Trouble::Unprocessed)?;
    Ok(Some(bound))
}

fn check_claim(claim: &PersistentVolumeClaim) -> Result<(), &'static str> {
    let meta = &claim.metadata;
    if meta.deletion_timestamp.is_some() && !meta.finalizers.iter().any(|f| f == PROTECTION) {
        Err("PVC is being deleted")
    } else if claim.status.phase != "Bound" {
        Err("PVC is not bound")
    } else if claim.spec.volume_name.is_empty() {
        Err("PVC has empty pvc.Spec.VolumeName")
    } else {
        Ok(())
    }
}

fn check_volume(volume: &PersistentVolume, claim: &str) -> Result<(), String> {
    let name = &volume.metadata.name;
    match &volume.spec.claim_ref {
        None => Err(format!(
            "found PV object {name} but it has a nil pv.Spec.ClaimRef indicating it is not yet bound to the claim"
        )),
        Some(reference) if reference.uid != claim => Err(format!(
            "found PV object {name} but its pv.Spec.ClaimRef.UID {} does not point to claim.UID {claim}",
            reference.uid
        )),
        Some(_) => Ok(()),
    }
}

fn check_mode(bound: &Bound, name: &str, how: Use) -> Result<(), String> {
    let (mode, wrong) = match bound.is_block() {
        true => ("Block", how.mounted.then_some("volumeMounts")),
        false => ("Filesystem", how.as_device.then_some("volumeDevices")),
    };
    match wrong {
        Some(place) => Err(format!("volume {name} has volumeMode {mode}, but is specified in {place}")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::core::v1::ObjectReference;

    #[test]
    fn claims_must_be_bound_and_stay() {
        let claim = |phase: &str, volume: &str, deleted: bool, protected: bool| {
            let mut claim = PersistentVolumeClaim::default();
            claim.status.phase = phase.into();
            claim.spec.volume_name = volume.into();
            claim.metadata.deletion_timestamp = deleted.then(Default::default);
            claim.metadata.finalizers = protected.then(|| PROTECTION.to_string()).into_iter().collect();
            claim
        };
        for (claim, want) in [
            (claim("Bound", "v", false, false), Ok(())),
            (claim("Bound", "v", true, true), Ok(())),
            (claim("Bound", "v", true, false), Err("PVC is being deleted")),
            (claim("Pending", "v", false, true), Err("PVC is not bound")),
            (claim("Bound", "", false, true), Err("PVC has empty pvc.Spec.VolumeName")),
        ] {
            assert_eq!(check_claim(&claim), want);
        }
    }

    #[test]
    fn volumes_must_point_back() {
        let mut volume = PersistentVolume::default();
        volume.metadata.name = "pv".into();
        assert!(check_volume(&volume, "1").expect_err("unbound").contains("nil pv.Spec.ClaimRef"));
        volume.spec.claim_ref = Some(Box::new(ObjectReference { uid: "1".into(), ..Default::default() }));
        assert_eq!(check_volume(&volume, "1"), Ok(()));
        assert!(
            check_volume(&volume, "2").expect_err("another's").ends_with("does not point to claim.UID 2")
        );
    }

    #[test]
    fn modes_must_fit_the_use() {
        let bound = |mode: &str| {
            let mut volume = PersistentVolume::default();
            volume.spec.volume_mode = Some(mode.into());
            Bound { claim: Arc::default(), volume: Arc::new(volume) }
        };
        let (mounted, device) =
            (Use { mounted: true, as_device: false }, Use { mounted: false, as_device: true });
        assert_eq!(check_mode(&bound("Filesystem"), "v", mounted), Ok(()));
        assert_eq!(check_mode(&bound("Block"), "v", device), Ok(()));
        assert_eq!(
            check_mode(&bound("Block"), "v", mounted),
            Err("volume v has volumeMode Block, but is specified in volumeMounts".into())
        );
        assert!(check_mode(&bound("Filesystem"), "v", device).is_err());
    }
}
