//! Everything between the socket and the registry: TLS and connections ([`Server`]), the chain that every
//! request goes through (who is it, may they, is there room, in how long), routes, content negotiation,
//! discovery, and the proxies to kubelets and pods. Objects are the [`Registry`]'s business.

mod access;
mod body;
mod browsers;
mod chain;
mod connect;
mod cork;
mod decode;
mod discovery;
mod encode;
mod endless;
mod entrance;
mod formats;
mod health;
mod http1;
mod index;
mod metrics;
mod negotiate;
mod openapi;
mod options;
mod passage;
pub(crate) mod path;
mod pieces;
mod pretty;
pub(crate) mod query;
pub(crate) mod response;
mod reviews;
mod route;
mod server;
mod timely;
mod verbs;
mod version;
mod watch;
mod window;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arc_swap::ArcSwap;
use corten_auth::authenticate::{ClientCertificates, ServiceAccountTokens};
use corten_auth::pki::{Pki, PkiError};
use corten_auth::token::TokenSigner;
use corten_auth::{Authenticator, Authorizer, tls};
use corten_rt::{Clock, Stop, Tasks};

use crate::Registry;
use crate::aggregation::{Aggregation, Merged};
use crate::audit::Audit;
use crate::custom::documents::AllDocuments;
use crate::flow::FlowControl;
use crate::metrics::Usage;
pub use browsers::Browsers;
pub(crate) use chain::Exchange;
pub use connect::KubeletTls;
pub(crate) use connect::forwarding;
pub use entrance::Entrance;
pub use health::{Check, Health};
pub use metrics::{Metrics, Reloads};
pub use openapi::{BuiltinDocuments, Documents, NoDocuments};
pub use server::{Limits, Server};
pub use version::git_version;

/// What requests are served from.
pub struct Api {
    pub registry: Arc<Registry>,
    pub certificates: Arc<ClientCertificates>,
    pub authenticator: Arc<Authenticator>,
    pub authorizer: Arc<Authorizer>,
    /// Publishes the keys that check service-account tokens.
    pub tokens: Arc<TokenSigner>,
    /// How kubelets and pods are spoken to.
    pub kubelets: KubeletTls,
    /// Groups and versions that other servers answer for.
    pub aggregation: Arc<Aggregation>,
    pub health: Health,
    pub documents: Arc<dyn Documents>,
    pub metrics: Arc<Metrics>,
    /// What browsers are told.
    pub browsers: Browsers,
    pub clock: Clock,
    pub limits: Limits,
    /// Whether there is room for a request.
    pub flow: Arc<FlowControl>,
    /// Takes a record of requests; none when it is turned off.
    pub audit: Option<Arc<Audit>>,
    /// Whether objects that every cluster has are still missing: no health check passes meanwhile.
    pub bootstrapping: Arc<AtomicBool>,
    /// Given when the server is about to end; from then on it is not ready.
    pub leaving: Stop,
    /// Whether requests are sent away, since the server is about to end.
    pub refusing: Arc<AtomicBool>,
    /// The tasks of streams that outlive their request; their end closes watches.
    pub tasks: Tasks,
}

impl Api {
    /// What a cluster's own server serves: its registry, judged by its certificates and tokens. Health
    /// checks are for the caller to add.
    ///
    /// # Errors
    /// When a certificate of `pki` is malformed.
    pub fn new(registry: Arc<Registry>, pki: &Pki, limits: Limits, tasks: Tasks) -> Result<Api, PkiError> {
        let clock = registry.clock();
        let (bootstrapping, leaving) = (Arc::<AtomicBool>::default(), tasks.stop().child());
        let authority = pki.ca.certificate();
        registry.sign_tokens_with(Arc::clone(&pki.tokens));
        let client = tls::client_config(std::slice::from_ref(authority), Some(&pki.kubelet_client))?;
        let kubelets = KubeletTls::new(client).map_err(|e| PkiError::Malformed(e.to_string()))?;
        let usage = Usage::new(registry.lookup(), kubelets.clone(), clock, tasks.clone());
        registry.compute_with(Arc::new(usage));
        let authenticator = Arc::new(Authenticator {
            service_accounts: ServiceAccountTokens::new(Arc::clone(&pki.tokens)),
            objects: registry.lookup(),
            admin_token: String::new(),
            clock,
            ways: ArcSwap::default(),
        });
        let reviews = reviews::Reviews {
            authenticator: Arc::clone(&authenticator),
            authorizer: Arc::clone(registry.authorizer()),
        };
        registry.review_with(Arc::new(reviews));
        let identity = pki.front_proxy_client.clone();
        let aggregation = Arc::new(Aggregation::new(Arc::clone(&registry), identity));
        let documents = Arc::new(AllDocuments {
            custom: Arc::clone(&registry.custom),
            own: Arc::new(BuiltinDocuments),
            optional: registry.optional_kinds(),
        });
        Ok(Api {
            certificates: Arc::new(ClientCertificates::new(authority)?),
            authenticator,
            authorizer: Arc::clone(registry.authorizer()),
            tokens: Arc::clone(&pki.tokens),
            kubelets,
            health: health::own_checks(&registry, &bootstrapping, &leaving),
            refusing: Arc::default(),
            bootstrapping,
            leaving,
            documents: Arc::new(Merged::new(documents, Arc::clone(&aggregation))),
            aggregation,
            metrics: Arc::default(),
            browsers: Browsers::default(),
            clock,
            limits,
            flow: FlowControl::new(limits.reads + limits.writes),
            audit: None,
            tasks,
            registry,
        })
    }
}
