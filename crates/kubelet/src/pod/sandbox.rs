//! What a pod's sandbox is made of.

use super::dns::dns;
use super::names::{Places, kernel_hostname, pod_labels};
use super::resources::{linux, overhead, pod_cgroup, pod_limits};
use super::security;
use corten_api::core::v1::{Pod, SecurityContext};
use corten_node_api::cri::{
    DnsConfig, Int64Value, LinuxPodSandboxConfig, LinuxSandboxSecurityContext, NamespaceMode,
    NamespaceOption, PodSandboxConfig, PodSandboxMetadata, PortMapping, Protocol, SecurityProfile,
    UserNamespace, security_profile::ProfileType,
};

/// What the node knows of names.
#[derive(Clone, Debug, Default)]
pub struct Resolver {
    /// Addresses of the cluster's DNS.
    pub cluster_dns: Vec<String>,
    /// `cluster.local`.
    pub domain: String,
    /// The node's own `/etc/resolv.conf`.
    pub host: DnsConfig,
}

impl Resolver {
    /// Reads the text of a `resolv.conf`.
    pub fn parse(text: &str) -> DnsConfig {
        let mut out = DnsConfig::default();
        for line in text.lines() {
            let mut words = line.split_whitespace();
            match words.next() {
                Some("nameserver") => out.servers.extend(words.next().map(str::to_string)),
                Some("search") => out.searches = words.map(str::to_string).collect(),
                Some("options") => out.options.extend(words.map(str::to_string)),
                _ => {}
            }
        }
        out
    }
}

/// The namespaces that the pod's containers share.
pub fn namespaces(pod: &Pod, users: &UserNamespace) -> NamespaceOption {
    let node = NamespaceMode::Node as i32;
    NamespaceOption {
        network: if pod.spec.host_network { node } else { NamespaceMode::Pod as i32 },
        ipc: if pod.spec.host_ipc { node } else { NamespaceMode::Pod as i32 },
        pid: if pod.spec.host_pid {
            node
        } else if pod.spec.share_process_namespace == Some(true) {
            NamespaceMode::Pod as i32
        } else {
            NamespaceMode::Container as i32
        },
        userns_options: Some(users.clone()),
        ..NamespaceOption::default()
    }
}

/// The sandbox's configuration. `cgroup_root` is where pods' cgroups are.
///
/// # Errors
/// The pod's full name is longer than a host name may be.
pub fn sandbox_config(
    pod: &Pod,
    attempt: u32,
    resolver: &Resolver,
    places: &Places,
    cgroup_root: &str,
    users: &UserNamespace,
) -> Result<PodSandboxConfig, String> {
    let m = &pod.metadata;
    Ok(PodSandboxConfig {
        metadata: Some(PodSandboxMetadata {
            name: m.name.clone(),
            uid: m.uid.clone(),
            namespace: m.namespace.clone(),
            attempt,
        }),
        // On the host's network the host's name stands, and a runtime refuses another.
        hostname: match pod.spec.host_network && pod.spec.hostname_override.is_none() {
            true => String::new(),
            false => kernel_hostname(pod, &resolver.domain)?,
        },
        log_directory: places.pod_logs(pod).to_string_lossy().into_owned(),
        dns_config: Some(dns(pod, resolver).config),
        port_mappings: ports(pod),
        labels: pod_labels(pod),
        annotations: m.annotations.iter().map(|(k, v)| (k.clone(), v.clone())).collect(),
        linux: Some(LinuxPodSandboxConfig {
            cgroup_parent: pod_cgroup(cgroup_root, pod),
            security_context: Some(sandbox_security(pod, users)),
            sysctls: pod
                .spec
                .security_context
                .iter()
                .flat_map(|s| &s.sysctls)
                .map(|s| (s.name.clone(), s.value.clone()))
                .collect(),
            overhead: Some(overhead(pod)),
            resources: Some(linux(&pod_limits(&without_overhead(pod)))),
        }),
        ..PodSandboxConfig::default()
    })
}

fn without_overhead(pod: &Pod) -> Pod {
    let mut bare = Pod { spec: pod.spec.clone(), ..Pod::default() };
    bare.spec.overhead.clear();
    bare
}

fn ports(pod: &Pod) -> Vec<PortMapping> {
    pod.spec
        .containers
        .iter()
        .flat_map(|c| &c.ports)
        .filter(|p| p.host_port != 0 && !pod.spec.host_network)
        .map(|p| PortMapping {
            protocol: match p.protocol.as_str() {
                "UDP" => Protocol::Udp as i32,
                "SCTP" => Protocol::Sctp as i32,
                _ => Protocol::Tcp as i32,
            },
            container_port: p.container_port,
            host_port: p.host_port,
            host_ip: p.host_ip.clone(),
        })
        .collect()
}

fn sandbox_security(pod: &Pod, users: &UserNamespace) -> LinuxSandboxSecurityContext {
    let privileged =
        pod.spec.containers.iter().chain(&pod.spec.init_containers).any(|c| {
            c.security_context.as_deref().and_then(|s: &SecurityContext| s.privileged) == Some(true)
        });
    let own = pod.spec.security_context.as_deref();
    LinuxSandboxSecurityContext {
        namespace_options: Some(namespaces(pod, users)),
        run_as_user: own.and_then(|s| s.run_as_user).map(|value| Int64Value { value }),
        run_as_group: own
            .filter(|s| s.run_as_user.is_some())
            .and_then(|s| s.run_as_group)
            .map(|value| Int64Value { value }),
        selinux_options: own.and_then(|s| s.se_linux_options.as_deref()).map(security::selinux),
        supplemental_groups: security::groups(own),
        supplemental_groups_policy: security::groups_policy(own) as i32,
        privileged,
        seccomp: Some(SecurityProfile {
            profile_type: ProfileType::RuntimeDefault as i32,
            ..SecurityProfile::default()
        }),
        ..LinuxSandboxSecurityContext::default()
    }
}
