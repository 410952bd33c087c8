//! Validation of security contexts.

use crate::errors::Errors;
use crate::metadata::shown;
use crate::names::between;
use corten_api::core::v1::{AppArmorProfile, PodSpec, SeccompProfile, SecurityContext, Sysctl};

use super::volumes::descending_path;

const HIGHEST_ID: i64 = i32::MAX as i64;
const PROFILES: &[&str] = &["Localhost", "RuntimeDefault", "Unconfined"];

fn id(errors: &mut Errors, path: String, id: Option<i64>) {
    if let Some(id) = id.filter(|id| !(0..=HIGHEST_ID).contains(id)) {
        errors.invalid(path, id, between(0, HIGHEST_ID));
    }
}

/// The security context of a container.
pub(super) fn of_container(errors: &mut Errors, context: &SecurityContext, host_users: bool, path: &str) {
    id(errors, format!("{path}.runAsUser"), context.run_as_user);
    id(errors, format!("{path}.runAsGroup"), context.run_as_group);
    if let Some(kind) = context.proc_mount.as_deref() {
        let at = format!("{path}.procMount");
        errors.supported(&at, kind, &["Default", "Unmasked"]);
        if host_users && kind == "Unmasked" {
            errors.invalid(at, kind, "`hostUsers` must be false to use `Unmasked`");
        }
    }
    seccomp(errors, context.seccomp_profile.as_deref(), &format!("{path}.seccompProfile"));
    if context.allow_privilege_escalation == Some(false) {
        if context.privileged == Some(true) {
            let detail = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true";
            errors.invalid(path, shown(context), detail);
        }
        let added = context.capabilities.iter().flat_map(|c| &c.add);
        for _ in added.filter(|c| *c == "CAP_SYS_ADMIN") {
            let detail =
                "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN";
            errors.invalid(path, shown(context), detail);
        }
    }
    app_armor(errors, context.app_armor_profile.as_deref(), &format!("{path}.appArmorProfile"));
}

/// The security context of a pod.
pub(super) fn of_pod(errors: &mut Errors, spec: &PodSpec, path: &str) {
    if spec.share_process_namespace == Some(true) && spec.host_pid {
        let at = format!("{path}.shareProcessNamespace");
        errors.invalid(at, true, "ShareProcessNamespace and HostPID cannot both be enabled");
    }
    let Some(context) = spec.security_context.as_deref() else { return };
    id(errors, format!("{path}.fsGroup"), context.fs_group);
    id(errors, format!("{path}.runAsUser"), context.run_as_user);
    id(errors, format!("{path}.runAsGroup"), context.run_as_group);
    for (i, group) in context.supplemental_groups.iter().enumerate() {
        id(errors, format!("{path}.supplementalGroups[{i}]"), Some(*group));
    }
    sysctls(errors, &context.sysctls, spec, &format!("{path}.sysctls"));
    if let Some(policy) = context.fs_group_change_policy.as_deref() {
        errors.supported(format!("{path}.fsGroupChangePolicy"), policy, &["Always", "OnRootMismatch"]);
    }
    seccomp(errors, context.seccomp_profile.as_deref(), &format!("{path}.seccompProfile"));
    app_armor(errors, context.app_armor_profile.as_deref(), &format!("{path}.appArmorProfile"));
    if let Some(policy) = context.supplemental_groups_policy.as_deref() {
        errors.supported(format!("{path}.supplementalGroupsPolicy"), policy, &["Merge", "Strict"]);
    }
    if let Some(policy) = context.se_linux_change_policy.as_deref() {
        // The other way waits for a gate that is shut.
        errors.supported(format!("{path}.seLinuxChangePolicy"), policy, &["Recursive"]);
    }
}

fn sysctls(errors: &mut Errors, list: &[Sysctl], spec: &PodSpec, path: &str) {
    for (i, sysctl) in list.iter().enumerate() {
        let (at, name) = (format!("{path}[{i}].name"), sysctl.name.as_str());
        if name.is_empty() {
            errors.required(&at, "");
        } else if !is_sysctl(name) {
            let part = "[a-z0-9]([-_a-z0-9]*[a-z0-9])?";
            let detail = format!("must have at most 253 characters and match regex ^({part}[\\./])*{part}$");
            errors.invalid(&at, name, detail);
        } else if list[..i].iter().any(|other| other.name == name) {
            errors.duplicate(&at, name);
        }
        let name = name.replace('/', ".");
        let of_ipc = ["kernel.shm", "kernel.msg", "kernel.sem", "fs.mqueue."];
        if spec.host_network && name.starts_with("net.") {
            errors.invalid(&at, &sysctl.name, "may not be specified when 'hostNetwork' is true");
        } else if spec.host_ipc && of_ipc.iter().any(|p| name.starts_with(p)) {
            errors.invalid(&at, &sysctl.name, "may not be specified when 'hostIPC' is true");
        }
    }
}

fn is_sysctl(name: &str) -> bool {
    let end = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let part = |part: &str| {
        let bytes = part.as_bytes();
        bytes.first().is_some_and(end)
            && bytes.last().is_some_and(end)
            && bytes.iter().all(|b| end(b) || b"-_".contains(b))
    };
    name.len() <= 253 && name.split(['.', '/']).all(part)
}

fn seccomp(errors: &mut Errors, profile: Option<&SeccompProfile>, path: &str) {
    let Some(profile) = profile else { return };
    let at = format!("{path}.localhostProfile");
    match profile.type_.as_str() {
        "" => errors.required(format!("{path}.type"), "type is required when seccompProfile is set"),
        kind => errors.supported(format!("{path}.type"), kind, PROFILES),
    }
    match (profile.type_ == "Localhost", profile.localhost_profile.as_deref()) {
        (true, None) => errors.required(at, "must be set when seccomp type is Localhost"),
        (true, Some(file)) => descending_path(errors, file, &at),
        (false, Some(_)) => {
            errors.invalid(at, shown(profile), "can only be set when seccomp type is Localhost");
        }
        (false, None) => {}
    }
}

fn app_armor(errors: &mut Errors, profile: Option<&AppArmorProfile>, path: &str) {
    let Some(profile) = profile else { return };
    let at = format!("{path}.localhostProfile");
    match (profile.type_.as_str(), profile.localhost_profile.as_deref()) {
        ("Localhost", Some(name)) if name.trim() != name => {
            errors.invalid(at, name, "must not be padded with whitespace");
        }
        ("Localhost", None | Some("")) => {
            errors.required(at, "must be set when AppArmor type is Localhost");
        }
        ("Localhost", _) | ("RuntimeDefault" | "Unconfined", None) => {}
        ("RuntimeDefault" | "Unconfined", Some(name)) => {
            errors.invalid(at, name, "can only be set when AppArmor type is Localhost");
        }
        ("", _) => errors.required(format!("{path}.type"), "type is required when appArmorProfile is set"),
        (other, _) => errors.supported(format!("{path}.type"), other, PROFILES),
    }
}
