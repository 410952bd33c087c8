//! What a pod may not ask of the operating system it names.

use crate::errors::Errors;
use crate::names;
use corten_api::core::v1::{Container, PodSpec, SecurityContext, WindowsSecurityContextOptions};

/// Every container of a pod with its path.
pub(super) fn containers<'a>(spec: &'a PodSpec, path: &str) -> Vec<(String, &'a Container)> {
    let main = spec.containers.iter().enumerate().map(|(i, c)| (format!("{path}.containers[{i}]"), c));
    let init = spec.init_containers.iter().enumerate();
    init.map(|(i, c)| (format!("{path}.initContainers[{i}]"), c)).chain(main).collect()
}

/// Checks what is for one system only.
pub(super) fn validate(errors: &mut Errors, spec: &PodSpec, path: &str) {
    match spec.os.as_ref().map(|os| os.name.as_str()) {
        Some("linux") => linux(errors, spec, path),
        Some("windows") => windows(errors, spec, path),
        _ => {}
    }
    if let Some(options) = spec.security_context.as_ref().and_then(|c| c.windows_options.as_deref()) {
        windows_options(errors, options, &format!("{path}.securityContext.windowsOptions"));
    }
    for (at, context) in contexts(spec, path) {
        if let Some(options) = context.windows_options.as_deref() {
            windows_options(errors, options, &format!("{at}.windowsOptions"));
        }
    }
    host_process(errors, spec, path);
}

fn contexts<'a>(spec: &'a PodSpec, path: &str) -> Vec<(String, &'a SecurityContext)> {
    let all = containers(spec, path).into_iter();
    all.filter_map(|(at, c)| Some((format!("{at}.securityContext"), c.security_context.as_deref()?)))
        .collect()
}

fn linux(errors: &mut Errors, spec: &PodSpec, path: &str) {
    let detail = "windows options cannot be set for a linux pod";
    if spec.security_context.as_ref().is_some_and(|c| c.windows_options.is_some()) {
        errors.forbidden(format!("{path}.securityContext.windowsOptions"), detail);
    }
    for (at, context) in contexts(spec, path) {
        if context.windows_options.is_some() {
            errors.forbidden(format!("{at}.windowsOptions"), detail);
        }
    }
}

fn forbid(errors: &mut Errors, path: &str, fields: &[(&str, bool)]) {
    for (name, _) in fields.iter().filter(|(_, set)| *set) {
        errors.forbidden(format!("{path}.{name}"), "cannot be set for a windows pod");
    }
}

fn windows(errors: &mut Errors, spec: &PodSpec, path: &str) {
    let of_spec = [
        ("hostUsers", spec.host_users.is_some()),
        ("hostPID", spec.host_pid),
        ("hostIPC", spec.host_ipc),
        ("shareProcessNamespace", spec.share_process_namespace.is_some()),
    ];
    forbid(errors, path, &of_spec);
    if let Some(c) = spec.security_context.as_deref() {
        let of_pod = [
            ("appArmorProfile", c.app_armor_profile.is_some()),
            ("seLinuxOptions", c.se_linux_options.is_some()),
            ("seccompProfile", c.seccomp_profile.is_some()),
            ("fsGroup", c.fs_group.is_some()),
            ("fsGroupChangePolicy", c.fs_group_change_policy.is_some()),
            ("sysctls", !c.sysctls.is_empty()),
            ("runAsUser", c.run_as_user.is_some()),
            ("runAsGroup", c.run_as_group.is_some()),
            ("supplementalGroups", !c.supplemental_groups.is_empty()),
            ("supplementalGroupsPolicy", c.supplemental_groups_policy.is_some()),
            ("seLinuxChangePolicy", c.se_linux_change_policy.is_some()),
        ];
        forbid(errors, &format!("{path}.securityContext"), &of_pod);
    }
    for (at, c) in contexts(spec, path) {
        let of_container = [
            ("appArmorProfile", c.app_armor_profile.is_some()),
            ("seLinuxOptions", c.se_linux_options.is_some()),
            ("seccompProfile", c.seccomp_profile.is_some()),
            ("capabilities", c.capabilities.is_some()),
            ("readOnlyRootFilesystem", c.read_only_root_filesystem.is_some()),
            ("privileged", c.privileged.is_some()),
            ("allowPrivilegeEscalation", c.allow_privilege_escalation.is_some()),
            ("procMount", c.proc_mount.is_some()),
            ("runAsUser", c.run_as_user.is_some()),
            ("runAsGroup", c.run_as_group.is_some()),
        ];
        forbid(errors, &at, &of_container);
    }
}

