//! What a container is made of: its configuration for the runtime.

use super::env::{Sources, environment};
use super::expand::expand;
use super::names::*;
use super::resources::{container_resources, ended_as_one};
use super::security::security_context;
use super::{mounts, names};
use crate::Shared;
use corten_api::core::v1::{Container, Pod, Service};
use corten_node_api::cri::{
    ContainerConfig, ContainerMetadata, Image, ImageSpec, KeyValue, LinuxContainerConfig, Signal,
    UserNamespace,
};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// What a pod's containers have in common beside the pod itself.
#[derive(Clone, Debug, Default)]
pub struct Setting {
    /// Where the volumes are.
    pub volumes: BTreeMap<String, PathBuf>,
    /// The images of volumes that show an image, by volume.
    pub images: BTreeMap<String, Image>,
    /// Whose users the containers' are.
    pub users: UserNamespace,
    /// How long the container waited because of those before it that crashed.
    pub crash_wait: Option<Duration>,
    /// The runtime can make mounts read-only with all that is mounted below.
    pub recursive_read_only: bool,
}

/// Builds the configuration, making the files that it mounts. The error is the message of a
/// `CreateContainerConfigError`.
pub async fn container_config(
    shared: &Shared,
    pod: &Pod,
    c: &Container,
    attempt: u32,
    image: &Image,
    setting: &Setting,
) -> Result<ContainerConfig, String> {
    let sources = Sources {
        client: &shared.client,
        pod,
        services: services(shared, pod),
        allocatable: &shared.allocatable,
        volumes: &setting.volumes,
    };
    let env = environment(&sources, c).await?;
    let lookup = |name: &str| env.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
    let expanded = |list: &[String]| list.iter().map(|s| expand(s, lookup)).collect::<Vec<_>>();
    let words = termination_file(shared, pod, c, attempt).map_err(|e| format!("termination log: {e}"))?;
    let security = security_context(pod, c, Some(image), &setting.users, &shared.places.root)?;
    let resources = container_resources(pod, c, shared.memory_bytes, shared.oom_floor);
    let config = ContainerConfig {
        metadata: Some(ContainerMetadata { name: c.name.clone(), attempt }),
        image: Some(ImageSpec {
            image: if image.id.is_empty() { c.image.clone() } else { image.id.clone() },
            user_specified_image: c.image.clone(),
            ..ImageSpec::default()
        }),
        command: expanded(&c.command),
        args: expanded(&c.args),
        working_dir: c.working_dir.clone(),
        envs: env.iter().map(|(k, v)| KeyValue { key: k.clone(), value: v.clone().into_bytes() }).collect(),
        mounts: mounts::mounts(shared, pod, c, setting, &words, &lookup)?,
        devices: mounts::devices(pod, c, &setting.volumes)?,
        labels: container_labels(pod, &c.name),
        annotations: annotations(c, attempt, &words, setting.crash_wait),
        log_path: Places::container_log(&c.name, attempt).to_string_lossy().into_owned(),
        stdin: c.stdin,
        stdin_once: c.stdin_once,
        tty: c.tty,
        linux: Some(LinuxContainerConfig {
            resources: Some(ended_as_one(resources, shared.cgroups.is_unified())),
            security_context: Some(security),
        }),
        stop_signal: stop_signal(c) as i32,
        ..ContainerConfig::default()
    };
    crate::gate::give(shared, pod, c, config).await
}

/// The signal that asks a container to stop, if not the one that its image names.
fn stop_signal(c: &Container) -> Signal {
    let asked = c.lifecycle.as_deref().and_then(|l| l.stop_signal.as_deref());
    asked.and_then(Signal::from_str_name).unwrap_or(Signal::RuntimeDefault)
}

/// The Services that the pod's environment tells of.
fn services(shared: &Shared, pod: &Pod) -> Vec<Arc<Service>> {
    let mut list = shared.services.list_in(&pod.metadata.namespace);
    if pod.metadata.namespace != "default" {
        list.extend(shared.services.get(&corten_client::Key::new("default", "kubernetes")));
    }
    list
}

fn annotations(
    c: &Container,
    attempt: u32,
    words: &Path,
    crash_wait: Option<Duration>,
) -> HashMap<String, String> {
    let wait = crash_wait.map(|w| (CRASH_WAIT.to_string(), w.as_secs().to_string()));
    let fixed = [
        (RESTART_COUNT.into(), attempt.to_string()),
        (SPEC_IMAGE.into(), c.image.clone()),
        (TERMINATION_PATH.into(), c.termination_message_path.clone()),
        (TERMINATION_POLICY.into(), c.termination_message_policy.clone()),
        (TERMINATION_FILE.into(), words.to_string_lossy().into_owned()),
    ];
    fixed.into_iter().chain(wait).collect()
}

fn termination_file(shared: &Shared, pod: &Pod, c: &Container, attempt: u32) -> std::io::Result<PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    let file = shared.places.termination(&pod.metadata.uid, &c.name, attempt);
    if let Some(directory) = file.parent() {
        std::fs::create_dir_all(directory)?;
    }
    std::fs::write(&file, b"")?;
    // The container may run as anyone.
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o666))?;
    Ok(file)
}

/// Writes the pod's `/etc/hosts`.
pub fn write_hosts(shared: &Shared, pod: &Pod, ips: &[String]) -> std::io::Result<()> {
    let file = shared.places.hosts(&pod.metadata.uid);
    if let Some(directory) = file.parent() {
        std::fs::create_dir_all(directory)?;
    }
    std::fs::write(file, hosts(pod, ips, &shared.resolver.domain))
}

fn hosts(pod: &Pod, ips: &[String], domain: &str) -> String {
    let mut out = String::from(
        "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::0\tip6-localnet\nfe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n",
    );
    let (name, full) = (hostname(pod), names::domain(pod, domain));
    for ip in ips {
        match full.as_str() {
            "" => out.push_str(&format!("{ip}\t{name}\n")),
            full => out.push_str(&format!("{ip}\t{name}.{full}\t{name}\n")),
        }
    }
    if !pod.spec.host_aliases.is_empty() {
        out.push_str("\n# Entries added by HostAliases.\n");
        for alias in &pod.spec.host_aliases {
            out.push_str(&format!("{}\t{}\n", alias.ip, alias.hostnames.join("\t")));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::core::v1::HostAlias;

    #[test]
    fn hosts_name_the_pod_and_its_aliases() {
        let mut pod = Pod::default();
        pod.metadata.name = "web-0".into();
        pod.metadata.namespace = "ns".into();
        pod.spec.subdomain = "web".into();
        pod.spec.host_aliases =
            vec![HostAlias { ip: "1.2.3.4".into(), hostnames: vec!["a".into(), "b".into()] }];
        let text = hosts(&pod, &["10.0.0.7".into()], "cluster.local");
        assert!(text.contains("10.0.0.7\tweb-0.web.ns.svc.cluster.local\tweb-0\n"), "{text}");
        assert!(text.ends_with("1.2.3.4\ta\tb\n"), "{text}");
    }
}
