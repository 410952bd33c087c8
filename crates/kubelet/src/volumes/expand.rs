//! Claims that grow: once the PersistentVolume is larger than what the claim's status tells, the node's part of
//! the growth is done, and the claim is told.

use super::Place;
use super::csi::{Driver, RpcError, Spec};
use super::format::{run, words};
use corten_api::core::v1::{PersistentVolume, PersistentVolumeClaim, PersistentVolumeClaimCondition};
use corten_api::{Quantity, Time};
use corten_client::Client;
use corten_semantics::ApiResult;
use std::path::Path;
use std::sync::Arc;
use tokio::process::Command;

const STORAGE: &str = "storage";
const PENDING: &str = "NodeResizePending";
const IN_PROGRESS: &str = "NodeResizeInProgress";
const INFEASIBLE: &str = "NodeResizeInfeasible";

/// Does what the claim behind the volume needs to grow. The volume is in place and stays so, whatever comes
/// of it; it is tried again when the volume is looked at next.
pub(super) async fn follow_claim(place: &Place<'_>, at: &Path) {
    let Some(bound) = place.bound else { return };
    let Some(size) = wanted(&bound.claim, &bound.volume) else { return };
    let outcome = match grower(place, &bound.volume).await {
        Ok(Some(grower)) => Box::pin(grow(place, &grower, size, at)).await,
        Ok(None) => return,
        Err(why) => Err(Failure { why, infeasible: false, last: false }),
    };
    if let Err(Failure { why, .. }) = outcome {
        let message =
            format!("NodeExpandVolume.NodeExpandVolume failed for volume \"{}\" : {why}", place.known_as);
        place.volumes.events.warning(place.pod, "VolumeResizeFailed", message);
    }
}

/// To what size the volume is to grow here, if at all.
fn wanted(claim: &PersistentVolumeClaim, volume: &PersistentVolume) -> Option<Quantity> {
    let size = *volume.spec.capacity.get(STORAGE)?;
    let now = claim.status.capacity.get(STORAGE).copied().unwrap_or_default();
    let state = claim.status.allocated_resource_statuses.get(STORAGE).map_or("", String::as_str);
    // Without a state the claim is led by an older controller.
    (now < size && matches!(state, "" | PENDING | IN_PROGRESS)).then_some(size)
}

/// Who makes a volume grow.
enum Grower {
    Driver(Arc<Driver>, Box<Spec>),
    /// A file system on a disk of this node.
    FileSystem,
    /// There is nothing to do but to say so.
    Nobody,
}

/// Who makes the volume grow; `None` where nobody on this node has to.
async fn grower(place: &Place<'_>, volume: &PersistentVolume) -> Result<Option<Grower>, String> {
    let source = &volume.spec.persistent_volume_source;
    if let Some(csi) = &source.csi {
        let driver = place.volumes.csi.driver(&csi.driver)?;
        let able = driver
            .expands()
            .await
            .map_err(|e| format!("Expander.NodeExpand failed to check if node supports expansion : {e}"))?;
        return Ok(able.then(|| Grower::Driver(driver, Box::new(Spec::persistent(csi, place)))));
    }
    Ok(source.local.as_ref().map(|local| match Path::new(&local.path).is_dir() || place.is_block() {
        true => Grower::Nobody,
        false => Grower::FileSystem,
    }))
}

/// Why a volume did not grow.
struct Failure {
    why: String,
    /// It never will.
    infeasible: bool,
    /// The driver is done with it.
    last: bool,
}

impl From<RpcError> for Failure {
    fn from(error: RpcError) -> Self {
        let (infeasible, last) = (error.is_infeasible(), error.is_final());
        Failure {
            why: format!("Expander.NodeExpand failed to expand the volume : {error}"),
            infeasible,
            last,
        }
    }
}

async fn grow(place: &Place<'_>, grower: &Grower, size: Quantity, at: &Path) -> Result<(), Failure> {
    let Some(bound) = place.bound else { return Ok(()) };
    let volumes = place.volumes;
    let _alone = volumes.locks.hold(&format!("expand/{}", place.known_as)).await;
    let api = |e: corten_semantics::ApiError| Failure {
        why: format!("mountVolume.NodeExpandVolume update pvc status failed: {e}"),
        infeasible: false,
        last: false,
    };
    write(&volumes.client, &bound.claim, begin).await.map_err(api)?;
    let outcome = match grower {
        Grower::Driver(driver, spec) => by_driver(place, driver, spec, size, at).await,
        Grower::FileSystem => {
            file_system(place, at).await.map_err(|why| Failure { why, infeasible: false, last: true })
        }
        Grower::Nobody => Ok(()),
    };
    if let Err(failure) = outcome {
        if failure.last {
            let now = Time::new(volumes.clock.now());
            let note = |claim: &mut PersistentVolumeClaim| fail(claim, &failure, now);
            write(&volumes.client, &bound.claim, note).await.map_err(api)?;
        }
        return Err(failure);
    }
    write(&volumes.client, &bound.claim, |claim| end(claim, size)).await.map_err(api)?;
    let node = &volumes.config.node_name;
    let message = format!("MountVolume.NodeExpandVolume succeeded for volume \"{}\" {node}", place.known_as);
    volumes.events.normal(place.pod, "FileSystemResizeSuccessful", message.clone());
    volumes.events.normal(&*bound.claim, "FileSystemResizeSuccessful", message);
    Ok(())
}

