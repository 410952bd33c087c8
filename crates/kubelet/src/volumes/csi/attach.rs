//! Waiting until somebody has attached a volume to this node, where its driver wants that.

use super::super::{Place, Trouble};
use super::{Spec, told};
use corten_api::storage::v1::{CSIDriver, VolumeAttachment};
use std::collections::HashMap;
use std::time::Duration;

/// How long to wait at a time, as upstream waits for a pod's volumes.
const PATIENCE: Duration = Duration::from_secs(123);
/// How often to look: nodes may not watch attachments.
const FIRST_LOOK: Duration = Duration::from_millis(200);
const MOST_LOOK: Duration = Duration::from_secs(5);

/// What whoever attached the volume has to say to the driver; nothing for drivers that need no attaching.
pub async fn publish_context(
    place: &Place<'_>,
    spec: &Spec,
    driver: Option<&CSIDriver>,
) -> Result<HashMap<String, String>, Trouble> {
    if !note_use(place, spec, driver) {
        return Ok(HashMap::new());
    }
    let attached = corten_rt::timeout(PATIENCE, wait(place, spec)).await;
    attached.unwrap_or_else(|| Err(Trouble::Unattached("context deadline exceeded".into())))
}

/// Notes that the pod wants the volume, if that is one that has to be attached; tells whether it is.
pub fn note_use(place: &Place<'_>, spec: &Spec, driver: Option<&CSIDriver>) -> bool {
    let attached = !spec.ephemeral && driver.is_none_or(|d| d.spec.attach_required != Some(false));
    if attached {
        place.volumes.in_use.note(&place.pod.metadata.uid, &spec.driver, &spec.handle);
    }
    attached
}

async fn wait(place: &Place<'_>, spec: &Spec) -> Result<HashMap<String, String>, Trouble> {
    let name = spec.attachment(&place.volumes.config.node_name);
    let api = place.volumes.client.all::<VolumeAttachment>();
    let mut looks = corten_rt::Backoff::new(FIRST_LOOK, MOST_LOOK);
    loop {
        match api.find(&name).await {
            Ok(Some(found)) if found.status.attached => {
                return Ok(found.status.attachment_metadata.clone().into_iter().collect());
            }
            Ok(_) => {}
            // Until the attachment exists, nothing relates this node to it.
            Err(e) if e.code() == 403 => {}
            Err(e) => {
                return Err(Trouble::Device(told(format!(
                    "attacher.WaitForAttach failed for volume [{}]: {e}",
                    spec.handle
                ))));
            }
        }
        corten_rt::sleep(looks.step()).await;
    }
}
