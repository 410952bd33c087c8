//! The rules that the level `restricted` adds: what hardening asks of every pod.

use super::baseline::is_seccomp_allowed;
use super::subject::{Subject, Violation, containers, plural, quoted, quoted_set, setters, violation};
use corten_api::core::v1::VolumeSource;
use std::collections::BTreeSet;

pub(super) fn privilege_escalation(subject: &Subject<'_>) -> Option<Violation> {
    let names = subject.bad(|c| c.security.and_then(|s| s.allow_privilege_escalation) != Some(false));
    if names.is_empty() {
        return None;
    }
    let detail = format!("{} must set securityContext.allowPrivilegeEscalation=false", containers(&names));
    violation("allowPrivilegeEscalation != false", detail)
}

pub(super) fn privilege_escalation_1_25(subject: &Subject<'_>) -> Option<Violation> {
    if subject.is_windows() { None } else { privilege_escalation(subject) }
}

pub(super) fn capabilities(subject: &Subject<'_>) -> Option<Violation> {
    let lists = |c: &super::subject::Seen<'_>| c.security.and_then(|s| s.capabilities.as_deref()).cloned();
    let keeping = subject.bad(|c| !lists(c).is_some_and(|l| l.drop.iter().any(|name| name == "ALL")));
    let forbidden = |c: &super::subject::Seen<'_>| {
        let added = lists(c).map(|l| l.add).unwrap_or_default();
        added.into_iter().filter(|name| name != "NET_BIND_SERVICE").collect::<Vec<_>>()
    };
    let adding = subject.bad(|c| !forbidden(c).is_empty());
    let all: BTreeSet<String> = subject.containers.iter().flat_map(forbidden).collect();
    let mut details = Vec::new();
    if !keeping.is_empty() {
        let who = containers(&keeping);
        details.push(format!("{who} must set securityContext.capabilities.drop=[\"ALL\"]"));
    }
    if !adding.is_empty() {
        let (who, what) = (containers(&adding), quoted_set(&all));
        details.push(format!("{who} must not include {what} in securityContext.capabilities.add"));
    }
    if details.is_empty() { None } else { violation("unrestricted capabilities", details.join("; ")) }
}

pub(super) fn capabilities_1_25(subject: &Subject<'_>) -> Option<Violation> {
    if subject.is_windows() { None } else { capabilities(subject) }
}

pub(super) fn volumes(subject: &Subject<'_>) -> Option<Violation> {
    let bad =
        subject.spec.volumes.iter().filter_map(|v| Some((v.name.as_str(), restricted(&v.volume_source)?)));
    let (names, types): (Vec<&str>, BTreeSet<&str>) = bad.unzip();
    if names.is_empty() {
        return None;
    }
    let detail = format!(
        "{} {} {} {} {}",
        plural("volume", "volumes", names.len()),
        quoted(names.iter().copied()),
        plural("uses", "use", names.len()),
        plural("restricted volume type", "restricted volume types", types.len()),
        quoted_set(&types)
    );
    violation("restricted volume types", detail)
}

/// The type of a volume of which the level allows none.
fn restricted(v: &VolumeSource) -> Option<&'static str> {
    let allowed = v.config_map.is_some()
        || v.csi.is_some()
        || v.downward_api.is_some()
        || v.empty_dir.is_some()
        || v.ephemeral.is_some()
        || v.image.is_some()
        || v.persistent_volume_claim.is_some()
        || v.projected.is_some()
        || v.secret.is_some();
    if allowed {
        return None;
    }
    let types = [
        (v.host_path.is_some(), "hostPath"),
        (v.gce_persistent_disk.is_some(), "gcePersistentDisk"),
        (v.aws_elastic_block_store.is_some(), "awsElasticBlockStore"),
        (v.git_repo.is_some(), "gitRepo"),
        (v.nfs.is_some(), "nfs"),
        (v.iscsi.is_some(), "iscsi"),
        (v.glusterfs.is_some(), "glusterfs"),
        (v.rbd.is_some(), "rbd"),
        (v.flex_volume.is_some(), "flexVolume"),
        (v.cinder.is_some(), "cinder"),
        (v.cephfs.is_some(), "cephfs"),
        (v.flocker.is_some(), "flocker"),
        (v.fc.is_some(), "fc"),
        (v.azure_file.is_some(), "azureFile"),
        (v.vsphere_volume.is_some(), "vsphereVolume"),
        (v.quobyte.is_some(), "quobyte"),
        (v.azure_disk.is_some(), "azureDisk"),
        (v.photon_persistent_disk.is_some(), "photonPersistentDisk"),
        (v.portworx_volume.is_some(), "portworxVolume"),
        (v.scale_io.is_some(), "scaleIO"),
        (v.storageos.is_some(), "storageos"),
    ];
    Some(types.into_iter().find(|(set, _)| *set).map_or("unknown", |(_, name)| name))
}

pub(super) fn non_root(subject: &Subject<'_>) -> Option<Violation> {
    const REASON: &str = "runAsNonRoot != true";
    let of_pod = subject.security().and_then(|s| s.run_as_non_root);
    let explicit = subject.bad_security(|s| s.run_as_non_root == Some(false));
    if let Some(who) = setters(of_pod == Some(false), &explicit) {
        return violation(REASON, format!("{who} must not set securityContext.runAsNonRoot=false"));
    }
    let silent = subject.bad(|c| c.security.and_then(|s| s.run_as_non_root).is_none());
    if silent.is_empty() || of_pod == Some(true) {
        return None;
    }
    violation(REASON, format!("pod or {} must set securityContext.runAsNonRoot=true", containers(&silent)))
}

pub(super) fn non_root_1_35(subject: &Subject<'_>) -> Option<Violation> {
    if subject.has_own_users() { None } else { non_root(subject) }
}

pub(super) fn user(subject: &Subject<'_>) -> Option<Violation> {
    let of_pod = subject.security().and_then(|s| s.run_as_user);
    let who = setters(of_pod == Some(0), &subject.bad_security(|s| s.run_as_user == Some(0)))?;
    violation("runAsUser=0", format!("{who} must not set runAsUser=0"))
}

pub(super) fn user_1_35(subject: &Subject<'_>) -> Option<Violation> {
    if subject.has_own_users() { None } else { user(subject) }
}

pub(super) fn seccomp(subject: &Subject<'_>) -> Option<Violation> {
    let forbidden = super::baseline::seccomp(subject);
    if forbidden.is_some() {
        return forbidden;
    }
    let of_pod = subject.security().and_then(|s| s.seccomp_profile.as_deref());
    let silent = subject.bad(|c| c.security.is_none_or(|s| s.seccomp_profile.is_none()));
    if silent.is_empty() || of_pod.is_some_and(|p| is_seccomp_allowed(&p.type_)) {
        return None;
    }
    let who = containers(&silent);
    violation(
        "seccompProfile",
        format!(
            "pod or {who} must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\""
        ),
    )
}

pub(super) fn seccomp_1_25(subject: &Subject<'_>) -> Option<Violation> {
    if subject.is_windows() { None } else { seccomp(subject) }
}
