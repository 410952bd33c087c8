//! A pod's namespaces.

use std::path::Path;

use corten_node_api::cri::{self, NamespaceMode};
use corten_pod::protocol::{IdMap, IdRange, Sandbox};
use corten_sys::cgroups::{Layout, Limits};

use super::refusal::{invalid, unsupported};
use super::{Refusal, SandboxInput, SandboxPlan, resources};

/// Size of a pod's shared memory, as all runtimes have it.
const SHM_SIZE: u64 = 64 << 20;

/// The supervisor is the last to be killed for want of memory.
const SUPERVISOR_OOM_SCORE: i32 = -998;

/// The weight of the supervisor against the pod's containers: the least.
const SUPERVISOR_SHARES: u64 = 2;

/// The group of pods whose configuration names none.
const DEFAULT_PARENT: &str = "/corten";

/// Decides a pod's namespaces, control group and files.
pub fn plan_sandbox(input: &SandboxInput<'_>) -> Result<SandboxPlan, Refusal> {
    let linux = input.config.linux.clone().unwrap_or_default();
    let context = linux.security_context.clone().unwrap_or_default();
    let options = context.namespace_options.clone().unwrap_or_default();
    let host_network = is_host(options.network, "network")?;
    let host_ipc = is_host(options.ipc, "ipc")?;
    let id_map = id_map(options.userns_options.as_ref())?;
    let own_hostname = hostname(input, host_network)?;
    let sysctls = sysctls(&linux, host_network, host_ipc, id_map.is_some())?;
    refuse_shared_users(&options, id_map.is_some())?;
    if id_map.is_some() && !input.machine.has_mount_attributes() {
        return Err(unsupported("user namespaces need a kernel of at least 5.12, whose mounts can map ids"));
    }
    if let Some(resources) = &linux.resources {
        resources::check(resources)?;
    }
    let cgroup = cgroup(&linux.cgroup_parent, input.id);
    Ok(SandboxPlan {
        sandbox: Sandbox {
            id: input.id.to_owned(),
            dir: input.dir.display().to_string(),
            hostname: own_hostname,
            host_network,
            host_ipc,
            shared_pid: options.pid() == NamespaceMode::Pod,
            sysctls,
            shm_size: SHM_SIZE,
            id_map,
            cgroups: cgroup_dirs(&input.machine.cgroups, &cgroup),
            oom_score_adj: SUPERVISOR_OOM_SCORE,
        },
        cgroup,
        limits: Limits { cpu_shares: Some(SUPERVISOR_SHARES), ..Limits::default() },
        files: files(input)?,
    })
}

/// The group of a container or supervisor, below the pod's.
pub(super) fn cgroup(parent: &str, id: &str) -> String {
    let parent = if parent.is_empty() { DEFAULT_PARENT } else { parent };
    format!("/{}/{id}", parent.trim_matches('/'))
}

/// A group's directory in every hierarchy.
pub(super) fn cgroup_dirs(layout: &Layout, path: &str) -> Vec<String> {
    let dir = |root: &Path| root.join(path.trim_start_matches('/')).display().to_string();
    layout.hierarchies.iter().map(|h| dir(&h.dir)).collect()
}

/// Whether a namespace is the machine's. A pod has no other choice for its network and IPC than its own.
fn is_host(mode: i32, name: &str) -> Result<bool, Refusal> {
    match NamespaceMode::try_from(mode) {
        Ok(NamespaceMode::Pod) => Ok(false),
        Ok(NamespaceMode::Node) => Ok(true),
        Ok(other) => Err(invalid(format!("unsupported {name} namespace mode {:?}", other.as_str_name()))),
        Err(_) => Err(invalid(format!("unknown {name} namespace mode {mode}"))),
    }
}

/// The host name of the pod's own UTS namespace. A pod in the machine's network shares the machine's name.
fn hostname(input: &SandboxInput<'_>, host_network: bool) -> Result<Option<String>, Refusal> {
    let name = &input.config.hostname;
    if host_network {
        if name.is_empty() || *name == machine_name(input)? {
            return Ok(None);
        }
        return Err(invalid(format!(
            "unable to set hostname {name:?} without a private UTS namespace: the pod uses the host's network"
        )));
    }
    if name.len() > 64 {
        return Err(invalid(format!("hostname {name:?} is longer than the kernel's 64 bytes")));
    }
    if name.is_empty() { machine_name(input).map(Some) } else { Ok(Some(name.clone())) }
}

fn machine_name(input: &SandboxInput<'_>) -> Result<String, Refusal> {
    let path = "/proc/sys/kernel/hostname";
    let name =
        input.files.read(Path::new(path)).map_err(|e| Refusal::Internal(format!("read {path}: {e}")))?;
    Ok(String::from_utf8_lossy(&name).trim().to_owned())
}

/// The pod's users on the machine.
pub(super) fn id_map(options: Option<&cri::UserNamespace>) -> Result<Option<IdMap>, Refusal> {
    let Some(options) = options else { return Ok(None) };
    match NamespaceMode::try_from(options.mode) {
        Ok(NamespaceMode::Node) if options.uids.is_empty() && options.gids.is_empty() => Ok(None),
        Ok(NamespaceMode::Node) => {
            Err(invalid("user namespace mode NODE can not be used with mappings of users or groups"))
        }
        Ok(NamespaceMode::Pod) => {
            let (users, groups) = (ranges(&options.uids, "UID")?, ranges(&options.gids, "GID")?);
            if users.is_empty() || groups.is_empty() {
                return Err(invalid("user namespace mode POD needs mappings of users and of groups"));
            }
            Ok(Some(IdMap { users, groups }))
        }
        Ok(other) => Err(invalid(format!("unsupported user namespace mode {:?}", other.as_str_name()))),
        Err(_) => Err(invalid(format!("unknown user namespace mode {}", options.mode))),
    }
}

