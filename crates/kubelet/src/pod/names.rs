//! The names and labels by which a pod's sandboxes and containers are found again in the runtime, and the
//! places of its files.

use corten_api::core::v1::Pod;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

pub const POD_NAME: &str = "io.kubernetes.pod.name";
pub const POD_NAMESPACE: &str = "io.kubernetes.pod.namespace";
pub const POD_UID: &str = "io.kubernetes.pod.uid";
pub const CONTAINER_NAME: &str = "io.kubernetes.container.name";
/// The image as the pod's spec named it: a container whose spec names another is replaced.
pub const SPEC_IMAGE: &str = "io.corten.specImage";
/// How many seconds a container waited for its start because of those before it that crashed.
pub const CRASH_WAIT: &str = "io.corten.crashWait";
pub const RESTART_COUNT: &str = "io.kubernetes.container.restartCount";
pub const TERMINATION_PATH: &str = "io.kubernetes.container.terminationMessagePath";
pub const TERMINATION_FILE: &str = "io.corten.terminationMessageFile";
pub const TERMINATION_POLICY: &str = "io.kubernetes.container.terminationMessagePolicy";

/// Where a pod's definition is from: `file` for a static pod, `api` for others.
pub const CONFIG_SOURCE: &str = "kubernetes.io/config.source";
/// The hash of a static pod's definition; on its mirror too.
pub const CONFIG_HASH: &str = "kubernetes.io/config.hash";
/// On a mirror: the hash of the pod that it shows.
pub const CONFIG_MIRROR: &str = "kubernetes.io/config.mirror";
/// When a static pod's definition was first seen.
pub const CONFIG_SEEN: &str = "kubernetes.io/config.seen";

/// Whether a pod is defined on the node itself.
pub fn is_static(pod: &Pod) -> bool {
    pod.metadata.annotations.get(CONFIG_SOURCE).is_some_and(|source| source != "api")
}

/// Whether a pod only shows the API a static one.
pub fn is_mirror(pod: &Pod) -> bool {
    pod.metadata.annotations.contains_key(CONFIG_MIRROR)
}

/// The labels of a pod's sandbox.
pub fn pod_labels(pod: &Pod) -> HashMap<String, String> {
    let mut labels: HashMap<String, String> =
        pod.metadata.labels.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
    labels.insert(POD_NAME.into(), pod.metadata.name.clone());
    labels.insert(POD_NAMESPACE.into(), pod.metadata.namespace.clone());
    labels.insert(POD_UID.into(), pod.metadata.uid.clone());
    labels
}

/// The labels of one of its containers.
pub fn container_labels(pod: &Pod, container: &str) -> HashMap<String, String> {
    HashMap::from([
        (POD_NAME.into(), pod.metadata.name.clone()),
        (POD_NAMESPACE.into(), pod.metadata.namespace.clone()),
        (POD_UID.into(), pod.metadata.uid.clone()),
        (CONTAINER_NAME.into(), container.into()),
    ])
}

/// Where a pod's files are.
#[derive(Clone, Debug)]
pub struct Places {
    /// `DATA/kubelet`.
    pub root: PathBuf,
    /// `/var/log/pods`, or below the data directory.
    pub logs: PathBuf,
}

impl Places {
    /// Where pods' own directories are.
    pub fn pods(&self) -> PathBuf {
        self.root.join("pods")
    }

    /// The pod's own directory.
    pub fn pod(&self, uid: &str) -> PathBuf {
        self.root.join("pods").join(uid)
    }

    /// The file mounted at `/etc/hosts`.
    pub fn hosts(&self, uid: &str) -> PathBuf {
        self.pod(uid).join("etc-hosts")
    }

    /// The file in which a container leaves its last words.
    pub fn termination(&self, uid: &str, container: &str, attempt: u32) -> PathBuf {
        self.pod(uid).join("containers").join(container).join(attempt.to_string())
    }

    /// The directory of the pod's logs.
    pub fn pod_logs(&self, pod: &Pod) -> PathBuf {
        let m = &pod.metadata;
        self.logs_of(&m.namespace, &m.name, &m.uid)
    }

    /// The directory of the logs of the pod with these names.
    pub fn logs_of(&self, namespace: &str, name: &str, uid: &str) -> PathBuf {
        self.logs.join(format!("{namespace}_{name}_{uid}"))
    }

    /// The log of one attempt, relative to the pod's.
    pub fn container_log(container: &str, attempt: u32) -> PathBuf {
        Path::new(container).join(format!("{attempt}.log"))
    }
}

/// The host name of a pod: at most 63 characters, not ending in a dash or dot.
pub fn hostname(pod: &Pod) -> String {
    let spec = &pod.spec;
    let name = match &spec.hostname_override {
        Some(name) => name,
        None if spec.hostname.is_empty() => &pod.metadata.name,
        None => &spec.hostname,
    };
    if name.len() <= 63 {
        return name.clone();
    }
    let cut: String = name.chars().take(63).collect();
    cut.trim_end_matches(['-', '.']).to_string()
}

/// The domain of a pod that has a subdomain; empty otherwise.
pub fn domain(pod: &Pod, cluster: &str) -> String {
    match pod.spec.subdomain.as_str() {
        "" => String::new(),
        _ if pod.spec.hostname_override.is_some() => String::new(),
        sub => format!("{sub}.{}.svc.{cluster}", pod.metadata.namespace),
    }
}

/// The host name that the pod's kernel shows.
///
/// # Errors
/// The pod asks for its full name, and that is too long.
pub fn kernel_hostname(pod: &Pod, cluster: &str) -> Result<String, String> {
    /// A kernel's bound, without the byte that ends the name.
    const MOST: usize = 64;
    let (host, domain) = (hostname(pod), domain(pod, cluster));
    if domain.is_empty() || pod.spec.set_hostname_as_fqdn != Some(true) {
        return Ok(host);
    }
    let full = format!("{host}.{domain}");
    if full.len() <= MOST {
        return Ok(full);
    }
    Err(format!(
        "failed to construct FQDN from pod hostname and cluster domain, FQDN {full} is too long ({MOST} characters is the max, {} characters requested)",
        full.len()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_cut_to_a_valid_host_name() {
        let mut pod = Pod::default();
        pod.metadata.name = format!("{}-{}", "a".repeat(62), "b".repeat(10));
        assert_eq!(hostname(&pod), "a".repeat(62));
        pod.spec.hostname = "web-0".into();
        assert_eq!(hostname(&pod), "web-0");
        pod.spec.hostname_override = Some("web.example".into());
        assert_eq!(hostname(&pod), "web.example");
    }

    #[test]
    fn the_kernel_shows_the_full_name_if_asked_and_if_it_fits() {
        let mut pod = Pod::default();
        pod.metadata.name = "web-0".into();
        pod.metadata.namespace = "ns".into();
        let name = |pod: &Pod| kernel_hostname(pod, "cluster.local");
        pod.spec.set_hostname_as_fqdn = Some(true);
        assert_eq!(name(&pod).as_deref(), Ok("web-0"), "it has no domain");
        pod.spec.subdomain = "web".into();
        assert_eq!(name(&pod).as_deref(), Ok("web-0.web.ns.svc.cluster.local"));
        pod.spec.hostname = "h".repeat(50);
        let error = name(&pod).expect_err("too long");
        assert!(
            error.ends_with("is too long (64 characters is the max, 75 characters requested)"),
            "{error}"
        );
        pod.spec.set_hostname_as_fqdn = None;
        assert_eq!(name(&pod), Ok("h".repeat(50)));
    }
}
