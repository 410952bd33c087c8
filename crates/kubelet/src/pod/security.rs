//! Whom a container runs as, and what it may do.

use super::sandbox::namespaces;
use corten_api::core::v1::{Container, Pod, PodSecurityContext, SeccompProfile, SecurityContext};
use corten_node_api::cri::{
    Capability, Image, Int64Value, LinuxContainerSecurityContext, SecurityProfile,
    security_profile::ProfileType,
};

/// The paths that the kernel shows about itself and that containers do not see.
const MASKED: &[&str] = &[
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
];
const READ_ONLY: &[&str] = &["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// The security context of one container. The error is upstream's, for a container that must not run as it
/// would.
pub fn security_context(
    pod: &Pod,
    c: &Container,
    image: Option<&Image>,
) -> Result<LinuxContainerSecurityContext, String> {
    let of_pod = pod.spec.security_context.as_deref();
    let own = c.security_context.as_deref();
    let user = own.and_then(|s| s.run_as_user).or(of_pod.and_then(|s| s.run_as_user));
    let group = own.and_then(|s| s.run_as_group).or(of_pod.and_then(|s| s.run_as_group));
    verify_non_root(pod, c, user, image)?;
    let privileged = own.and_then(|s| s.privileged) == Some(true);
    let (uid, username) = match (user, image) {
        (Some(uid), _) => (Some(uid), String::new()),
        (None, Some(image)) => (image.uid.as_ref().map(|u| u.value), image.username.clone()),
        (None, None) => (None, String::new()),
    };
    let paths =
        |list: &[&str]| if privileged { Vec::new() } else { list.iter().map(|p| p.to_string()).collect() };
    Ok(LinuxContainerSecurityContext {
        capabilities: own.and_then(|s| s.capabilities.as_deref()).map(|c| Capability {
            add_capabilities: c.add.clone(),
            drop_capabilities: c.drop.clone(),
            ..Capability::default()
        }),
        privileged,
        namespace_options: Some(namespaces(pod)),
        run_as_user: uid.filter(|_| username.is_empty()).map(|value| Int64Value { value }),
        run_as_username: username,
        // A group without a user is refused by runtimes: user 0 is what would run.
        run_as_group: group.map(|value| Int64Value { value }),
        readonly_rootfs: own.and_then(|s| s.read_only_root_filesystem) == Some(true),
        supplemental_groups: groups(of_pod),
        no_new_privs: own.and_then(|s| s.allow_privilege_escalation) == Some(false),
        masked_paths: paths(MASKED),
        readonly_paths: paths(READ_ONLY),
        seccomp: Some(seccomp(own, of_pod, privileged)),
        ..LinuxContainerSecurityContext::default()
    })
}

fn groups(of_pod: Option<&PodSecurityContext>) -> Vec<i64> {
    let Some(s) = of_pod else { return Vec::new() };
    s.supplemental_groups.iter().copied().chain(s.fs_group).collect()
}

fn verify_non_root(pod: &Pod, c: &Container, user: Option<i64>, image: Option<&Image>) -> Result<(), String> {
    let of_pod = pod.spec.security_context.as_deref().and_then(|s| s.run_as_non_root);
    let non_root = c.security_context.as_deref().and_then(|s| s.run_as_non_root).or(of_pod);
    if non_root != Some(true) {
        return Ok(());
    }
    let about = format!(
        "(pod: \"{}_{}({})\", container: {})",
        pod.metadata.name, pod.metadata.namespace, pod.metadata.uid, c.name
    );
    match (user, image) {
        (Some(0), _) => Err(format!("container's runAsUser breaks non-root policy {about}")),
        (Some(_), _) => Ok(()),
        (None, Some(image)) if !image.username.is_empty() => Err(format!(
            "container has runAsNonRoot and image has non-numeric user ({}), cannot verify user is non-root {about}",
            image.username
        )),
        (None, Some(image)) if image.uid.as_ref().is_some_and(|u| u.value != 0) => Ok(()),
        (None, _) => Err(format!("container has runAsNonRoot and image will run as root {about}")),
    }
}

/// The filter of system calls: the runtime's default unless the pod says otherwise.
fn seccomp(
    own: Option<&SecurityContext>,
    of_pod: Option<&PodSecurityContext>,
    privileged: bool,
) -> SecurityProfile {
    let asked: Option<&SeccompProfile> =
        own.and_then(|s| s.seccomp_profile.as_deref()).or(of_pod.and_then(|s| s.seccomp_profile.as_deref()));
    let kind = match asked.map(|p| p.type_.as_str()) {
        Some("Unconfined") => ProfileType::Unconfined,
        Some("Localhost") => ProfileType::Localhost,
        None if privileged => ProfileType::Unconfined,
        _ => ProfileType::RuntimeDefault,
    };
    let path = asked.and_then(|p| p.localhost_profile.as_deref()).filter(|_| kind == ProfileType::Localhost);
    SecurityProfile {
        profile_type: kind as i32,
        localhost_ref: path.map(|p| format!("/var/lib/kubelet/seccomp/{p}")).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_must_not_be_root_is_refused_as_root() {
        let mut pod = Pod::default();
        let mut c = Container { name: "c".into(), ..Container::default() };
        c.security_context =
            Some(Box::new(SecurityContext { run_as_non_root: Some(true), ..Default::default() }));
        let root = Image::default();
        assert!(security_context(&pod, &c, Some(&root)).is_err());
        let user = Image { uid: Some(Int64Value { value: 7 }), ..Image::default() };
        assert!(security_context(&pod, &c, Some(&user)).is_ok());
        let named = Image { username: "web".into(), ..Image::default() };
        assert!(security_context(&pod, &c, Some(&named)).is_err());
        pod.spec.security_context =
            Some(Box::new(PodSecurityContext { run_as_user: Some(0), ..Default::default() }));
        assert!(security_context(&pod, &c, Some(&user)).is_err());
    }

    #[test]
    fn the_default_filter_applies_unless_privileged_or_unconfined() {
        let pod = Pod::default();
        let mut c = Container::default();
        let kind =
            |c: &Container| security_context(&pod, c, None).expect("allowed").seccomp.map(|s| s.profile_type);
        assert_eq!(kind(&c), Some(ProfileType::RuntimeDefault as i32));
        c.security_context = Some(Box::new(SecurityContext { privileged: Some(true), ..Default::default() }));
        assert_eq!(kind(&c), Some(ProfileType::Unconfined as i32));
    }
}
