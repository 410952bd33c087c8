//! What gives sandboxes their interfaces. The runtime knows no network of its own: it is handed one.

use corten_node_api::cri::{PodSandboxMetadata, PortMapping};
use corten_sys::interfaces::{Change, Interfaces, KernelInterfaces};
use corten_sys::netns::NetNs;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// A sandbox that has an interface, or is to have one.
#[derive(Clone, Debug, Default)]
pub struct Attachment {
    /// The sandbox's id.
    pub sandbox: String,
    /// Its network namespace; empty when it is gone already.
    pub netns: PathBuf,
    /// Whose it is.
    pub metadata: PodSandboxMetadata,
    /// Ports of the machine that lead to it.
    pub ports: Vec<PortMapping>,
}

/// Sets sandboxes' interfaces up. Calls block; they are made on threads that may wait.
pub trait SandboxNetwork: Send + Sync + 'static {
    /// Why no sandbox can have a network now, if that is so.
    fn ready(&self) -> Result<(), String> {
        Ok(())
    }
    /// Gives the sandbox its interface; its addresses, the first family's first.
    fn setup(&self, attachment: &Attachment) -> Result<Vec<IpAddr>, String>;
    /// Takes it away again; a sandbox without is fine, also one whose namespace is gone.
    fn teardown(&self, attachment: &Attachment) -> Result<(), String>;
    /// Whether a stopped sandbox's interface may be taken away a little later, with nobody waiting: when the
    /// namespace ends, the kernel does it by itself, for many at once, and what belongs to the sandbox alone is
    /// all there is to give back.
    fn may_be_late(&self, _attachment: &Attachment) -> bool {
        false
    }
    /// Removes what is left of sandboxes other than these.
    fn keep_only(&self, _sandboxes: &BTreeSet<String>) -> Result<(), String> {
        Ok(())
    }
    /// Does again for a sandbox that was found after a start what the kernel does not keep, or is not known to.
    fn restore(&self, _attachment: &Attachment, _addresses: &[IpAddr]) -> Result<(), String> {
        Ok(())
    }
    /// The node's range of pods' addresses, as the kubelet tells it.
    fn set_range(&self, _range: &str) {}
}

/// Pods have the loopback interface and nothing else.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoNetwork;

impl SandboxNetwork for NoNetwork {
    fn setup(&self, attachment: &Attachment) -> Result<Vec<IpAddr>, String> {
        raise_loopback(&attachment.netns)?;
        Ok(Vec::new())
    }

    fn teardown(&self, _: &Attachment) -> Result<(), String> {
        Ok(())
    }
}

/// Brings up the loopback interface of a namespace.
pub(crate) fn raise_loopback(netns: &Path) -> Result<(), String> {
    let raise = || KernelInterfaces.apply(Some(&NetNs::open(netns)?), &[Change::SetUp("lo".to_owned())]);
    raise().map_err(|e| e.to_string())
}

/// The network namespace of a process.
pub fn namespace_of(pid: i32) -> PathBuf {
    Path::new("/proc").join(pid.to_string()).join("ns/net")
}
