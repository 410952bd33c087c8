//! What every controller is given.

use crate::{Choice, CustomKinds, Signer, TokenIssuer};
use corten_api::KindInfo;
use corten_client::{Client, EventRecorder, Informers};
use corten_rt::Clock;
use std::sync::Arc;
use std::time::Duration;

/// A client that acts as the service account of that name.
pub type Accounts = Arc<dyn Fn(&str) -> Client + Send + Sync>;

/// The means of a controller. Cheap to clone.
#[derive(Clone)]
pub struct Context {
    pub client: Client,
    /// The client of each controller's own service account of `kube-system`; `client` for all when absent.
    pub accounts: Option<Accounts>,
    pub informers: Informers,
    pub custom: CustomKinds,
    pub clock: Clock,
    pub settings: Settings,
}

/// What an operator may set.
#[derive(Clone)]
pub struct Settings {
    /// Which controllers run.
    pub controllers: Choice,
    /// The cluster's CA certificate in PEM, published in every namespace.
    pub root_ca: String,
    /// How long a node may be silent before it counts as unreachable (upstream: 40 s).
    pub node_monitor_grace: Duration,
    /// The range that nodes' pod ranges are cut from, `10.244.0.0/16`; empty to assign none.
    pub cluster_cidr: String,
    /// The length of a node's prefix.
    pub node_prefix: u8,
    /// The address of the cluster's DNS Service; empty to have none.
    pub cluster_dns: String,
    /// Who signs certificates; `None` to leave requests alone.
    pub signer: Option<Arc<dyn Signer>>,
    /// Who signs the tokens of Secrets; `None` to leave such Secrets alone.
    pub token_issuer: Option<Arc<dyn TokenIssuer>>,
    /// How long the token of a Secret may lie unused that a cluster made by itself (upstream: a year).
    pub legacy_token_clean_up_period: Duration,
    /// How many ended pods are kept (upstream: 12,500).
    pub terminated_pods: usize,
    /// The kinds that are served because an operator turned them on.
    pub optional: Vec<&'static KindInfo>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            controllers: Choice::default(),
            root_ca: String::new(),
            node_monitor_grace: Duration::from_secs(40),
            cluster_cidr: "10.244.0.0/16".into(),
            node_prefix: 24,
            cluster_dns: String::new(),
            signer: None,
            token_issuer: None,
            legacy_token_clean_up_period: Duration::from_secs(365 * 24 * 3600),
            terminated_pods: 12_500,
            optional: Vec::new(),
        }
    }
}

impl Context {
    /// The same for the controller that acts as the service account of that name.
    pub fn acting_as(&self, account: &str) -> Context {
        let client = self.accounts.as_ref().map_or_else(|| self.client.clone(), |of| of(account));
        Context { client, ..self.clone() }
    }

    /// A recorder in the name of `component`.
    pub fn events(&self, component: &str) -> EventRecorder {
        EventRecorder::start(self.client.clone(), component, "", self.clock, self.informers.tasks())
    }
}
