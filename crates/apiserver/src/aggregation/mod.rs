//! API aggregation: groups and versions that another server answers for, as `APIService` objects say
//! (upstream's kube-aggregator). [`register`] keeps an object for each version that this server serves itself,
//! [`follow`] keeps the table of the others and looks whether they are there ([`available`]), [`proxy`] passes
//! requests on, and what they serve stands in discovery and OpenAPI beside our own ([`documents`]).

mod available;
mod documents;
mod follow;
pub(crate) mod proxy;
mod register;

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use corten_api::apiregistration::v1::APIService;
use corten_api::authentication::v1::UserInfo;
use corten_auth::pki::Identity;
use corten_client::{Client, Informer};
use corten_metrics::{Kind, Text};
use corten_rt::Tasks;
use corten_semantics::identity;
use parking_lot::Mutex;

use crate::outbound::{Destination, Outbound, Peer, Trust};
use crate::{LocalTransport, Registry};
pub use documents::Merged;
pub(crate) use documents::{Offered, merge_groups, merge_older};

/// What is known of the servers behind aggregated APIs.
pub struct Aggregation {
    registry: Arc<Registry>,
    /// What this server shows them.
    identity: Identity,
    table: ArcSwap<Vec<Arc<Remote>>>,
    /// How often each server went away, and why.
    lost: Mutex<BTreeMap<(String, &'static str), u64>>,
}

/// One version of one group that another server answers for.
pub(crate) struct Remote {
    /// As the object has it.
    pub service: Arc<APIService>,
    pub destination: Destination,
    pub trust: Trust,
    pub available: bool,
    /// What it serves, as it said last.
    pub offered: Arc<Offered>,
}

impl Remote {
    pub fn group(&self) -> &str {
        &self.service.spec.group
    }

    pub fn version(&self) -> &str {
        &self.service.spec.version
    }

    /// The path that all of it lies under, without a slash at either end.
    pub fn root(&self) -> String {
        match self.group() {
            "" => format!("api/{}", self.version()),
            group => format!("apis/{group}/{}", self.version()),
        }
    }
}

impl Aggregation {
    /// Shows `identity` to other servers. Nothing is aggregated before [`Aggregation::start`].
    pub fn new(registry: Arc<Registry>, identity: Identity) -> Self {
        Aggregation { registry, identity, table: ArcSwap::default(), lost: Mutex::default() }
    }

    /// Registers what this server serves, and follows what others do, by tasks of `tasks`.
    pub fn start(self: &Arc<Self>, tasks: &Tasks) {
        let user = UserInfo {
            username: "system:kube-aggregator".into(),
            groups: vec![identity::MASTERS.into(), identity::AUTHENTICATED.into()],
            ..UserInfo::default()
        };
        let client = Client::new(Arc::new(LocalTransport::new(Arc::clone(&self.registry), user)));
        let services = Informer::<APIService>::start(client.all(), Default::default(), tasks);
        let own = register::Registration::new(Arc::clone(&self.registry), client.clone(), services.clone());
        tasks.spawn_until_stopped("own API services", own.run());
        let others = follow::Follower::new(Arc::clone(self), client, services);
        tasks.spawn_until_stopped("aggregated API services", others.run());
    }

    /// The other servers' versions.
    pub(crate) fn remotes(&self) -> Arc<Vec<Arc<Remote>>> {
        self.table.load_full()
    }

    /// Whoever answers for a version of a group instead of this server.
    pub(crate) fn remote(&self, group: &str, version: &str) -> Option<Arc<Remote>> {
        let table = self.table.load();
        table.iter().find(|r| (r.group(), r.version()) == (group, version)).cloned()
    }

    /// Whoever answers for a path instead of this server.
    pub(crate) fn for_path(&self, path: &str) -> Option<Arc<Remote>> {
        if self.table.load().is_empty() {
            return None;
        }
        let mut parts = path.trim_matches('/').split('/');
        match (parts.next(), parts.next(), parts.next()) {
            (Some("apis"), Some(group), Some(version)) => self.remote(group, version),
            (Some("api"), Some(version), _) => self.remote("", version),
            _ => None,
        }
    }

    /// Writes who is there and who is not.
    pub(crate) fn write_metrics(&self, out: &mut Text) {
        let help = "API services that nobody answers for.";
        out.family("aggregator_unavailable_apiservice", Kind::Gauge, help);
        for service in self.registry.lookup().list::<APIService>("") {
            out.sample(&[("name", &service.metadata.name)], u8::from(!available::is_available(&service)));
        }
        let help = "API services whose server went away.";
        out.family("aggregator_unavailable_apiservice_total", Kind::Counter, help);
        for ((name, reason), count) in self.lost.lock().iter() {
            out.sample(&[("name", name.as_str()), ("reason", reason)], count);
        }
    }

    fn outbound(&self) -> &Arc<Outbound> {
        self.registry.outbound()
    }

    fn peer(&self, destination: &Destination, trust: &Trust) -> Result<Arc<Peer>, String> {
        self.outbound().peer(destination, trust, Some(&self.identity))
    }
}
