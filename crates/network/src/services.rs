//! Services: packets for a Service's address go to one of its endpoints, chosen at random in the kernel.
//!
//! Each address and port that answers is a [`Frontend`]. All frontends of a version of the protocol share
//! flat maps (`rules.rs`): one change is a few elements, whatever the number of Services. The way of a
//! change: plain [`ServicePort`]s become frontends (`frontends.rs`), the difference from what is in the
//! kernel becomes elements of maps (`plan.rs`), one atomic batch, then stale UDP connections are forgotten
//! (`stale.rs`).

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
        match state.kernel {
            Kernel::NotStarted => return Ok(0),
            Kernel::Unknown => {
                self.rebuild(&mut state)?;
                return Ok(state.element_count());
            }
            Kernel::InStep => {}
        }
        let count = plan.batch.element_count();
        if !plan.batch.is_empty()
            && let Err(error) = self.nft.commit(plan.batch)
        {
            tracing::warn!(%error, "service rules did not fit what is in the kernel; writing them anew");
            self.rebuild(&mut state)?;
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