async fn by_driver(
    place: &Place<'_>,
    driver: &Driver,
    spec: &Spec,
    size: Quantity,
    at: &Path,
) -> Result<(), Failure> {
    let request = spec.growth(place, driver, size, at).await?;
    let request = request.map_err(|why| Failure { why, infeasible: false, last: false })?;
    Ok(Box::pin(driver.expand(request)).await?)
}

/// Lets the file system at `at` fill its disk.
async fn file_system(place: &Place<'_>, at: &Path) -> Result<(), String> {
    let mounts = place.volumes.mounts.list(at).map_err(|e| e.to_string())?;
    let mount = mounts.iter().find(|m| m.target == at).ok_or("the volume is not mounted")?;
    let mut command = match mount.fs_type.as_str() {
        "ext2" | "ext3" | "ext4" => {
            let mut command = Command::new("resize2fs");
            command.arg(&mount.source);
            command
        }
        "xfs" => {
            let mut command = Command::new("xfs_growfs");
            command.arg("-d").arg(at);
            command
        }
        "btrfs" => {
            let mut command = Command::new("btrfs");
            command.args(["filesystem", "resize", "max"]).arg(at);
            command
        }
        other => {
            return Err(format!("resize of format {other} is not supported for device {}", mount.source));
        }
    };
    let done = run(&mut command).await?;
    if done.status.success() { Ok(()) } else { Err(words(&done)) }
}

/// Writes what `how` makes of the claim's status, if it makes a difference.
async fn write(
    client: &Client,
    claim: &PersistentVolumeClaim,
    how: impl Fn(&mut PersistentVolumeClaim),
) -> ApiResult<()> {
    let api = client.beside(claim);
    loop {
        let found = api.get(&claim.metadata.name).await?;
        let mut changed = (*found).clone();
        how(&mut changed);
        if changed.status == found.status {
            return Ok(());
        }
        match api.update_status(changed).await {
            Err(e) if e.is_conflict() => {}
            other => return other.map(drop),
        }
    }
}

/// Where the claim tells how far its growth is, it tells that it is under way.
fn begin(claim: &mut PersistentVolumeClaim) {
    if let Some(state) = claim.status.allocated_resource_statuses.get_mut(STORAGE) {
        *state = IN_PROGRESS.into();
    }
}

fn end(claim: &mut PersistentVolumeClaim, size: Quantity) {
    claim.status.capacity.insert(STORAGE.into(), size);
    claim.status.allocated_resource_statuses.remove(STORAGE);
    let about_growth = |c: &PersistentVolumeClaimCondition| {
        matches!(
            c.type_.as_str(),
            "Resizing" | "FileSystemResizePending" | "ControllerResizeError" | "NodeResizeError"
        )
    };
    claim.status.conditions.retain(|c| !about_growth(c));
}

fn fail(claim: &mut PersistentVolumeClaim, failure: &Failure, now: Time) {
    if failure.infeasible {
        claim.status.allocated_resource_statuses.insert(STORAGE.into(), INFEASIBLE.into());
    }
    let message = format!("failed to expand pvc with {}", failure.why);
    let conditions = &mut claim.status.conditions;
    if conditions.iter().any(|c| c.type_ == "NodeResizeError" && c.message == message) {
        return;
    }
    conditions.retain(|c| c.type_ != "NodeResizeError");
    conditions.push(PersistentVolumeClaimCondition {
        type_: "NodeResizeError".into(),
        status: "True".into(),
        last_transition_time: Some(now),
        message,
        ..PersistentVolumeClaimCondition::default()
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(size: i64, state: &str) -> PersistentVolumeClaim {
        let mut claim = PersistentVolumeClaim::default();
        claim.status.capacity.insert(STORAGE.into(), Quantity::bytes(size));
        if !state.is_empty() {
            claim.status.allocated_resource_statuses.insert(STORAGE.into(), state.into());
        }
        claim
    }

    #[test]
    fn claims_grow_to_their_volumes_when_it_is_the_nodes_turn() {
        let mut volume = PersistentVolume::default();
        volume.spec.capacity.insert(STORAGE.into(), Quantity::bytes(20));
        for (size, state, grows) in [
            (10, "", true),
            (10, PENDING, true),
            (10, IN_PROGRESS, true),
            (10, INFEASIBLE, false),
            (10, "ControllerResizeInProgress", false),
            (20, PENDING, false),
            (30, "", false),
        ] {
            assert_eq!(wanted(&claim(size, state), &volume).is_some(), grows, "{size} {state}");
        }
    }

    #[test]
    fn claims_tell_how_far_they_are() {
        let now = Time::new(corten_rt::Timestamp::UNIX_EPOCH);
        let mut c = claim(10, PENDING);
        begin(&mut c);
        assert_eq!(c.status.allocated_resource_statuses[STORAGE], IN_PROGRESS);
        let failure = |infeasible| Failure { why: "no room".into(), infeasible, last: true };
        fail(&mut c, &failure(false), now);
        fail(&mut c, &failure(false), now);
        assert_eq!((c.status.conditions.len(), c.status.allocated_resource_statuses.len()), (1, 1));
        let mut never = c.clone();
        fail(&mut never, &failure(true), now);
        assert_eq!(never.status.allocated_resource_statuses[STORAGE], INFEASIBLE);
        end(&mut c, Quantity::bytes(20));
        assert!(c.status.conditions.is_empty() && c.status.allocated_resource_statuses.is_empty());
        assert_eq!(c.status.capacity[STORAGE], Quantity::bytes(20));
        let mut plain = claim(10, "");
        begin(&mut plain);
        assert!(plain.status.allocated_resource_statuses.is_empty());
    }
}
