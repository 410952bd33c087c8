//! The control plane: store, API server, controllers and scheduler in this process.

mod admission;
mod audit;
mod encryption;
mod files;
mod identification;
mod publish;
mod serving;
mod signer;
mod tls;
pub mod token;
mod trust;
mod versions;
mod ways;

pub use admission::AdmissionFlags;
pub use audit::AuditFlags;
pub use encryption::EncryptionFlags;
pub use identification::IdentityFlags;
pub use serving::ServingFlags;
use trust::Trust;
pub use versions::VersionFlags;

use crate::config::Server as Flags;
use anyhow::{Context, Result};
use corten_api::authentication::v1::UserInfo;
use corten_apiserver::http::{Api, Server};
use corten_apiserver::identity::track_legacy_tokens;
use corten_apiserver::{Config, LocalTransport, Registry, bootstrap};
use corten_auth::kubeconfig::{Kubeconfig, Proof};
use corten_auth::pki::{Pki, ServerNames};
use corten_client::{Client, Informers};
use corten_rt::{Clock, Tasks};
use corten_semantics::identity;
use corten_store::{CompactionPolicy, EmbeddedOptions, EmbeddedStore, Store, compact_in_background};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;

/// A running control plane.
pub struct ControlPlane {
    pub registry: Arc<Registry>,
    pub pki: Arc<Pki>,
    pub address: IpAddr,
    pub port: u16,
    pub kubeconfig: PathBuf,
    store: Arc<dyn Store>,
    server: Server,
    trust: Arc<Trust>,
    delay: Duration,
}

/// How long requests under way may take when the server ends.
const REQUESTS: Duration = Duration::from_secs(30);

impl ControlPlane {
    /// Opens the store and serves the API; the components follow by [`ControlPlane::run`].
    pub async fn open(flags: &Flags, address: IpAddr, tasks: &Tasks) -> Result<Self> {
        let clock = Clock::system();
        let options = EmbeddedOptions::default();
        let store = EmbeddedStore::open(&flags.at.data_dir.join("store"), options, tasks)
            .await
            .context("open the store")?;
        let mut store: Arc<dyn Store> = Arc::new(store);
        let encryption = flags.encryption.begin(&store, tasks).await?;
        if let Some(encryption) = &encryption {
            store = encryption.store.clone();
        }
        let config = Config {
            service_cidr: flags.service_cidr.clone(),
            admission: Arc::new(flags.admission.chain(flags.feature_gates)?),
            optional: flags.versions.optional_kinds()?,
            credentials: flags.admission.credentials()?,
            gates: flags.feature_gates,
            watch_time: flags.serving.watch_time(),
            event_ttl: flags.serving.event_ttl,
            encryption: encryption.as_ref().map(|encryption| encryption.store.clone()),
            ..Config::default()
        };
        let registry = Registry::open(store.clone(), config, tasks).await.map_err(anyhow::Error::from)?;
        let service: Option<IpAddr> = registry.kubernetes_address().parse().ok();
        let names = ServerNames {
            addresses: service.into_iter().chain([address]).collect(),
            ..ServerNames::default()
        };
        let dir = flags.at.data_dir.join("pki");
        let mut pki = Pki::open(&dir, &names, clock.now()).context("open the certificates")?;
        pki.tokens = Arc::new(pki.tokens.as_ref().clone().with(flags.identity.tokens()?));
        let pki = Arc::new(pki);
        let bootstrapping = Arc::new(AtomicBool::new(true));
        let certificate = serving::Certificate::new(&dir, &names, &pki)?;
        let (server, trust) =
            serve(flags, &registry, &pki, (encryption, &certificate), &bootstrapping, tasks).await?;
        certificate.keep(tasks);
        let plane = ControlPlane {
            kubeconfig: flags.kubeconfig.clone().unwrap_or_else(|| flags.at.data_dir.join("kubeconfig")),
            port: server.address().port(),
            server,
            trust,
            delay: flags.serving.shutdown_delay_duration,
            registry,
            pki,
            address,
            store: store.clone(),
        };
        let keep = Duration::from_secs(flags.compaction_interval.max(1));
        let compaction =
            compact_in_background(store, CompactionPolicy { keep, ..CompactionPolicy::default() });
        tasks.spawn_until_stopped("compaction", compaction);
        bootstrap(&plane.registry, SocketAddr::new(address, plane.port), tasks)
            .await
            .map_err(anyhow::Error::from)?;
        plane.write_kubeconfig()?;
        let client = plane.client("system:corten", &[identity::MASTERS]);
        publish::ranges(&client, flags).await?;
        plane.trust.publish(&client).await?;
        plane.trust.keep(client, &plane.server, tasks);
        bootstrapping.store(false, Ordering::Release);
        Ok(plane)
    }

    /// A client of this process under an identity.
    pub fn client(&self, user: &str, groups: &[&str]) -> Client {
        let groups = groups.iter().copied().chain([identity::AUTHENTICATED]).map(str::to_string).collect();
        let user = UserInfo { username: user.into(), groups, ..UserInfo::default() };
        Client::new(Arc::new(LocalTransport::new(self.registry.clone(), user)))
    }

