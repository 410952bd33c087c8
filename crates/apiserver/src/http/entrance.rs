//! What a connection is made with: the server's side of TLS, and the time for which it is good. Both may be
//! replaced while the server runs.

use std::sync::Arc;

use arc_swap::ArcSwap;
use corten_rt::Stop;

/// What connections are made with that come now.
#[derive(Debug)]
pub struct Entrance {
    tls: ArcSwap<rustls::ServerConfig>,
    era: ArcSwap<Stop>,
    stop: Stop,
}

impl Entrance {
    /// With `tls`, until `stop`.
    pub(super) fn new(tls: Arc<rustls::ServerConfig>, stop: &Stop) -> Self {
        Entrance { tls: ArcSwap::new(tls), era: ArcSwap::from_pointee(stop.child()), stop: stop.clone() }
    }

    /// What a connection is made with, and when it has to go. To be asked before its certificate is judged.
    pub(super) fn enter(&self) -> (Arc<rustls::ServerConfig>, Stop) {
        let era = self.era.load();
        (self.tls.load_full(), Stop::clone(&era))
    }

    /// Makes connections with `tls` from now on.
    pub fn replace(&self, tls: Arc<rustls::ServerConfig>) {
        self.tls.store(tls);
    }

    /// Has connections go that are open now, since whom they were accepted for may be believed no longer. What
    /// they are about to do is done first, and watches go on: clients were asked who they are when they began.
    pub fn renew(&self) {
        self.era.swap(Arc::new(self.stop.child())).stop();
    }
}
