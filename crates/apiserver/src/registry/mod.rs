//! The verbs on objects, from the kinds' declarations and strategies. A write runs: defaults, mutating
//! admission, defaults, the strategy's preparation and validation, validating admission, transaction; and
//! its result is in the watch cache before it is answered. Dry runs do all but the transaction.

mod admit;
mod apply;
mod collection;
mod commit;
mod component_status;
mod computed;
mod create;
mod delete;
mod deletion;
mod escalation;
mod eviction;
mod expiry;
mod extent;
mod managed;
mod managed_reset;
mod managed_scale;
mod managed_versions;
mod modify;
mod observe;
mod options;
mod outside;
mod owner_references;
mod patch;
mod place;
mod policy_params;
mod provision;
mod quota;
mod read;
mod requester;
mod services;
mod signers;
mod subresource;
mod token;
mod update;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use corten_admission::Chain;
use corten_api::apiextensions::v1::CustomResourceDefinition;
use corten_api::{Kind, KindInfo};
use corten_auth::Authorizer;
use corten_auth::token::TokenSigner;
use corten_kinds::{StrategyRef, strategy_for};
use corten_rt::{Clock, Tasks};
use corten_semantics::gates::Gates;
use corten_semantics::{ApiError, ApiResult, Lookup};
use corten_store::Store;
use tokio::sync::Semaphore;

use crate::cache::WatchCache;
use crate::custom::CustomKinds;
use crate::encryption::EncryptedStore;
use crate::outbound::{Credentials, Outbound};
pub use computed::{Computed, Reviewer};
pub use options::*;
pub(crate) use place::stored_as;
use services::Allocator;

/// How a registry is set up.
#[derive(Clone)]
pub struct Config {
    pub clock: Clock,
    /// The checks that writes pass.
    pub admission: Arc<Chain>,
    /// The features that are on.
    pub gates: Gates,
    /// The range that Services get their cluster IPs from, of IPv4; one of IPv6 may follow behind a comma.
    pub service_cidr: String,
    /// The first and last port that Services of type NodePort may use.
    pub node_ports: (u16, u16),
    /// How long Events are kept.
    pub event_ttl: Duration,
    /// How long a watch lasts that asks for no time, at least; at most twice that.
    pub watch_time: Duration,
    /// The store, when it encrypts.
    pub encryption: Option<Arc<EncryptedStore>>,
    /// Those of [`corten_api::builtin::OPTIONAL`] that are served.
    pub optional: Vec<&'static KindInfo>,
    /// How the server proves itself to webhooks, by the name of the check that calls them.
    pub credentials: BTreeMap<&'static str, Credentials>,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            clock: Clock::system(),
            admission: Arc::new(Chain::standard()),
            gates: Gates::default(),
            service_cidr: "10.96.0.0/16".into(),
            node_ports: (30000, 32767),
            event_ttl: Duration::from_secs(3600),
            watch_time: Duration::from_secs(1800),
            encryption: None,
            optional: Vec::new(),
            credentials: BTreeMap::new(),
        }
    }
}

/// How many transactions may be on their way at once; more wait.
const TRANSACTIONS: usize = 1024;

/// All objects, and what may be done to them. Authorization happens before.
pub struct Registry {
    config: Config,
    kinds: Vec<&'static KindInfo>,
    cache: Arc<WatchCache>,
    /// The kinds that definitions declare.
    pub(crate) custom: Arc<CustomKinds>,
    services: Allocator,
    outbound: Arc<Outbound>,
    authorizer: Arc<Authorizer>,
    transactions: Semaphore,
    turns: quota::Turns,
    duties: admit::Duties,
    tokens: OnceLock<Arc<TokenSigner>>,
    /// Makes the objects that are stored nowhere.
    computed: OnceLock<Arc<dyn Computed>>,
    reviewer: OnceLock<Arc<dyn Reviewer>>,
}