fn windows_options(errors: &mut Errors, options: &WindowsSecurityContextOptions, path: &str) {
    if let Some(name) = &options.gmsa_credential_spec_name {
        errors.format(&format!("{path}.gmsaCredentialSpecName"), name, names::dns_subdomain);
    }
    if let Some(spec) = &options.gmsa_credential_spec {
        let at = format!("{path}.gmsaCredentialSpec");
        match spec.len() {
            0 => errors.invalid(at, spec, "gmsaCredentialSpec cannot be an empty string"),
            1..=65536 => {}
            _ => errors.invalid(at, spec, "gmsaCredentialSpec size must be under 64 KiB"),
        }
    }
    let Some(name) = &options.run_as_user_name else { return };
    for detail in user_name(name) {
        errors.invalid(format!("{path}.runAsUserName"), name, detail);
    }
}

/// What is wrong with `user` or `domain\user`.
fn user_name(name: &str) -> Vec<&'static str> {
    let parts: Vec<&str> = name.split('\\').collect();
    let (domain, user) = match parts.as_slice() {
        _ if name.is_empty() => return vec!["runAsUserName cannot be an empty string"],
        _ if name.chars().any(|c| c.is_ascii_control()) => {
            return vec!["runAsUserName cannot contain control characters"];
        }
        [user] => (None, *user),
        [domain, user] => (Some(*domain), *user),
        _ => return vec!["runAsUserName cannot contain more than one backslash"],
    };
    let mut wrong = Vec::new();
    if let Some(domain) = domain {
        if domain.len() >= 256 {
            wrong.push("runAsUserName's Domain length must be under 256 characters");
        }
        if !is_domain(domain) {
            wrong.push("runAsUserName's Domain doesn't match the NetBios nor the DNS format");
        }
    }
    match user.len() {
        0 => wrong.push("runAsUserName's User cannot be empty"),
        1..=104 => {}
        _ => wrong.push("runAsUserName's User length must not be longer than 104 characters"),
    }
    if user.chars().all(|c| c == '.' || c == ' ') && !user.is_empty() {
        wrong.push("runAsUserName's User cannot contain only periods or spaces");
    }
    if user.contains(['"', '/', '\\', ':', ';', '|', '=', ',', '+', '*', '?', '<', '>', '@', '[', ']']) {
        wrong.push("runAsUserName's User cannot contain the following characters: \"/\\:;|=,+*?<>@[]");
    }
    wrong
}

fn is_domain(domain: &str) -> bool {
    let net_bios = !domain.starts_with('.')
        && (1..=15).contains(&domain.len())
        && !domain.contains(['\\', '/', ':', '*', '?', '"', '<', '>', '|', '.']);
    let part = |p: &str| {
        !p.is_empty()
            && p.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !p.starts_with('-')
            && !p.ends_with('-')
    };
    net_bios || domain.split('.').all(part)
}

/// Containers that run on the Windows host itself: all of a pod's or none, and in the host's network.
fn host_process(errors: &mut Errors, spec: &PodSpec, path: &str) {
    let of_pod =
        spec.security_context.as_ref().and_then(|c| c.windows_options.as_ref()).and_then(|o| o.host_process);
    let (mut on_host, all) = (0, containers(spec, path));
    for (at, c) in &all {
        let own = c.security_context.as_ref().and_then(|c| c.windows_options.as_ref());
        let own = own.and_then(|o| o.host_process);
        if let (Some(whole), Some(own)) = (of_pod, own)
            && whole != own
        {
            let detail =
                format!("pod hostProcess value must be identical if both are specified, was {whole}");
            errors.invalid(format!("{at}.securityContext.windowsOptions.hostProcess"), own, detail);
        }
        on_host += usize::from(own.or(of_pod) == Some(true));
    }
    if on_host == 0 {
        return;
    }
    if on_host != all.len() {
        let detail =
            "If pod contains any hostProcess containers then all containers must be HostProcess containers";
        errors.invalid(path, "", detail);
    }
    if !spec.host_network {
        let detail = "hostNetwork must be true if pod contains any hostProcess containers";
        errors.invalid(format!("{path}.hostNetwork"), false, detail);
    }
}

#[cfg(test)]
mod tests {
    use super::user_name;

    #[test]
    fn windows_names_of_users() {
        for (name, wrong) in [
            ("user", 0),
            ("domain.example\\user", 0),
            ("", 1),
            ("a\\b\\c", 1),
            ("a\\", 1),
            ("-.x\\u", 1),
            ("..", 1),
            ("a:b", 1),
            ("a\u{1}", 1),
        ] {
            assert_eq!(user_name(name).len(), wrong, "{name:?}");
        }
    }
}