/// The kernel takes 340 lines, none empty, none over the end of the numbers, none over another.
pub(super) fn ranges(mappings: &[cri::IdMapping], kind: &str) -> Result<Vec<IdRange>, Refusal> {
    if mappings.len() > 340 {
        return Err(invalid(format!("{} {kind} mappings, and the kernel takes 340", mappings.len())));
    }
    let mut out: Vec<IdRange> = Vec::new();
    for m in mappings {
        let ends = [m.host_id, m.container_id].map(|first| first.checked_add(m.length));
        if m.length == 0 || ends.contains(&None) {
            return Err(invalid(format!(
                "{kind} mapping: invalid length {} from {} to {}",
                m.length, m.container_id, m.host_id
            )));
        }
        let range = IdRange { inside: m.container_id, outside: m.host_id, count: m.length };
        let overlap = |a: u32, an: u32, b: u32, bn: u32| a < b + bn && b < a + an;
        if out.iter().any(|r| {
            overlap(r.inside, r.count, range.inside, range.count)
                || overlap(r.outside, r.count, range.outside, range.count)
        }) {
            return Err(invalid(format!("{kind} mappings overlap at {}", m.container_id)));
        }
        out.push(range);
    }
    Ok(out)
}

/// A pod whose users are its own cannot use namespaces that belong to the machine's users.
fn refuse_shared_users(options: &cri::NamespaceOption, mapped: bool) -> Result<(), Refusal> {
    let modes = [("network", options.network), ("pid", options.pid), ("ipc", options.ipc)];
    match modes.into_iter().find(|(_, mode)| mapped && *mode == NamespaceMode::Node as i32) {
        Some((name, _)) => {
            Err(invalid(format!("a pod with a user namespace can not use the host's {name} namespace")))
        }
        None => Ok(()),
    }
}

/// Kernel settings that live in a namespace, sorted; one that the machine shares would change the machine.
/// As containerd, pods of their own network may bind all ports and ping, which takes no capabilities then.
fn sysctls(
    linux: &cri::LinuxPodSandboxConfig,
    host_network: bool,
    host_ipc: bool,
    mapped: bool,
) -> Result<Vec<(String, String)>, Refusal> {
    let mut out = Vec::new();
    for (given, value) in &linux.sysctls {
        let name = given.replace('/', ".");
        if name.contains("..") || name.starts_with('.') || name.is_empty() {
            return Err(invalid(format!("sysctl {given:?} is not a name")));
        }
        let net = name.starts_with("net.");
        let ipc = is_ipc_sysctl(&name);
        let domain = name == "kernel.domainname";
        if name == "kernel.hostname" {
            return Err(invalid("sysctl \"kernel.hostname\" conflicts with the pod's hostname"));
        }
        if !net && !ipc && !domain {
            return Err(invalid(format!("sysctl {given:?} is not in a separate kernel namespace")));
        }
        if (net || domain) && host_network {
            return Err(invalid(format!("sysctl {given:?} not allowed in host network namespace")));
        }
        if ipc && host_ipc {
            return Err(invalid(format!("sysctl {given:?} not allowed in host ipc namespace")));
        }
        out.push((name, value.clone()));
    }
    if !host_network {
        let mut default = |name: &str, value: &str| {
            if !out.iter().any(|(n, _)| n == name) {
                out.push((name.to_owned(), value.to_owned()));
            }
        };
        default("net.ipv4.ip_unprivileged_port_start", "0");
        if !mapped {
            default("net.ipv4.ping_group_range", "0 2147483647");
        }
    }
    out.sort();
    Ok(out)
}

fn is_ipc_sysctl(name: &str) -> bool {
    const NAMES: [&str; 9] = [
        "kernel.msgmax",
        "kernel.msgmnb",
        "kernel.msgmni",
        "kernel.sem",
        "kernel.shmall",
        "kernel.shmmax",
        "kernel.shmmni",
        "kernel.shm_rmid_forced",
        "kernel.auto_msgmni",
    ];
    NAMES.contains(&name) || name.starts_with("fs.mqueue.")
}

/// `/etc/hostname`, `/etc/hosts` and `/etc/resolv.conf`, for containers that bring none.
fn files(input: &SandboxInput<'_>) -> Result<Vec<(std::path::PathBuf, String)>, Refusal> {
    let name = match input.config.hostname.as_str() {
        "" => machine_name(input)?,
        name => name.to_owned(),
    };
    let machines = |path: &str| {
        let bytes = input.files.read(Path::new(path)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let resolv = match &input.config.dns_config {
        Some(dns) => resolv_conf(dns)?,
        None => machines("/etc/resolv.conf"),
    };
    Ok(vec![
        (input.dir.join("hostname"), format!("{name}\n")),
        (input.dir.join("hosts"), machines("/etc/hosts")),
        (input.dir.join("resolv.conf"), resolv),
    ])
}

fn resolv_conf(dns: &cri::DnsConfig) -> Result<String, Refusal> {
    let words = dns.servers.iter().chain(&dns.searches).chain(&dns.options);
    if let Some(word) = words.into_iter().find(|w| w.contains(char::is_whitespace)) {
        return Err(invalid(format!("DNS configuration: {word:?} is not one word")));
    }
    let mut out = String::new();
    if !dns.searches.is_empty() {
        out += &format!("search {}\n", dns.searches.join(" "));
    }
    for server in &dns.servers {
        out += &format!("nameserver {server}\n");
    }
    if !dns.options.is_empty() {
        out += &format!("options {}\n", dns.options.join(" "));
    }
    Ok(out)
}
