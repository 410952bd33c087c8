//! Which kind a volume is of.

use super::claim::Bound;
use super::{VolumeKind, is_name};
use corten_api::core::v1::{PersistentVolumeSource, Volume, VolumeSource};

/// The part of the volume, or of the PersistentVolume behind it, that says what it is.
pub(super) fn of<'a>(volume: &'a Volume, bound: Option<&'a Bound>) -> Result<&'a dyn VolumeKind, String> {
    let (name, found) = match bound {
        Some(bound) => (&bound.volume.metadata.name, persistent(&bound.volume.spec.persistent_volume_source)),
        None => (&volume.name, inline(&volume.volume_source)),
    };
    if !is_name(name) {
        return Err("the name of the volume is no file name".into());
    }
    found.ok_or_else(|| "no volume plugin matched".to_string())
}

fn inline(source: &VolumeSource) -> Option<&dyn VolumeKind> {
    let kinds: [Option<&dyn VolumeKind>; 9] = [
        source.empty_dir.as_deref().map(|v| v as _),
        source.config_map.as_deref().map(|v| v as _),
        source.secret.as_deref().map(|v| v as _),
        source.downward_api.as_deref().map(|v| v as _),
        source.projected.as_deref().map(|v| v as _),
        source.host_path.as_deref().map(|v| v as _),
        source.csi.as_deref().map(|v| v as _),
        source.nfs.as_deref().map(|v| v as _),
        source.image.as_deref().map(|v| v as _),
    ];
    kinds.into_iter().flatten().next()
}

fn persistent(source: &PersistentVolumeSource) -> Option<&dyn VolumeKind> {
    let kinds: [Option<&dyn VolumeKind>; 4] = [
        source.csi.as_deref().map(|v| v as _),
        source.local.as_deref().map(|v| v as _),
        source.host_path.as_deref().map(|v| v as _),
        source.nfs.as_deref().map(|v| v as _),
    ];
    kinds.into_iter().flatten().next()
}

/// Whether there may be something to do for the volume while its pod runs.
pub(super) fn refreshes(volume: &Volume) -> bool {
    let source = &volume.volume_source;
    // A claim may grow.
    let claim = source.persistent_volume_claim.is_some() || source.ephemeral.is_some();
    claim || inline(source).is_some_and(|kind| kind.refreshes())
}

/// Whether no container may write to the volume, whatever its mount says.
pub fn is_read_only(volume: &Volume) -> bool {
    let source = &volume.volume_source;
    let shown = source.config_map.is_some()
        || source.secret.is_some()
        || source.downward_api.is_some()
        || source.projected.is_some()
        || source.image.is_some();
    shown
        || source.persistent_volume_claim.as_ref().is_some_and(|claim| claim.read_only)
        || source.csi.as_ref().is_some_and(|csi| csi.read_only == Some(true))
        || source.nfs.as_ref().is_some_and(|nfs| nfs.read_only)
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::core::v1::{CSIVolumeSource, PersistentVolumeClaimVolumeSource};

    #[test]
    fn what_is_shown_and_what_is_asked_for_is_read_only() {
        let volume = |fill: fn(&mut VolumeSource)| {
            let mut volume = Volume { name: "v".into(), ..Default::default() };
            fill(&mut volume.volume_source);
            volume
        };
        let csi = |read_only| Some(Box::new(CSIVolumeSource { read_only, ..Default::default() }));
        assert!(!is_read_only(&volume(|v| v.empty_dir = Some(Box::default()))));
        assert!(is_read_only(&volume(|v| v.projected = Some(Box::default()))));
        assert!(!is_read_only(&volume(|v| v.persistent_volume_claim = Some(Box::default()))));
        let claim = PersistentVolumeClaimVolumeSource { read_only: true, ..Default::default() };
        let mut claimed = volume(|_| {});
        claimed.volume_source.persistent_volume_claim = Some(Box::new(claim));
        assert!(is_read_only(&claimed));
        for (given, want) in [(None, false), (Some(false), false), (Some(true), true)] {
            let mut inline = volume(|_| {});
            inline.volume_source.csi = csi(given);
            assert_eq!(is_read_only(&inline), want);
        }
    }

    #[test]
    fn kinds_that_no_node_has_any_more_are_refused() {
        let mut volume = Volume { name: "v".into(), ..Default::default() };
        volume.volume_source.iscsi = Some(Box::default());
        assert_eq!(of(&volume, None).err().as_deref(), Some("no volume plugin matched"));
        volume.name = "..".into();
        volume.volume_source.empty_dir = Some(Box::default());
        assert!(of(&volume, None).is_err());
    }
}
