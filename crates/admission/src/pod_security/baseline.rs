//! The rules of the level `baseline`: what would get a pod out of its container in known ways.

use super::subject::{Subject, Violation, containers, plural, quoted, quoted_set, setters, violation};
use corten_api::core::v1::{ContainerPort, Lifecycle, Probe, SELinuxOptions};
use std::collections::BTreeSet;

const CAPABILITIES: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];
/// Sysctls that a pod may set, in the order in which versions allowed them.
const SYSCTLS: [&str; 12] = [
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
/// The same for types of SELinux.
const SE_LINUX: [&str; 5] = ["", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"];
const APP_ARMOR: &str = "container.apparmor.security.beta.kubernetes.io/";
const SECCOMP_OF_POD: &str = "seccomp.security.alpha.kubernetes.io/pod";
const SECCOMP_OF_CONTAINER: &str = "container.seccomp.security.alpha.kubernetes.io/";

pub(super) fn app_armor(subject: &Subject<'_>) -> Option<Violation> {
    let bad = |kind: &str| !matches!(kind, "RuntimeDefault" | "Localhost");
    let of_pod = subject.security().and_then(|s| s.app_armor_profile.as_deref()).map(|p| p.type_.as_str());
    let of = |c: &super::subject::Seen<'_>| c.security?.app_armor_profile.as_deref().map(|p| p.type_.clone());
    let names = subject.bad(|c| of(c).is_some_and(|kind| bad(&kind)));
    let all = subject.containers.iter().filter_map(of).chain(of_pod.map(str::to_string));
    let types: BTreeSet<String> = all.filter(|kind| bad(kind)).collect();
    let allowed = |v: &str| v.is_empty() || v == "runtime/default" || v.starts_with("localhost/");
    let annotations =
        subject.meta.annotations.iter().filter(|(k, v)| k.starts_with(APP_ARMOR) && !allowed(v));
    let annotations: Vec<String> = annotations.map(|(k, v)| format!("{k}={v:?}")).collect();
    let by_field = setters(of_pod.is_some_and(bad), &names);
    let by_annotation =
        (!annotations.is_empty()).then(|| plural("annotation", "annotations", annotations.len()).to_string());
    let who: Vec<String> = by_field.into_iter().chain(by_annotation).collect();
    if who.is_empty() {
        return None;
    }
    let values: Vec<&str> = types.iter().chain(&annotations).map(String::as_str).collect();
    let reason = plural("forbidden AppArmor profile", "forbidden AppArmor profiles", values.len());
    violation(
        reason,
        format!("{} must not set AppArmor profile type to {}", who.join(" and "), quoted(values)),
    )
}

pub(super) fn capabilities(subject: &Subject<'_>) -> Option<Violation> {
    let bad = |name: &&String| !CAPABILITIES.contains(&name.as_str());
    let added = |c: &super::subject::Seen<'_>| {
        let added = c.security.and_then(|s| s.capabilities.as_deref()).map(|c| c.add.clone());
        added.unwrap_or_default().iter().filter(bad).cloned().collect::<Vec<_>>()
    };
    let names = subject.bad(|c| !added(c).is_empty());
    let all: BTreeSet<String> = subject.containers.iter().flat_map(added).collect();
    if names.is_empty() {
        return None;
    }
    let (who, what) = (containers(&names), quoted_set(&all));
    violation(
        "non-default capabilities",
        format!("{who} must not include {what} in securityContext.capabilities.add"),
    )
}

pub(super) fn host_namespaces(subject: &Subject<'_>) -> Option<Violation> {
    let spec = subject.spec;
    let all = [
        (spec.host_network, "hostNetwork=true"),
        (spec.host_pid, "hostPID=true"),
        (spec.host_ipc, "hostIPC=true"),
    ];
    let set: Vec<&str> = all.into_iter().filter(|(set, _)| *set).map(|(_, name)| name).collect();
    if set.is_empty() { None } else { violation("host namespaces", set.join(", ")) }
}

pub(super) fn host_path_volumes(subject: &Subject<'_>) -> Option<Violation> {
    let of_host = subject.spec.volumes.iter().filter(|v| v.volume_source.host_path.is_some());
    let names: Vec<&str> = of_host.map(|v| v.name.as_str()).collect();
    if names.is_empty() {
        return None;
    }
    violation("hostPath volumes", format!("{} {}", plural("volume", "volumes", names.len()), quoted(names)))
}

pub(super) fn host_ports(subject: &Subject<'_>) -> Option<Violation> {
    let used = |ports: &[ContainerPort]| {
        ports.iter().filter(|p| p.host_port != 0).map(|p| p.host_port.to_string()).collect::<Vec<_>>()
    };
    let names = subject.bad(|c| !used(c.ports).is_empty());
    let ports: BTreeSet<String> = subject.containers.iter().flat_map(|c| used(c.ports)).collect();
    if names.is_empty() {
        return None;
    }
    let uses = plural("uses", "use", names.len());
    let what = plural("hostPort", "hostPorts", ports.len());
    let ports = ports.into_iter().collect::<Vec<_>>().join(", ");
    violation("hostPort", format!("{} {uses} {what} {ports}", containers(&names)))
}

pub(super) fn host_of_probes(subject: &Subject<'_>) -> Option<Violation> {
    let (mut names, mut hosts) = (BTreeSet::new(), BTreeSet::new());
    for container in &subject.containers {
        let probed = container.probes.into_iter().flatten().flat_map(probe_hosts);
        let handled = container.lifecycle.into_iter().flat_map(lifecycle_hosts);
        for host in probed.chain(handled) {
            names.insert(container.name);
            hosts.insert(host);
        }
    }
    if names.is_empty() {
        return None;
    }
    let who = format!("{} {}", plural("container", "containers", names.len()), quoted_set(&names));
    let uses = plural("uses", "use", names.len());
    let what = plural("probe or lifecycle host", "probe or lifecycle hosts", hosts.len());
    violation("probe or lifecycle host", format!("{who} {uses} {what} {}", quoted_set(&hosts)))
}

fn probe_hosts(probe: &Probe) -> Vec<&str> {
    let handler = &probe.probe_handler;
    let of_get = handler.http_get.as_ref().map(|get| get.host.as_str());
    let of_socket = handler.tcp_socket.as_ref().map(|socket| socket.host.as_str());
    [of_get, of_socket].into_iter().flatten().filter(|host| !host.is_empty()).collect()
}

fn lifecycle_hosts(lifecycle: &Lifecycle) -> Vec<&str> {
    let handlers = [&lifecycle.post_start, &lifecycle.pre_stop].into_iter().filter_map(|h| h.as_deref());
    let hosts = handlers.flat_map(|handler| {
        let of_get = handler.http_get.as_ref().map(|get| get.host.as_str());
        [of_get, handler.tcp_socket.as_ref().map(|socket| socket.host.as_str())]
    });
    hosts.flatten().filter(|host| !host.is_empty()).collect()
}

pub(super) fn privileged(subject: &Subject<'_>) -> Option<Violation> {
    let names = subject.bad_security(|s| s.privileged == Some(true));
    if names.is_empty() {
        return None;
    }
    violation("privileged", format!("{} must not set securityContext.privileged=true", containers(&names)))
}

pub(super) fn proc_mount(subject: &Subject<'_>) -> Option<Violation> {
    let bad = |mount: &&String| mount.as_str() != "Default";
    let names = subject.bad_security(|s| s.proc_mount.as_ref().filter(bad).is_some());
    let set = subject.containers.iter().filter_map(|c| c.security?.proc_mount.as_ref()).filter(bad);
    let mounts: BTreeSet<&String> = set.collect();
    if names.is_empty() {
        return None;
    }
    let (who, what) = (containers(&names), quoted_set(&mounts));
    violation("procMount", format!("{who} must not set securityContext.procMount to {what}"))
}

pub(super) fn proc_mount_1_35(subject: &Subject<'_>) -> Option<Violation> {
    if subject.has_own_users() { None } else { proc_mount(subject) }
}

pub(super) fn se_linux_1_0(subject: &Subject<'_>) -> Option<Violation> {
    se_linux(subject, &SE_LINUX[..4])
}

pub(super) fn se_linux_1_31(subject: &Subject<'_>) -> Option<Violation> {
    se_linux(subject, &SE_LINUX)
}

fn se_linux(subject: &Subject<'_>, types: &[&str]) -> Option<Violation> {
    let bad_type = |o: &SELinuxOptions| !types.contains(&o.type_.as_str());
    let bad = |o: &SELinuxOptions| bad_type(o) || !o.user.is_empty() || !o.role.is_empty();
    let of_pod = subject.security().and_then(|s| s.se_linux_options.as_deref());
    let names = subject.bad_security(|s| s.se_linux_options.as_deref().is_some_and(bad));
    let who = setters(of_pod.is_some_and(bad), &names)?;
    let of_containers = subject.containers.iter().filter_map(|c| c.security?.se_linux_options.as_deref());
    let all: Vec<&SELinuxOptions> = of_containers.chain(of_pod).collect();
    let bad_types: BTreeSet<&str> = all.iter().filter(|o| bad_type(o)).map(|o| o.type_.as_str()).collect();
    let mut what = Vec::new();
    if !bad_types.is_empty() {
        what.push(format!("{} {}", plural("type", "types", bad_types.len()), quoted_set(&bad_types)));
    }
    if all.iter().any(|o| !o.user.is_empty()) {
        what.push("user may not be set".into());
    }
    if all.iter().any(|o| !o.role.is_empty()) {
        what.push("role may not be set".into());
    }
    let detail = format!("{who} set forbidden securityContext.seLinuxOptions: {}", what.join("; "));
    violation("seLinuxOptions", detail)
}

pub(super) fn seccomp_annotations(subject: &Subject<'_>) -> Option<Violation> {
    let allowed = |v: &str| matches!(v, "runtime/default" | "docker/default") || v.starts_with("localhost/");
    let of_containers = subject.containers.iter().map(|c| format!("{SECCOMP_OF_CONTAINER}{}", c.name));
    let keys = of_containers.chain([SECCOMP_OF_POD.to_string()]);
    let set = keys.filter_map(|key| {
        let value = subject.meta.annotations.get(&key).filter(|v| !allowed(v))?;
        Some(format!("{key}={value:?}"))
    });
    let forbidden: BTreeSet<String> = set.collect();
    if forbidden.is_empty() {
        return None;
    }
    let what = plural("annotation", "annotations", forbidden.len());
    let list = forbidden.into_iter().collect::<Vec<_>>().join(", ");
    violation("seccompProfile", format!("forbidden {what} {list}"))
}

pub(super) fn is_seccomp_allowed(kind: &str) -> bool {
    matches!(kind, "RuntimeDefault" | "Localhost")
}

pub(super) fn seccomp(subject: &Subject<'_>) -> Option<Violation> {
    let of_pod = subject.security().and_then(|s| s.seccomp_profile.as_deref()).map(|p| p.type_.as_str());
    let of_containers = subject.containers.iter().filter_map(|c| c.security?.seccomp_profile.as_deref());
    let bad = |kind: &&str| !is_seccomp_allowed(kind);
    let names =
        subject.bad_security(|s| s.seccomp_profile.as_deref().is_some_and(|p| !is_seccomp_allowed(&p.type_)));
    let who = setters(of_pod.filter(bad).is_some(), &names)?;
    let types: BTreeSet<&str> = of_containers.map(|p| p.type_.as_str()).chain(of_pod).filter(bad).collect();
    let what = quoted_set(&types);
    violation("seccompProfile", format!("{who} must not set securityContext.seccompProfile.type to {what}"))
}

pub(super) fn sysctls_1_0(subject: &Subject<'_>) -> Option<Violation> {
    sysctls(subject, &SYSCTLS[..5])
}

pub(super) fn sysctls_1_27(subject: &Subject<'_>) -> Option<Violation> {
    sysctls(subject, &SYSCTLS[..6])
}

pub(super) fn sysctls_1_29(subject: &Subject<'_>) -> Option<Violation> {
    sysctls(subject, &SYSCTLS[..10])
}

pub(super) fn sysctls_1_32(subject: &Subject<'_>) -> Option<Violation> {
    sysctls(subject, &SYSCTLS)
}

fn sysctls(subject: &Subject<'_>, allowed: &[&str]) -> Option<Violation> {
    let set = subject.security().map(|s| s.sysctls.as_slice()).unwrap_or_default();
    let forbidden: Vec<&str> = set.iter().map(|s| s.name.as_str()).filter(|n| !allowed.contains(n)).collect();
    if forbidden.is_empty() { None } else { violation("forbidden sysctls", forbidden.join(", ")) }
}

pub(super) fn windows_host_process(subject: &Subject<'_>) -> Option<Violation> {
    let names =
        subject.bad_security(|s| s.windows_options.as_ref().is_some_and(|w| w.host_process == Some(true)));
    let of_pod = subject.security().and_then(|s| s.windows_options.as_ref());
    let who = setters(of_pod.is_some_and(|w| w.host_process == Some(true)), &names)?;
    violation("hostProcess", format!("{who} must not set securityContext.windowsOptions.hostProcess=true"))
}
