//! Control groups, version 1 and 2 alike: a tree of groups with limits, figures and processes.
//!
//! A group is named by its path below the root, such as `/kubepods/burstable/pod42`. On version 1 the same
//! path is kept in every mounted hierarchy; on version 2 there is one. [`Layout`] finds out which, and the
//! limits' units are those of version 1 (shares, quota and period), converted as Kubernetes does.

mod bpf;
mod convert;
mod devices;
mod fake;
mod kernel;
mod layout;
mod limits;
mod stats;

pub use convert::{milli_cpu_to_quota, milli_cpu_to_shares, shares_to_weight, weight_to_shares};
pub use devices::{DeviceAccess, DeviceKind, DeviceRule};
pub use fake::FakeCgroups;
pub use kernel::KernelCgroups;
pub use layout::{Hierarchy, Layout};
pub use limits::Limits;
pub use stats::Stats;

use crate::Result;

/// A tree of control groups.
pub trait Cgroups: Send + Sync {
    /// Whether resources are limited through version 2.
    fn is_unified(&self) -> bool;
    /// Makes the group and its parents in every hierarchy; existing ones stay as they are.
    fn create(&self, path: &str) -> Result<()>;
    /// Whether the group exists in the hierarchies that count processor, memory and processes.
    fn exists(&self, path: &str) -> bool;
    /// Sets the given limits; what is `None` stays as it is. A limit whose controller the machine lacks is
    /// left out.
    fn set(&self, path: &str, limits: &Limits) -> Result<()>;
    /// Lets the group use these devices and no others; the groups above bound it too. Left out where the
    /// machine cannot tell devices apart.
    fn allow_devices(&self, path: &str, rules: &[DeviceRule]) -> Result<()>;
    /// The group's limits now, in version 1's units.
    fn limits(&self, path: &str) -> Result<Limits>;
    /// What the group and all below it have used. What the machine does not count is zero.
    fn stats(&self, path: &str) -> Result<Stats>;
    /// The names of the groups directly below, sorted.
    fn children(&self, path: &str) -> Result<Vec<String>>;
    /// The processes of the group and of all below it.
    fn processes(&self, path: &str) -> Result<Vec<i32>>;
    /// Moves a process into the group.
    fn attach(&self, path: &str, pid: i32) -> Result<()>;
    /// Kills every process of the group and of all below it, without waiting for their end.
    fn kill(&self, path: &str) -> Result<()>;
    /// Kills what is left and removes the group with all below it, in every hierarchy. Waits up to a few
    /// seconds for the processes to end; a missing group is fine.
    fn remove(&self, path: &str) -> Result<()>;
}
