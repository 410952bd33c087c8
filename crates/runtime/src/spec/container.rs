//! A container, from its configuration to its launch.

use std::path::Path;

use corten_node_api::cri::{self, NamespaceMode};
use corten_pod::protocol::{Launch, Overlay, PidNamespace, Process};

use super::devices::Devices;
use super::mounts::Situation;
use super::refusal::{invalid, unsupported};
use super::{
    ContainerInput, ContainerPlan, Refusal, args, capabilities, cdi, mounts, resources, sandbox, security,
    stop_signal, user,
};

/// Decides everything about a container.
pub fn plan_container(input: &ContainerInput<'_>) -> Result<ContainerPlan, Refusal> {
    let linux = input.config.linux.clone().unwrap_or_default();
    let context = linux.security_context.clone().unwrap_or_default();
    let resources = linux.resources.clone().unwrap_or_default();
    let options = context.namespace_options.clone().unwrap_or_default();
    let sandbox_linux = input.sandbox.linux.clone().unwrap_or_default();
    let sandbox_context = sandbox_linux.security_context.unwrap_or_default();
    let sandbox_options = sandbox_context.namespace_options.unwrap_or_default();
    if context.privileged && !sandbox_context.privileged {
        return Err(invalid("no privileged container allowed in sandbox"));
    }
    security::refuse_selinux(input, context.selinux_options.as_ref())?;
    let cgroup = sandbox::cgroup(&sandbox_linux.cgroup_parent, input.id);
    let id_map = id_map(&options, &sandbox_options)?;

    let mut devices = Devices::default_ones();
    for device in &input.config.devices {
        devices.add_configured(device, input.files)?;
    }
    let brought = cdi::add(&input.config.cdi_devices, input.files, &mut devices)?;
    if context.privileged {
        devices.add_all(input.files)?;
    }
    let situation = Situation {
        input,
        privileged: context.privileged,
        readonly_root: context.readonly_rootfs,
        id_map,
        host_ipc: mounts::host_ipc(input.sandbox),
        cgroup: &cgroup,
    };
    if let (Some(name), false) = (resources.unified.keys().next(), input.machine.cgroups.is_unified()) {
        return Err(unsupported(format!(
            "{name} is a setting of control groups of version 2; here is version 1"
        )));
    }
    let mounts = mounts::all(&situation, &brought.mounts)?;
    let (masked_paths, mut readonly_paths) = match context.privileged {
        true => (Vec::new(), Vec::new()),
        false => (context.masked_paths.clone(), context.readonly_paths.clone()),
    };
    readonly_paths.extend(mounts.readonly_paths);
    let launch = Launch {
        id: input.id.to_owned(),
        dir: input.dir.display().to_string(),
        root: root(input, context.readonly_rootfs)?,
        mounts: mounts.mounts,
        devices: if mounts.own_dev { devices.nodes } else { Vec::new() },
        masked_paths,
        readonly_paths,
        root_propagation: mounts.root_propagation,
        pid_namespace: pid_namespace(&options, &sandbox_options)?,
        // Without one of its own, a container sees the machine's tree: a privileged one may, and in version 1
        // what it sees is bound together from its own groups.
        cgroup_namespace: input.machine.cgroups.is_unified() && !context.privileged,
        cgroups: sandbox::cgroup_dirs(&input.machine.cgroups, &cgroup),
        oom_file: oom_file(input, &cgroup),
        process: process(input, &context, &resources, &brought)?,
        log: log(input),
        stdin: input.config.stdin,
        stdin_once: input.config.stdin_once,
    };
    Ok(ContainerPlan {
        launch,
        cgroup,
        limits: resources::limits(&resources)?,
        devices: devices.rules,
        handles: mounts.handles,
        directories: mounts.directories,
        volumes: mounts.volumes,
        stop_signal: stop_signal::stop_signal(input.config, &input.image.stop_signal)?,
    })
}

fn process(
    input: &ContainerInput<'_>,
    context: &cri::LinuxContainerSecurityContext,
    resources: &cri::LinuxContainerResources,
    brought: &cdi::Brought,
) -> Result<Process, Refusal> {
    let machine = input.machine;
    let capabilities =
        capabilities::of(context.capabilities.as_ref(), context.privileged, machine.capabilities)?;
    let filter = security::seccomp(input, context, capabilities.bounding)?.unwrap_or_default();
    let mut env = args::env(input.config, input.image, &hostname(input))?;
    brought.env.iter().for_each(|variable| args::set(&mut env, variable.clone()));
    let mut user = user::of(context, &input.image.user)?;
    user.groups.extend(&brought.groups);
    let oom_score_adj = i32::try_from(resources.oom_score_adj).ok().filter(|s| (-1000..=1000).contains(s));
    let oom_score_adj = oom_score_adj.ok_or_else(|| {
        invalid(format!("oom_score_adj {} is not between -1000 and 1000", resources.oom_score_adj))
    })?;
    Ok(Process {
        args: args::args(input.config, input.image)?,
        env,
        cwd: args::cwd(input.config, input.image)?,
        user,
        capabilities,
        no_new_privileges: context.no_new_privs,
        seccomp: filter.program,
        seccomp_flags: filter.flags,
        rlimits: machine.rlimits(),
        oom_score_adj: Some(oom_score_adj),
        apparmor: security::apparmor(input, context)?,
        terminal: input.config.tty,
        umask: 0o022,
    })
}

