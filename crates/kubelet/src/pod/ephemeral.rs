//! Ephemeral containers: added to a running pod to look into it, started once, never restarted.

use corten_api::core::v1::{Container, EphemeralContainer, Pod};

/// The container that an ephemeral one stands for.
pub fn container(ephemeral: &EphemeralContainer) -> Container {
    let c = ephemeral.ephemeral_container_common.clone();
    Container {
        name: c.name,
        image: c.image,
        command: c.command,
        args: c.args,
        working_dir: c.working_dir,
        env_from: c.env_from,
        env: c.env,
        resources: c.resources,
        restart_policy: Some("Never".into()),
        volume_mounts: c.volume_mounts,
        volume_devices: c.volume_devices,
        termination_message_path: c.termination_message_path,
        termination_message_policy: c.termination_message_policy,
        image_pull_policy: c.image_pull_policy,
        security_context: c.security_context,
        stdin: c.stdin,
        stdin_once: c.stdin_once,
        tty: c.tty,
        ..Container::default()
    }
}

/// A container of the pod by name, of whichever list.
pub fn find(pod: &Pod, name: &str) -> Option<Container> {
    let spec = &pod.spec;
    let usual = spec.containers.iter().chain(&spec.init_containers).find(|c| c.name == name);
    usual.cloned().or_else(|| of(pod, name).map(container))
}

/// The container whose processes an ephemeral one asks to see.
pub fn target<'a>(pod: &'a Pod, name: &str) -> Option<&'a str> {
    of(pod, name).map(|e| e.target_container_name.as_str()).filter(|t| !t.is_empty())
}

fn of<'a>(pod: &'a Pod, name: &str) -> Option<&'a EphemeralContainer> {
    pod.spec.ephemeral_containers.iter().find(|e| e.ephemeral_container_common.name == name)
}
