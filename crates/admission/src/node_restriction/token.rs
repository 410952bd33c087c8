//! Tokens that a node asks for: bound to a pod on the node, for an audience that the pod mounts.

use super::{Judged, Refused, existing, find, refuse_if, typed, unexpected_type};
use crate::check::{Context, Operation};
use corten_api::authentication::v1::TokenRequest;
use corten_api::core::v1::{PersistentVolume, PersistentVolumeClaim, Pod, Volume};
use corten_api::storage::v1::CSIDriver;
use corten_api::{Kind, Object, Struct, View};
use corten_cel::{Check, Checked, ResourceCheckFields};
use corten_semantics::pod_references::ephemeral_claim;
use std::sync::Arc;

/// The verb on an audience that lets a node ask for any token of it.
const VERB: &str = "request-serviceaccounts-token-audience";

/// Sources of volumes that drivers have taken over, and these (upstream's csi-translation-lib).
const TAKEN_OVER: [(&str, &str); 7] = [
    ("awsElasticBlockStore", "ebs.csi.aws.com"),
    ("azureDisk", "disk.csi.azure.com"),
    ("azureFile", "file.csi.azure.com"),
    ("cinder", "cinder.csi.openstack.org"),
    ("gcePersistentDisk", "pd.csi.storage.gke.io"),
    ("portworxVolume", "pxd.portworx.com"),
    ("vsphereVolume", "csi.vsphere.vmware.com"),
];

pub(super) fn token(context: &Context<'_>, node: &str, object: Option<&dyn Object>) -> Judged {
    if context.operation != Operation::Create || context.subresource != "token" {
        return Ok(());
    }
    let Some(request) = typed::<TokenRequest>(object) else { return unexpected_type() };
    let bound = request.spec.bound_object_ref.as_ref();
    let Some(bound) = bound.filter(|b| b.api_version == "v1" && b.kind == "Pod" && !b.name.is_empty()) else {
        return Err("node requested token not bound to a pod".to_string().into());
    };
    refuse_if(bound.uid.is_empty(), || "node requested token with a pod binding without a uid".into())?;
    let pod = existing::<Pod>(context, &bound.name)?;
    refuse_if(bound.uid != pod.metadata.uid, || {
        format!(
            "the UID in the bound object reference ({}) does not match the UID in record. \
             The object might have been deleted and then recreated",
            bound.uid
        )
    })?;
    refuse_if(pod.spec.node_name != node, || {
        "node requested token bound to a pod scheduled on a different node".into()
    })?;
    match request.spec.audiences.as_slice() {
        [] => audience(context, &pod, ""),
        [one] => audience(context, &pod, one),
        _ => Err("node may only request 0 or 1 audiences".to_string().into()),
    }
}

/// The pod mounts tokens for it, or a driver of its volumes asks for them, or the node has a right to it.
fn audience(context: &Context<'_>, pod: &Pod, audience: &str) -> Judged {
    if mounts(context, pod, audience)? || granted(context, audience) {
        return Ok(());
    }
    let user = &context.user.username;
    Err(format!(
        "audience {audience:?} not found in pod spec volume, {user} is not authorized to request tokens for this audience"
    )
    .into())
}

fn mounts(context: &Context<'_>, pod: &Pod, audience: &str) -> Result<bool, Refused> {
    let mut missing = Vec::new();
    for volume in &pod.spec.volumes {
        if projects(volume, audience) {
            return Ok(true);
        }
        match driver(context, pod, volume) {
            Ok(Some(driver)) if driver.spec.token_requests.iter().any(|t| t.audience == audience) => {
                return Ok(true);
            }
            Ok(_) => {}
            Err(why) if missing.contains(&why) => {}
            Err(why) => missing.push(why),
        }
    }
    let why = match missing.as_slice() {
        [] => return Ok(false),
        [one] => one.clone(),
        several => format!("[{}]", several.join(", ")),
    };
    Err(format!("error validating audience {audience:?}: {why}").into())
}

fn projects(volume: &Volume, audience: &str) -> bool {
    let sources = volume.volume_source.projected.iter().flat_map(|projected| &projected.sources);
    sources.filter_map(|s| s.service_account_token.as_ref()).any(|t| t.audience == audience)
}

/// The CSI driver behind a volume; an error names what is not there.
fn driver(context: &Context<'_>, pod: &Pod, volume: &Volume) -> Result<Option<Arc<CSIDriver>>, String> {
    let source = &volume.volume_source;
    let name = if source.ephemeral.as_ref().is_some_and(|e| e.volume_claim_template.is_some()) {
        claimed(context, &ephemeral_claim(&pod.metadata.name, &volume.name))?
    } else if let Some(claim) = &source.persistent_volume_claim {
        claimed(context, &claim.claim_name)?
    } else {
        source.csi.as_ref().map(|csi| csi.driver.clone()).or_else(|| taken_over(source))
    };
    name.map(|name| there(find::<CSIDriver>(context, "", &name), &name)).transpose()
}

/// The driver of the volume that a claim is bound to.
fn claimed(context: &Context<'_>, claim: &str) -> Result<Option<String>, String> {
    let claim = there(existing::<PersistentVolumeClaim>(context, claim), claim)?;
    let volume = &claim.spec.volume_name;
    let volume = there(find::<PersistentVolume>(context, "", volume), volume)?;
    let source = &volume.spec.persistent_volume_source;
    Ok(source.csi.as_ref().map(|csi| csi.driver.clone()).or_else(|| taken_over(source)))
}

/// The driver that has taken over a volume of a sort that was once built in.
fn taken_over(source: &dyn Struct) -> Option<String> {
    let mut fields = source.schema().fields.iter().enumerate();
    fields.find_map(|(number, field)| {
        let (_, driver) = TAKEN_OVER.iter().find(|(name, _)| *name == field.name)?;
        (!matches!(source.field(number).view(), View::Null)).then(|| driver.to_string())
    })
}

/// As upstream's listers say it: the kind in small letters, then its group.
fn there<K: Kind>(found: Result<Arc<K>, Refused>, name: &str) -> Result<Arc<K>, String> {
    let group = if K::INFO.group.is_empty() { String::new() } else { format!(".{}", K::INFO.group) };
    found.map_err(|_| format!("{}{group} {name:?} not found", K::INFO.kind.to_lowercase()))
}

/// Whether the node may ask for the audience whatever the pod mounts.
fn granted(context: &Context<'_>, audience: &str) -> bool {
    let fields = ResourceCheckFields {
        resource: audience.to_owned(),
        namespace: context.namespace.to_owned(),
        name: context.name.to_owned(),
        ..ResourceCheckFields::default()
    };
    let check = Check { service_account: None, verb: VERB, of: Checked::Resource(&fields) };
    context.server.authorize(context.user, &check).allowed
}
