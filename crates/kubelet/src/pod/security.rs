//! Whom a container runs as, and what it may do.

use super::sandbox::namespaces;
use corten_api::core::v1::{
    AppArmorProfile, Container, Pod, PodSecurityContext, SELinuxOptions, SeccompProfile, SecurityContext,
};
use corten_node_api::cri::{
    Capability, Image, Int64Value, LinuxContainerSecurityContext, SeLinuxOption, SecurityProfile,
    SupplementalGroupsPolicy, UserNamespace, security_profile::ProfileType,
};
use std::path::Path;

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
    users: &UserNamespace,
    kubelet_dir: &Path,
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
    let bare = privileged || own.and_then(|s| s.proc_mount.as_deref()) == Some("Unmasked");
    let selinux_options = own
        .and_then(|s| s.se_linux_options.as_deref())
        .or(of_pod.and_then(|s| s.se_linux_options.as_deref()))
        .map(selinux);
    let paths = |list: &[&str]| if bare { Vec::new() } else { list.iter().map(|p| p.to_string()).collect() };
    let apparmor = apparmor(own, of_pod, privileged);
    Ok(LinuxContainerSecurityContext {
        capabilities: own.and_then(|s| s.capabilities.as_deref()).map(|c| Capability {
            add_capabilities: c.add.clone(),
            drop_capabilities: c.drop.clone(),
            ..Capability::default()
        }),
        privileged,
        namespace_options: Some(namespaces(pod, users)),
        selinux_options,
        run_as_user: uid.filter(|_| username.is_empty()).map(|value| Int64Value { value }),
        run_as_username: username,
        // A group without a user is refused by runtimes: user 0 is what would run.
        run_as_group: group.map(|value| Int64Value { value }),
        readonly_rootfs: own.and_then(|s| s.read_only_root_filesystem) == Some(true),
        supplemental_groups: groups(of_pod),
        supplemental_groups_policy: groups_policy(of_pod) as i32,
        no_new_privs: own.and_then(|s| s.allow_privilege_escalation) == Some(false),
        masked_paths: paths(MASKED),
        readonly_paths: paths(READ_ONLY),
        seccomp: Some(seccomp(own, of_pod, privileged, kubelet_dir)?),
        apparmor_profile: apparmor.as_ref().map(deprecated_name).unwrap_or_default(),
        apparmor,
        ..LinuxContainerSecurityContext::default()
    })
}

/// Whether a user's groups in the image count too.
pub fn groups_policy(of_pod: Option<&PodSecurityContext>) -> SupplementalGroupsPolicy {
    match of_pod.and_then(|s| s.supplemental_groups_policy.as_deref()) {
        Some("Strict") => SupplementalGroupsPolicy::Strict,
        _ => SupplementalGroupsPolicy::Merge,
    }
}

/// SELinux's options as the runtime takes them.
pub fn selinux(options: &SELinuxOptions) -> SeLinuxOption {
    SeLinuxOption {
        user: options.user.clone(),
        role: options.role.clone(),
        r#type: options.type_.clone(),
        level: options.level.clone(),
    }
}

/// The AppArmor profile that a container asks for, or its pod for it.
fn apparmor(
    own: Option<&SecurityContext>,
    of_pod: Option<&PodSecurityContext>,
    privileged: bool,
) -> Option<SecurityProfile> {
    let of_pod = of_pod.and_then(|s| s.app_armor_profile.as_deref());
    let asked: &AppArmorProfile = own.and_then(|s| s.app_armor_profile.as_deref()).or(of_pod)?;
    let kind = match asked.type_.as_str() {
        "Localhost" => ProfileType::Localhost,
        "RuntimeDefault" if !privileged => ProfileType::RuntimeDefault,
        "RuntimeDefault" | "Unconfined" => ProfileType::Unconfined,
        _ => return None,
    };
    let name = asked.localhost_profile.clone().filter(|_| kind == ProfileType::Localhost);
    Some(SecurityProfile { profile_type: kind as i32, localhost_ref: name.unwrap_or_default() })
}

/// A profile as runtimes took it before there was a message for it.
fn deprecated_name(profile: &SecurityProfile) -> String {
    match ProfileType::try_from(profile.profile_type) {
        Ok(ProfileType::Localhost) => format!("localhost/{}", profile.localhost_ref),
        Ok(ProfileType::Unconfined) => "unconfined".into(),
        _ => "runtime/default".into(),
    }
}

