//! How many requests are worked on at a time (apiserver `filters/maxinflight`).

use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Room for requests that read and for those that change something. Watches and streams take none.
pub struct InFlight {
    reads: Arc<Semaphore>,
    writes: Arc<Semaphore>,
}

impl InFlight {
    /// Room for this many of each.
    pub fn new(reads: usize, writes: usize) -> Self {
        InFlight { reads: Arc::new(Semaphore::new(reads)), writes: Arc::new(Semaphore::new(writes)) }
    }

    /// A place for one request, given back when dropped; `None` when there is none.
    pub fn enter(&self, is_read: bool) -> Option<OwnedSemaphorePermit> {
        let room = if is_read { &self.reads } else { &self.writes };
        Arc::clone(room).try_acquire_owned().ok()
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_full_server_refuses_until_one_leaves() {
        let room = super::InFlight::new(1, 0);
        let first = room.enter(true);
        assert!(first.is_some() && room.enter(true).is_none() && room.enter(false).is_none());
        drop(first);
        assert!(room.enter(true).is_some());
    }
}