/// The name that a process sees; the machine's for pods in its network.
fn hostname(input: &ContainerInput<'_>) -> String {
    if !input.sandbox.hostname.is_empty() {
        return input.sandbox.hostname.clone();
    }
    let name = input.files.read(Path::new("/proc/sys/kernel/hostname")).unwrap_or_default();
    String::from_utf8_lossy(&name).trim().to_owned()
}

/// The layers relative to the directory that they share, the topmost first.
fn root(input: &ContainerInput<'_>, readonly: bool) -> Result<Overlay, Refusal> {
    let mut base = input.layers.first().and_then(|l| l.parent()).unwrap_or(Path::new("/"));
    while let Some(parent) = base.parent().filter(|_| !input.layers.iter().all(|l| l.starts_with(base))) {
        base = parent;
    }
    let lower: Option<Vec<String>> =
        input.layers.iter().rev().map(|l| Some(l.strip_prefix(base).ok()?.to_str()?.to_owned())).collect();
    let lower = lower.ok_or_else(|| Refusal::Internal("a layer's path is not text".to_owned()))?;
    if lower.is_empty() {
        return Err(Refusal::Internal("the image has no layers".to_owned()));
    }
    let options: usize = lower.iter().map(|l| l.len() + 1).sum();
    let own = input.dir.as_os_str().len() * 2 + "lowerdir=,upperdir=/upper,workdir=/work".len();
    if options + own > 4095 {
        return Err(unsupported(format!(
            "the image has {} layers, too many for one mount of overlayfs; squash some",
            lower.len()
        )));
    }
    Ok(Overlay {
        base: base.display().to_string(),
        lower,
        upper: input.dir.join("upper").display().to_string(),
        work: input.dir.join("work").display().to_string(),
        readonly,
    })
}

/// The pod's users, which all its containers share.
fn id_map(
    own: &cri::NamespaceOption,
    pods: &cri::NamespaceOption,
) -> Result<Option<corten_pod::protocol::IdMap>, Refusal> {
    let (own, pods) =
        (sandbox::id_map(own.userns_options.as_ref())?, sandbox::id_map(pods.userns_options.as_ref())?);
    if own != pods {
        return Err(invalid(
            "user namespace config for sandbox is different from container: give both the same mappings",
        ));
    }
    Ok(own)
}

fn pid_namespace(
    options: &cri::NamespaceOption,
    pods: &cri::NamespaceOption,
) -> Result<PidNamespace, Refusal> {
    Ok(match NamespaceMode::try_from(options.pid) {
        Ok(NamespaceMode::Container) => PidNamespace::Own,
        Ok(NamespaceMode::Node) => PidNamespace::Host,
        Ok(NamespaceMode::Target) if options.target_id.is_empty() => {
            return Err(invalid("invalid target container: PID namespace mode TARGET without a target's id"));
        }
        Ok(NamespaceMode::Target) => PidNamespace::Container(options.target_id.clone()),
        // The pod's: its own, if it has one.
        Ok(NamespaceMode::Pod) => match pods.pid() {
            NamespaceMode::Pod => PidNamespace::Pod,
            NamespaceMode::Node => PidNamespace::Host,
            _ => PidNamespace::Own,
        },
        Err(_) => return Err(invalid(format!("unknown PID namespace mode {}", options.pid))),
    })
}

fn oom_file(input: &ContainerInput<'_>, cgroup: &str) -> Option<String> {
    let memory = input.machine.cgroups.of("memory")?;
    let name = if memory.unified { "memory.events" } else { "memory.oom_control" };
    Some(memory.dir.join(cgroup.trim_start_matches('/')).join(name).display().to_string())
}

fn log(input: &ContainerInput<'_>) -> Option<String> {
    let (dir, path) = (&input.sandbox.log_directory, &input.config.log_path);
    (!dir.is_empty() && !path.is_empty()).then(|| Path::new(dir).join(path).display().to_string())
}