/// The groups beside the first.
pub fn groups(of_pod: Option<&PodSecurityContext>) -> Vec<i64> {
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

/// The filter of system calls: the runtime's default unless the pod says otherwise. Profiles of one's own lie
/// below `kubelet_dir`, in `seccomp`.
fn seccomp(
    own: Option<&SecurityContext>,
    of_pod: Option<&PodSecurityContext>,
    privileged: bool,
    kubelet_dir: &Path,
) -> Result<SecurityProfile, String> {
    let asked: Option<&SeccompProfile> =
        own.and_then(|s| s.seccomp_profile.as_deref()).or(of_pod.and_then(|s| s.seccomp_profile.as_deref()));
    let kind = match asked.map(|p| p.type_.as_str()) {
        _ if privileged => ProfileType::Unconfined,
        Some("Unconfined") => ProfileType::Unconfined,
        Some("Localhost") => ProfileType::Localhost,
        _ => ProfileType::RuntimeDefault,
    };
    let mut out = SecurityProfile { profile_type: kind as i32, localhost_ref: String::new() };
    if kind == ProfileType::Localhost {
        let name = asked.and_then(|p| p.localhost_profile.as_deref()).filter(|n| !n.is_empty());
        let name = name.ok_or("localhostProfile must be set if seccompProfile type is Localhost.")?;
        out.localhost_ref = kubelet_dir.join("seccomp").join(name).to_string_lossy().into_owned();
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(
        pod: &Pod,
        c: &Container,
        image: Option<&Image>,
    ) -> Result<LinuxContainerSecurityContext, String> {
        security_context(pod, c, image, &crate::pod::user_namespaces::of_host(), Path::new("/data/kubelet"))
    }

    #[test]
    fn who_must_not_be_root_is_refused_as_root() {
        let mut pod = Pod::default();
        let mut c = Container { name: "c".into(), ..Container::default() };
        c.security_context =
            Some(Box::new(SecurityContext { run_as_non_root: Some(true), ..Default::default() }));
        let root = Image::default();
        assert!(context(&pod, &c, Some(&root)).is_err());
        let user = Image { uid: Some(Int64Value { value: 7 }), ..Image::default() };
        assert!(context(&pod, &c, Some(&user)).is_ok());
        let named = Image { username: "web".into(), ..Image::default() };
        assert!(context(&pod, &c, Some(&named)).is_err());
        pod.spec.security_context =
            Some(Box::new(PodSecurityContext { run_as_user: Some(0), ..Default::default() }));
        assert!(context(&pod, &c, Some(&user)).is_err());
    }

    #[test]
    fn the_default_filter_applies_unless_privileged_or_unconfined() {
        let pod = Pod::default();
        let mut c = Container::default();
        let kind = |c: &Container| context(&pod, c, None).expect("allowed").seccomp.map(|s| s.profile_type);
        assert_eq!(kind(&c), Some(ProfileType::RuntimeDefault as i32));
        c.security_context = Some(Box::new(SecurityContext { privileged: Some(true), ..Default::default() }));
        assert_eq!(kind(&c), Some(ProfileType::Unconfined as i32));
    }

    #[test]
    fn profiles_are_found_below_the_kubelets_directory() {
        let mut pod = Pod::default();
        let c = Container::default();
        let mut of_pod = PodSecurityContext {
            seccomp_profile: Some(Box::new(SeccompProfile {
                type_: "Localhost".into(),
                localhost_profile: Some("audit.json".into()),
            })),
            app_armor_profile: Some(Box::new(AppArmorProfile {
                type_: "Localhost".into(),
                localhost_profile: Some("web".into()),
            })),
            supplemental_groups_policy: Some("Strict".into()),
            ..Default::default()
        };
        pod.spec.security_context = Some(Box::new(of_pod.clone()));
        let got = context(&pod, &c, None).expect("allowed");
        assert_eq!(got.seccomp.map(|s| s.localhost_ref).as_deref(), Some("/data/kubelet/seccomp/audit.json"));
        assert_eq!(got.apparmor_profile, "localhost/web");
        assert_eq!(got.supplemental_groups_policy, SupplementalGroupsPolicy::Strict as i32);
        of_pod.seccomp_profile =
            Some(Box::new(SeccompProfile { type_: "Localhost".into(), localhost_profile: None }));
        pod.spec.security_context = Some(Box::new(of_pod));
        assert!(context(&pod, &c, None).is_err());
    }

    #[test]
    fn an_unmasked_proc_hides_nothing() {
        let mut c = Container::default();
        let masked = |c: &Container| {
            let got = context(&Pod::default(), c, None).expect("allowed");
            (got.masked_paths.is_empty(), got.readonly_paths.is_empty())
        };
        assert_eq!(masked(&c), (false, false));
        c.security_context =
            Some(Box::new(SecurityContext { proc_mount: Some("Unmasked".into()), ..Default::default() }));
        assert_eq!(masked(&c), (true, true));
    }
}