impl Registry {
    /// Loads the cache from the store and keeps it up to date by a task of `tasks`.
    pub async fn open(store: Arc<dyn Store>, config: Config, tasks: &Tasks) -> ApiResult<Arc<Self>> {
        let kinds = corten_api::builtin::KINDS.iter().chain(&config.optional).copied();
        let kinds: Vec<_> = kinds.filter(|k| !k.plural.is_empty()).collect();
        let mut stored: Vec<&'static KindInfo> = Vec::new();
        for kind in kinds.iter().copied().filter(|k| place::is_stored(k)).map(place::stored_as) {
            if !stored.contains(&kind) {
                stored.push(kind);
            }
        }
        let authorizer = Arc::new(Authorizer::default());
        let observer = Arc::new(observe::AuthorizerFeed(authorizer.clone()));
        let cache = WatchCache::open(store, &stored, observer, tasks).await.map_err(ApiError::internal)?;
        let services = Allocator::new(&config.service_cidr, config.node_ports)?;
        services.restore(&*cache);
        let outbound = Arc::new(Outbound::new(cache.clone(), config.clock, tasks.clone()));
        let duties = admit::Duties::of(&config.admission);
        let transactions = Semaphore::new(TRANSACTIONS);
        let custom = Arc::new(CustomKinds::default());
        custom.convert_with(outbound.clone());
        let registry = Arc::new(Registry {
            config,
            kinds,
            cache,
            custom,
            services,
            outbound,
            authorizer,
            transactions,
            turns: quota::Turns::default(),
            duties,
            tokens: OnceLock::new(),
            computed: OnceLock::new(),
            reviewer: OnceLock::new(),
        });
        crate::custom::start(&registry, tasks).await?;
        Ok(registry)
    }

    /// Every kind that is served, in the order of discovery.
    pub fn kinds(&self) -> Vec<&'static KindInfo> {
        let builtin = self.kinds.iter().chain(corten_api::builtin::COMPUTED).copied();
        builtin.chain(self.custom.served()).collect()
    }

    /// The kind served at `/apis/GROUP/VERSION/.../PLURAL` (an empty group for `/api`).
    pub fn kind(&self, group: &str, version: &str, plural: &str) -> Option<&'static KindInfo> {
        let mut all = self.kinds.iter().chain(corten_api::builtin::COMPUTED).copied();
        all.find(|k| (k.group, k.version, k.plural) == (group, version, plural))
            .or_else(|| self.custom.kind(group, version, plural))
    }

    /// The kinds that are served because somebody turned them on.
    pub(crate) fn optional_kinds(&self) -> Vec<&'static KindInfo> {
        self.config.optional.clone()
    }

    /// The behaviour of a kind.
    pub fn strategy(&self, kind: &'static KindInfo) -> StrategyRef {
        if kind.custom {
            return self.custom.strategy(kind);
        }
        if kind == CustomResourceDefinition::INFO {
            return StrategyRef::Builtin(&corten_custom::DefinitionStrategy);
        }
        StrategyRef::Builtin(strategy_for(kind))
    }

    /// Current objects, for authenticators, authorizers and admission.
    pub fn lookup(&self) -> Arc<dyn Lookup> {
        self.cache.clone()
    }

    /// Who may do what, as of the roles and bindings in the cache.
    pub fn authorizer(&self) -> &Arc<Authorizer> {
        &self.authorizer
    }

    /// Calls to webhooks and aggregated APIs.
    pub fn outbound(&self) -> &Arc<Outbound> {
        &self.outbound
    }

    /// What clients of a custom kind's deprecated version are told.
    pub(crate) fn custom_warning(&self, kind: &KindInfo) -> Option<String> {
        if kind.custom { self.custom.warning(kind) } else { None }
    }

    /// The cache itself.
    pub(crate) fn lookup_cache(&self) -> Arc<WatchCache> {
        self.cache.clone()
    }

    /// Whether a kind of the same place is compiled in.
    pub(crate) fn is_builtin(&self, kind: &KindInfo) -> bool {
        self.kinds.iter().any(|k| (k.group, k.plural) == (kind.group, kind.plural))
    }

    /// Whether kinds of this version of a group are compiled in, and served.
    pub(crate) fn has_version(&self, group: &str, version: &str) -> bool {
        self.kinds.iter().any(|k| (k.group, k.version) == (group, version))
    }

    /// The store below.
    pub fn store(&self) -> &Arc<dyn Store> {
        self.cache.store()
    }

    /// The range that Services get their cluster IPs from.
    pub fn service_cidr(&self) -> &str {
        &self.config.service_cidr
    }

    /// The address of the Service `kubernetes`: the first of the range.
    pub fn kubernetes_address(&self) -> String {
        services::first_address(&self.config.service_cidr).map(|a| a.to_string()).unwrap_or_default()
    }

    /// Puts right what abandoned requests left behind; to be called now and then.
    pub(crate) fn settle(&self) {
        self.services.settle(&*self.cache);
    }

    /// The clock that stamps objects.
    pub fn clock(&self) -> Clock {
        self.config.clock
    }

    /// The features that are on.
    pub fn gates(&self) -> Gates {
        self.config.gates
    }
}
