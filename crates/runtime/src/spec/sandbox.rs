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
        let name = sysctl_name(given).ok_or_else(|| invalid(format!("sysctl {given:?} is not a name")))?;
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

/// With dots between its parts. A name that has slashes there, as a path has, may have dots within a part
/// (`net/ipv4/conf/eth0.1`), which become slashes. `None` for what could lead elsewhere.
fn sysctl_name(given: &str) -> Option<String> {
    let as_path = given.find(['.', '/']).is_some_and(|at| given[at..].starts_with('/'));
    let swap = |c| match c {
        '/' => '.',
        '.' => '/',
        other => other,
    };
    let name: String = if as_path { given.chars().map(swap).collect() } else { given.to_owned() };
    let bad = |part: &str| part.is_empty() || part.chars().all(|c| c == '/') || part.contains('\0');
    (!name.split('.').any(bad)).then_some(name)
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

#[cfg(test)]
mod tests {
    use super::super::{FakeFiles, Machine};
    use super::*;

    fn files() -> FakeFiles {
        FakeFiles {
            files: [
                ("/proc/sys/kernel/hostname".into(), b"node-1\n".to_vec()),
                ("/etc/hosts".into(), b"127.0.0.1 localhost\n".to_vec()),
                ("/etc/resolv.conf".into(), b"nameserver 192.0.2.1\n".to_vec()),
            ]
            .into(),
            ..FakeFiles::default()
        }
    }

    fn plan(config: &cri::PodSandboxConfig) -> Result<SandboxPlan, Refusal> {
        let (machine, files) = (Machine::example(false), files());
        let dir = Path::new("/run/corten/s");
        plan_sandbox(&SandboxInput { id: "s", dir, config, machine: &machine, files: &files })
    }

    fn config(change: impl Fn(&mut cri::NamespaceOption)) -> cri::PodSandboxConfig {
        let mut options = cri::NamespaceOption { pid: NamespaceMode::Container as i32, ..Default::default() };
        change(&mut options);
        cri::PodSandboxConfig {
            hostname: "web-0".into(),
            linux: Some(cri::LinuxPodSandboxConfig {
                cgroup_parent: "/kubepods/podx".into(),
                security_context: Some(cri::LinuxSandboxSecurityContext {
                    namespace_options: Some(options),
                    ..Default::default()
                }),
                ..Default::default()
            }),
            ..Default::default()
        }
    }

    fn mapping(inside: u32, outside: u32, length: u32) -> cri::IdMapping {
        cri::IdMapping { container_id: inside, host_id: outside, length }
    }

    fn users(mode: NamespaceMode, maps: &[cri::IdMapping]) -> Option<cri::UserNamespace> {
        Some(cri::UserNamespace { mode: mode as i32, uids: maps.to_vec(), gids: maps.to_vec() })
    }

    #[test]
    fn a_pod_of_its_own() {
        let mut config = config(|_| ());
        config.dns_config = Some(cri::DnsConfig {
            servers: vec!["10.96.0.10".into(), "fd00::a".into()],
            searches: vec!["default.svc".into(), "svc".into()],
            options: vec!["ndots:5".into()],
        });
        let plan = plan(&config).expect("a plan");
        assert_eq!(plan.cgroup, "/kubepods/podx/s");
        let s = &plan.sandbox;
        assert_eq!(
            (s.hostname.as_deref(), s.host_network, s.host_ipc, s.shared_pid),
            (Some("web-0"), false, false, false)
        );
        assert_eq!((s.shm_size, s.id_map.as_ref(), s.oom_score_adj), (64 << 20, None, -998));
        assert_eq!(s.cgroups.first().map(String::as_str), Some("/sys/fs/cgroup/cpu,cpuacct/kubepods/podx/s"));
        assert_eq!(s.cgroups.len(), 6, "every hierarchy");
        let sysctls = [
            ("net.ipv4.ip_unprivileged_port_start".to_owned(), "0".to_owned()),
            ("net.ipv4.ping_group_range".to_owned(), "0 2147483647".to_owned()),
        ];
        assert_eq!(s.sysctls, sysctls);
        let texts: Vec<_> =
            plan.files.iter().map(|(p, text)| (p.to_str().expect("text"), text.as_str())).collect();
        let resolv = "search default.svc svc\nnameserver 10.96.0.10\nnameserver fd00::a\noptions ndots:5\n";
        let expected = [
            ("/run/corten/s/hostname", "web-0\n"),
            ("/run/corten/s/hosts", "127.0.0.1 localhost\n"),
            ("/run/corten/s/resolv.conf", resolv),
        ];
        assert_eq!(texts, expected);
    }

    #[test]
    fn a_pod_in_the_machines_namespaces() {
        let mut config = config(|o| {
            (o.network, o.ipc, o.pid) =
                (NamespaceMode::Node as i32, NamespaceMode::Node as i32, NamespaceMode::Node as i32);
        });
        let refused = plan(&config).expect_err("a name of its own").to_string();
        assert!(
            refused.contains("unable to set hostname \"web-0\" without a private UTS namespace"),
            "{refused}"
        );
        for name in ["", "node-1"] {
            config.hostname = name.into();
            let plan = plan(&config).expect("a plan");
            assert_eq!(plan.sandbox.hostname, None);
            assert!(plan.sandbox.host_network && plan.sandbox.host_ipc && plan.sandbox.sysctls.is_empty());
            assert_eq!(plan.files[0].1, "node-1\n");
            assert_eq!(plan.files[2].1, "nameserver 192.0.2.1\n");
        }
    }

    #[test]
    fn users_of_its_own() {
        let maps = [mapping(0, 100_000, 65_536)];
        let plan = plan(&config(|o| o.userns_options = users(NamespaceMode::Pod, &maps))).expect("a plan");
        let range = IdRange { inside: 0, outside: 100_000, count: 65_536 };
        assert_eq!(plan.sandbox.id_map, Some(IdMap { users: vec![range.clone()], groups: vec![range] }));
        assert_eq!(plan.sandbox.sysctls.len(), 1, "a pod cannot map all groups that may ping");
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        type Change = fn(&mut cri::PodSandboxConfig);
        fn options(config: &mut cri::PodSandboxConfig) -> &mut cri::NamespaceOption {
            let context = config.linux.get_or_insert_default().security_context.get_or_insert_default();
            context.namespace_options.get_or_insert_default()
        }
        fn sysctl(config: &mut cri::PodSandboxConfig, name: &str) {
            config.linux.get_or_insert_default().sysctls.insert(name.into(), "1".into());
        }
        let cases: [(&str, Change); 16] = [
            ("unsupported network namespace mode \"TARGET\"", |c| {
                options(c).network = NamespaceMode::Target as i32
            }),
            ("unknown ipc namespace mode 9", |c| options(c).ipc = 9),
            ("POD needs mappings", |c| options(c).userns_options = users(NamespaceMode::Pod, &[])),
            ("NODE can not be used with mappings", |c| {
                options(c).userns_options = users(NamespaceMode::Node, &[mapping(0, 1, 1)]);
            }),
            ("unsupported user namespace mode \"CONTAINER\"", |c| {
                options(c).userns_options = users(NamespaceMode::Container, &[]);
            }),
            ("invalid length 0", |c| {
                options(c).userns_options = users(NamespaceMode::Pod, &[mapping(0, 1, 0)])
            }),
            ("invalid length 2", |c| {
                options(c).userns_options = users(NamespaceMode::Pod, &[mapping(0, u32::MAX, 2)]);
            }),
            ("overlap at 5", |c| {
                options(c).userns_options =
                    users(NamespaceMode::Pod, &[mapping(0, 1000, 10), mapping(5, 2000, 10)]);
            }),
            ("can not use the host's pid namespace", |c| {
                options(c).pid = NamespaceMode::Node as i32;
                options(c).userns_options = users(NamespaceMode::Pod, &[mapping(0, 1, 1)]);
            }),
            ("not in a separate kernel namespace", |c| sysctl(c, "vm.swappiness")),
            ("conflicts with the pod's hostname", |c| sysctl(c, "kernel.hostname")),
            ("\"net..x\" is not a name", |c| sysctl(c, "net..x")),
            ("\"net/../kernel/x\" is not a name", |c| sysctl(c, "net/../kernel/x")),
            ("not allowed in host ipc namespace", |c| {
                options(c).ipc = NamespaceMode::Node as i32;
                sysctl(c, "kernel.shmmax");
            }),
            ("not allowed in host network namespace", |c| {
                options(c).network = NamespaceMode::Node as i32;
                c.hostname.clear();
                sysctl(c, "net.core.somaxconn");
            }),
            ("\"a b\" is not one word", |c| c.dns_config.get_or_insert_default().servers.push("a b".into())),
        ];
        for (text, change) in cases {
            let mut config = config(|_| ());
            change(&mut config);
            let message = plan(&config).expect_err(text).to_string();
            assert!(message.contains(text), "{message}");
        }
        let mut long = config(|_| ());
        long.hostname = "h".repeat(65);
        assert!(plan(&long).is_err());
    }

    #[test]
    fn settings_of_a_namespace_are_taken() {
        let mut config = config(|o| o.pid = NamespaceMode::Pod as i32);
        let sysctls = [
            ("net.ipv4.ping_group_range", "1 2"),
            ("net/ipv4/conf/eth0.1/forwarding", "1"),
            ("kernel.shm_rmid_forced", "1"),
            ("fs.mqueue.msg_max", "9"),
        ];
        config.linux.get_or_insert_default().sysctls =
            sysctls.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let plan = plan(&config).expect("a plan");
        assert!(plan.sandbox.shared_pid);
        let got: Vec<_> =
            plan.sandbox.sysctls.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let expected = [
            "fs.mqueue.msg_max=9",
            "kernel.shm_rmid_forced=1",
            "net.ipv4.conf.eth0/1.forwarding=1",
            "net.ipv4.ip_unprivileged_port_start=0",
            "net.ipv4.ping_group_range=1 2",
        ];
        assert_eq!(got, expected);
    }
}
