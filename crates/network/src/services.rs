//! Services: packets for a Service's address go to one of its endpoints, chosen at random in the kernel.
//!
//! Each address and port that answers is a [`Frontend`]. All frontends of a version of the protocol share
//! flat maps (`rules.rs`): one change is a few elements, whatever the number of Services. The way of a
//! change: API objects become plain [`ServicePort`]s (`from_api.rs`), these become frontends (`frontends.rs`), the difference from what is in the
//! kernel becomes elements of maps (`plan.rs`), one atomic batch, then stale UDP connections are forgotten
//! (`stale.rs`).

pub mod from_api;
mod frontends;
mod model;
mod plan;
mod rules;
mod stale;

use std::sync::Arc;

use corten_sys::Cidr;
use corten_sys::conntrack::Conntrack;
use corten_sys::nft::{Family, Nft};
use parking_lot::Mutex;

use crate::Result;
pub use frontends::{Action, Claim, Frontend, Target};
pub use model::{Endpoint, HostPort, Protocol, ServicePort, TrafficPolicy};
use plan::{Kernel, State};
pub use rules::TABLE;

/// What the rules need to know about the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicesConfig {
    /// Versions of the protocol in use.
    pub families: Vec<Family>,
    /// All pods of the cluster.
    pub cluster_ranges: Vec<Cidr>,
    /// Addresses of Services: what no Service claims there is rejected.
    pub service_ranges: Vec<Cidr>,
}

/// The service rules of one node.
pub struct Services {
    nft: Arc<dyn Nft>,
    conntrack: Arc<dyn Conntrack>,
    state: Mutex<State>,
}

impl Services {
    /// No claims yet. The rules of an earlier process go on working until [`Services::start`].
    pub fn new(config: ServicesConfig, nft: Arc<dyn Nft>, conntrack: Arc<dyn Conntrack>) -> Self {
        Services { nft, conntrack, state: Mutex::new(State::new(config)) }
    }

    /// Writes all rules anew from the claims booked so far, at once, in place of those of an earlier process.
    /// To be called when the claims are complete.
    pub fn start(&self) -> Result<()> {
        self.rebuild(&mut self.state.lock())
    }

    /// Changes the claims of some owners; an empty claim ends one. Writes only what differs, and returns how
    /// many elements of maps that were. Before [`Services::start`] it only books them; after a failure it
    /// writes everything anew.
    pub fn update(&self, changes: impl IntoIterator<Item = (String, Claim)>) -> Result<usize> {
        let mut state = self.state.lock();
        let plan = state.update(changes);
        let count = plan.batch.element_count();
        match state.kernel {
            Kernel::NotStarted => return Ok(0),
            Kernel::Unknown => self.rebuild(&mut state)?,
            Kernel::InStep if plan.batch.is_empty() => {}
            Kernel::InStep => {
                if let Err(error) = self.nft.commit(plan.batch) {
                    tracing::warn!(%error, "service rules did not fit what is in the kernel; writing them anew");
                    self.rebuild(&mut state)?;
                }
            }
        }
        stale::forget(&*self.conntrack, &plan.moved)?;
        Ok(count)
    }

    fn rebuild(&self, state: &mut State) -> Result<()> {
        let plan = state.rebuild();
        if state.kernel == Kernel::InStep {
            state.kernel = Kernel::Unknown;
        }
        self.nft.commit(plan.batch)?;
        state.kernel = Kernel::InStep;
        stale::forget(&*self.conntrack, &plan.moved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_sys::conntrack::FakeConntrack;
    use corten_sys::nft::{Batch, Change, FakeNft};
    use std::sync::atomic::{AtomicBool, Ordering};

    /// A kernel that refuses on demand.
    #[derive(Default)]
    struct Moody {
        refuses: AtomicBool,
        record: FakeNft,
    }

    impl Nft for Moody {
        fn commit(&self, batch: Batch) -> corten_sys::Result<()> {
            if self.refuses.load(Ordering::SeqCst) {
                let error = std::io::Error::from_raw_os_error(1);
                return Err(corten_sys::Error::new("the kernel refused:", "packet rules", error));
            }
            self.record.commit(batch)
        }
    }

    fn claim(port: u16) -> Claim {
        Claim::of_host_ports(&[HostPort {
            host_ip: None,
            protocol: Protocol::Tcp,
            port,
            pod: ([10, 244, 0, 2], 80).into(),
        }])
    }

    fn is_whole(batch: &Batch) -> bool {
        matches!(batch.changes().first(), Some(Change::DeleteTable(_)))
    }

    #[test]
    fn books_then_writes_all_then_changes_and_recovers_from_a_refusal() {
        let nft = Arc::new(Moody::default());
        let config =
            ServicesConfig { families: vec![Family::V4], cluster_ranges: vec![], service_ranges: vec![] };
        let services = Services::new(config, nft.clone(), Arc::new(FakeConntrack::default()));
        assert_eq!(services.update([("a".to_owned(), claim(1))]).expect("booked"), 0);
        assert!(nft.record.batches().is_empty(), "an earlier process's rules go on");
        services.start().expect("start");
        assert_eq!(services.update([("b".to_owned(), claim(2))]).expect("changed"), 2);
        nft.refuses.store(true, Ordering::SeqCst);
        assert!(services.update([("c".to_owned(), claim(3))]).is_err());
        nft.refuses.store(false, Ordering::SeqCst);
        services.update([("d".to_owned(), claim(4))]).expect("recovered");
        let batches = nft.record.batches();
        assert_eq!(batches.iter().map(is_whole).collect::<Vec<_>>(), [true, false, true]);
        // Four host ports: a verdict and an endpoint each, and one pod that may speak to itself.
        assert_eq!(batches[2].element_count(), 4 * 2 + 1);
    }
}
