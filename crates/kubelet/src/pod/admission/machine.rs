//! What a pod asks of the machine itself: its system, its kernel's settings, its protections.

use super::Rejection;
use corten_api::core::v1::{AppArmorProfile, Pod};

/// What there is on this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Machine {
    /// The kernel enforces AppArmor's profiles.
    pub apparmor: bool,
    /// The runtime applies `supplementalGroupsPolicy`.
    pub groups_policy: bool,
}

/// Settings of the kernel that a pod may have: each has its own, and they harm nobody else (upstream's safe
/// sysctls). All but the first belong to the network.
const SAFE: &[&str] = &[
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_wmem",
];

impl Machine {
    /// This machine, as far as its files tell.
    pub fn find() -> Self {
        let enabled = std::fs::read_to_string("/sys/module/apparmor/parameters/enabled").unwrap_or_default();
        Machine { apparmor: enabled.starts_with('Y'), groups_policy: false }
    }

    /// Whether to decide on this pod one has to ask the runtime what it can do.
    pub fn asks_for_runtime(pod: &Pod) -> bool {
        let own = pod.spec.security_context.as_deref();
        own.and_then(|s| s.supplemental_groups_policy.as_deref()) == Some("Strict")
    }

    pub(super) fn check(&self, pod: &Pod) -> Result<(), Rejection> {
        let reject = |reason: &str, message: String| Err(Rejection { reason: reason.into(), message });
        if let Some(why) = forbidden_sysctl(pod) {
            return reject("SysctlForbidden", format!("forbidden sysctl: {why}"));
        }
        if pod.spec.node_selector.get("kubernetes.io/os").is_some_and(|os| os != "linux") {
            let message = "Failed to admit pod as the `kubernetes.io/os` label doesn't match node label";
            return reject("PodOSSelectorNodeLabelDoesNotMatch", message.into());
        }
        if pod.spec.os.as_ref().is_some_and(|os| os.name != "linux") {
            let message = "Failed to admit pod as the OS field doesn't match node OS";
            return reject("PodOSNotSupported", message.into());
        }
        if Self::asks_for_runtime(pod) && !self.groups_policy {
            let message = "SupplementalGroupsPolicy=Strict is not supported in this node";
            return reject("SupplementalGroupsPolicyNotSupported", message.into());
        }
        if !self.apparmor && profiles(pod).any(|p| p.type_ != "Unconfined") {
            let message = "Cannot enforce AppArmor: AppArmor is not enabled on the host";
            return reject("AppArmor", message.into());
        }
        if profiles(pod).any(|p| {
            p.type_ == "Localhost" && p.localhost_profile.as_deref().is_none_or(|n| n.trim().is_empty())
        }) {
            return reject("AppArmor", "Cannot enforce AppArmor: invalid empty AppArmor profile name".into());
        }
        Ok(())
    }
}

fn profiles(pod: &Pod) -> impl Iterator<Item = &AppArmorProfile> {
    let spec = &pod.spec;
    let contexts = spec.containers.iter().chain(&spec.init_containers).map(|c| c.security_context.as_deref());
    let ephemeral =
        spec.ephemeral_containers.iter().map(|e| e.ephemeral_container_common.security_context.as_deref());
    let own = contexts.chain(ephemeral).flatten().filter_map(|s| s.app_armor_profile.as_deref());
    own.chain(spec.security_context.iter().filter_map(|s| s.app_armor_profile.as_deref()))
}

fn forbidden_sysctl(pod: &Pod) -> Option<String> {
    let asked = pod.spec.security_context.iter().flat_map(|s| &s.sysctls);
    asked.map(|s| s.name.replace('/', ".")).find_map(|name| {
        if !SAFE.contains(&name.as_str()) {
            return Some(format!("\"{name}\" not allowlisted"));
        }
        let shared = match name.starts_with("net.") {
            true => pod.spec.host_network.then_some("net"),
            false => pod.spec.host_ipc.then_some("ipc"),
        };
        shared.map(|namespace| format!("\"{name}\" not allowed with host {namespace} enabled"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::core::v1::{Container, PodOS, PodSecurityContext, SecurityContext, Sysctl};

    fn pod(change: impl FnOnce(&mut Pod, &mut PodSecurityContext)) -> Pod {
        let mut pod = Pod::default();
        let mut context = PodSecurityContext::default();
        change(&mut pod, &mut context);
        pod.spec.security_context = Some(Box::new(context));
        pod
    }

    fn sysctl(name: &str) -> Vec<Sysctl> {
        vec![Sysctl { name: name.into(), value: "1".into() }]
    }

    fn profile(kind: &str) -> Option<Box<AppArmorProfile>> {
        Some(Box::new(AppArmorProfile { type_: kind.into(), localhost_profile: None }))
    }

    #[test]
    fn what_the_machine_cannot_or_must_not_give_is_refused() {
        let bare = Machine::default();
        let full = Machine { apparmor: true, groups_policy: true };
        for (pod, machine, want) in [
            (Pod::default(), bare, ""),
            (pod(|_, c| c.sysctls = sysctl("net.ipv4.tcp_syncookies")), bare, ""),
            (pod(|_, c| c.sysctls = sysctl("kernel/shm_rmid_forced")), bare, ""),
            (
                pod(|_, c| c.sysctls = sysctl("kernel.msgmax")),
                bare,
                "SysctlForbidden: forbidden sysctl: \"kernel.msgmax\" not allowlisted",
            ),
            (
                pod(|p, c| {
                    p.spec.host_network = true;
                    c.sysctls = sysctl("net.ipv4.tcp_syncookies");
                }),
                bare,
                "SysctlForbidden: forbidden sysctl: \"net.ipv4.tcp_syncookies\" not allowed with host net enabled",
            ),
            (
                pod(|p, _| p.spec.os = Some(Box::new(PodOS { name: "windows".into() }))),
                bare,
                "PodOSNotSupported: Failed to admit pod as the OS field doesn't match node OS",
            ),
            (
                pod(|_, c| c.supplemental_groups_policy = Some("Strict".into())),
                bare,
                "SupplementalGroupsPolicyNotSupported: SupplementalGroupsPolicy=Strict is not supported in this node",
            ),
            (pod(|_, c| c.supplemental_groups_policy = Some("Strict".into())), full, ""),
            (pod(|_, c| c.app_armor_profile = profile("Unconfined")), bare, ""),
            (pod(|_, c| c.app_armor_profile = profile("RuntimeDefault")), full, ""),
            (
                pod(|p, _| {
                    let mut c = Container::default();
                    let own = SecurityContext {
                        app_armor_profile: profile("RuntimeDefault"),
                        ..Default::default()
                    };
                    c.security_context = Some(Box::new(own));
                    p.spec.containers.push(c);
                }),
                bare,
                "AppArmor: Cannot enforce AppArmor: AppArmor is not enabled on the host",
            ),
            (
                pod(|_, c| c.app_armor_profile = profile("Localhost")),
                full,
                "AppArmor: Cannot enforce AppArmor: invalid empty AppArmor profile name",
            ),
        ] {
            let got = machine.check(&pod).err().map(|r| format!("{}: {}", r.reason, r.message));
            assert_eq!(got.unwrap_or_default(), want);
        }
    }
}