    /// Starts the controllers and the scheduler.
    pub fn run(&self, flags: &Flags, tasks: &Tasks) {
        let clock = Clock::system();
        let client = self.client(identity::CONTROLLER_MANAGER, &[]);
        let registry = self.registry.clone();
        let accounts: corten_controllers::Accounts = Arc::new(move |name: &str| {
            let user = identity::service_account("kube-system", name);
            Client::new(Arc::new(LocalTransport::new(registry.clone(), user)))
        });
        let informers = Informers::new(client.clone(), tasks.clone());
        let context = corten_controllers::Context {
            custom: corten_controllers::CustomKinds::start(&client, tasks),
            client,
            accounts: Some(accounts),
            informers: informers.clone(),
            clock,
            settings: corten_controllers::Settings {
                controllers: flags.controllers.clone(),
                root_ca: self.pki.ca.pem().to_string(),
                node_monitor_grace: Duration::from_secs(flags.node_monitor_grace),
                cluster_cidr: flags.cluster_cidr.clone(),
                cluster_dns: cluster_dns(&flags.service_cidr),
                legacy_token_clean_up_period: flags.legacy_service_account_token_clean_up_period,
                token_issuer: Some(Arc::new(signer::SecretTokens(self.pki.tokens.clone()))),
                signer: Some(Arc::new(signer::ClusterSigner {
                    pki: self.pki.clone(),
                    registry: self.registry.clone(),
                })),
                optional: flags.versions.optional_kinds().unwrap_or_default(),
                ..corten_controllers::Settings::default()
            },
        };
        corten_controllers::start(&context, tasks);
        if flags.disable_scheduler {
            return;
        }
        let client = self.client(identity::SCHEDULER, &[]);
        // The caches are shared with the controllers': they hold the same objects.
        corten_scheduler::start(corten_scheduler::Config::default(), client, informers, clock, tasks);
    }

    fn write_kubeconfig(&self) -> Result<()> {
        let text = Kubeconfig {
            cluster: "corten",
            server: &format!("https://{}", SocketAddr::new(self.address, self.port)),
            authority: self.pki.ca.pem(),
            user: "kubernetes-admin",
            proof: Proof::Certificate(&self.pki.admin),
        }
        .to_yaml();
        crate::process::write_private(&self.kubeconfig, &text)
            .with_context(|| format!("write {}", self.kubeconfig.display()))
    }

    /// Ends the API server, while all that it needs still runs; the first thing when the process is to end.
    pub async fn end(&self) {
        if !self.server.end(self.delay, REQUESTS).await {
            tracing::warn!("some requests were not answered in time");
        }
    }

    /// Closes the store; the last thing before the process ends.
    pub async fn close(&self) {
        if let Err(error) = self.store.close().await {
            tracing::error!(%error, "the store was not closed cleanly");
        }
    }
}

async fn serve(
    flags: &Flags,
    registry: &Arc<Registry>,
    pki: &Arc<Pki>,
    (encryption, certificate): (Option<encryption::Encryption>, &serving::Certificate),
    bootstrapping: &Arc<AtomicBool>,
    tasks: &Tasks,
) -> Result<(Server, Arc<Trust>)> {
    // What serves ends before what it needs.
    let serving = Tasks::new(tasks.stop().child());
    let mut api = Api::new(registry.clone(), pki, flags.serving.limits(), serving)?;
    api.health = std::mem::take(&mut api.health).lenient_for(flags.serving.livez_grace_period);
    api.bootstrapping = Arc::clone(bootstrapping);
    api.browsers = flags.serving.browsers()?;
    api.audit = flags.audit.begin(&flags.at.data_dir, &api, tasks)?;
    encryption.iter().for_each(|encryption| encryption.show(&mut api));
    track_legacy_tokens(&api.authenticator.service_accounts, registry, tasks);
    ways::Identification::new(&flags.identity, &api, pki, tasks).begin(&api.metrics)?;
    let shown = flags.serving.tls.identities(certificate.shown(), tasks)?;
    let shown = (shown, flags.serving.tls.protocols()?);
    let trust = Arc::new(Trust::begin(&flags.identity, pki, shown, &api)?);
    let tls = trust.tls()?;
    let listener = TcpListener::bind(("0.0.0.0", flags.port))
        .await
        .with_context(|| format!("listen on port {}: is another API server running here?", flags.port))?;
    api.aggregation.start(tasks);
    Ok((Server::start(listener, tls, Arc::new(api))?, trust))
}

/// The tenth address of the Services' range, as is the custom.
pub fn cluster_dns(service_cidr: &str) -> String {
    let base = service_cidr.split('/').next().and_then(|a| a.parse::<std::net::Ipv4Addr>().ok());
    base.map(|b| std::net::Ipv4Addr::from(u32::from(b).wrapping_add(10)).to_string()).unwrap_or_default()
}
