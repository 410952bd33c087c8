//! From CRI's configurations to what a pod's supervisor carries out. Everything is decided here, and nothing
//! is done: what has to be known of the machine comes in as a [`Machine`] (facts that do not change) and as
//! [`Files`] (what lies on it now), so that a table can test it.
//!
//! How the service uses it:
//!
//! 1. Once: [`Machine::detect`], and one [`seccomp::Filters`], which keeps compiled filters.
//! 2. RunPodSandbox: [`plan_sandbox`]. Make [`SandboxPlan::cgroup`] (`Cgroups::create`, then `set` with
//!    [`SandboxPlan::limits`]), write [`SandboxPlan::files`], start the supervisor, send
//!    [`SandboxPlan::sandbox`].
//! 3. CreateContainer: [`plan_container`] says whether it can be done; a [`Refusal`] is what CRI answers.
//!    Keep the configurations, or the plan: `launch` has a form on the wire, as has what is below it.
//! 4. StartContainer: make its directories ([`ContainerPlan::make_directories`]), the overlay's `upper` and `work`, the cgroup (`create`, `set` with `limits`, `allow_devices` with `devices`), open
//!    [`ContainerPlan::handles`] with `open_tree(OPEN_TREE_CLONE | AT_RECURSIVE | OPEN_TREE_CLOEXEC)` in that
//!    order, and send `launch` with those descriptors.
//! 5. Exec and ExecSync: [`plan_exec`] with the `process` of the container's launch.
//! 6. UpdateContainerResources: [`limits`] of the new resources, then `Cgroups::set`.
//! 7. StopContainer begins with [`ContainerPlan::stop_signal`].

mod args;
mod capabilities;
mod cdi;
mod container;
mod devices;
mod exec;
mod files;
mod image_mounts;
mod machine;
mod mounts;
mod refusal;
mod resources;
mod sandbox;
pub mod seccomp;
mod security;
mod stop_signal;
mod user;
mod volumes;

pub use container::plan_container;
pub use exec::plan_exec;
pub use files::{DeviceNode, FakeFiles, FileKind, Files, HostFiles, Peers};
pub use machine::Machine;
pub use refusal::Refusal;
pub use resources::limits;
pub use sandbox::plan_sandbox;
pub use volumes::Volume;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use corten_node_api::cri;
use corten_pod::protocol;
use corten_sys::cgroups::{DeviceRule, Limits};

use crate::images::ImageConfig;

/// What [`plan_sandbox`] decides from.
#[derive(Clone, Copy)]
pub struct SandboxInput<'a> {
    /// The sandbox's id.
    pub id: &'a str,
    /// Its directory, absolute.
    pub dir: &'a Path,
    /// What the kubelet asks for.
    pub config: &'a cri::PodSandboxConfig,
    /// The machine's facts.
    pub machine: &'a Machine,
    /// The machine's files.
    pub files: &'a dyn Files,
}

/// A pod, decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SandboxPlan {
    /// For the supervisor.
    pub sandbox: protocol::Sandbox,
    /// The control group that the supervisor joins, to be made before; it lies in the pod's.
    pub cgroup: String,
    /// That group's limits.
    pub limits: Limits,
    /// Files to write, with mode 0644, before containers start: `hostname`, `hosts` and `resolv.conf` in the
    /// sandbox's directory.
    pub files: Vec<(PathBuf, String)>,
}

/// What [`plan_container`] decides from.
#[derive(Clone, Copy)]
pub struct ContainerInput<'a> {
    /// The container's id.
    pub id: &'a str,
    /// Its directory, absolute; the overlay's `upper` and `work` lie in it.
    pub dir: &'a Path,
    /// What the kubelet asks for.
    pub config: &'a cri::ContainerConfig,
    /// What it asked for its sandbox.
    pub sandbox: &'a cri::PodSandboxConfig,
    /// The sandbox's directory, with the files of [`SandboxPlan::files`].
    pub sandbox_dir: &'a Path,
    /// The image's configuration.
    pub image: &'a ImageConfig,
    /// The image's layers, lowest first, absolute.
    pub layers: &'a [PathBuf],
    /// The layers of images that are mounted, lowest first, by `Mount.image.image` as the kubelet wrote it.
    pub image_mounts: &'a BTreeMap<String, Vec<PathBuf>>,
    /// The machine's facts.
    pub machine: &'a Machine,
    /// The machine's files.
    pub files: &'a dyn Files,
    /// Compiled system-call filters.
    pub filters: &'a seccomp::Filters,
}

/// A container, decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerPlan {
    /// For the supervisor.
    pub launch: protocol::Launch,
    /// Its control group, to be made before.
    pub cgroup: String,
    /// That group's limits.
    pub limits: Limits,
    /// The devices it may use; all others are forbidden.
    pub devices: Vec<DeviceRule>,
    /// Paths to open with `open_tree`; the launch's `Source::Handle(n)` is the n-th.
    pub handles: Vec<PathBuf>,
    /// Directories to make where they are missing.
    pub directories: Vec<PathBuf>,
    /// Directories for the image's volumes, to be made too; [`ContainerPlan::make_directories`] makes both.
    pub volumes: Vec<Volume>,
    /// The signal that asks it to end.
    pub stop_signal: i32,
}
