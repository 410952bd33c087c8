//! The control plane of a test, and calls that keep tests short.

use crate::hollow::{HollowNode, Size};
use anyhow::{Context, Result, anyhow, bail};
use corten_api::Kind;
use corten_api::authentication::v1::UserInfo;
use corten_apiserver::{Config, LocalTransport, Registry, bootstrap};
use corten_client::{Client, DeleteOptions, Informers, ListOptions, PatchType};
use corten_codec::{Problems, json};
use corten_rt::{Clock, Instant, Stop, Tasks, sleep};
use corten_semantics::identity;
use corten_store::MemoryStore;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// How long a test waits at most, in virtual time.
const PATIENCE: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(50);
const DAWN: &str = "2026-01-01T00:00:00Z";

/// A cluster: store, API server, controllers and scheduler, all in this process.
pub struct TestCluster {
    pub client: Client,
    pub informers: Informers,
    pub clock: Clock,
    registry: Arc<Registry>,
    tasks: Tasks,
}

impl TestCluster {
    /// Starts the control plane, without nodes.
    pub async fn start() -> Result<Self> {
        let tasks = Tasks::new(Stop::new());
        let clock = Clock::starting_at(DAWN.parse().context("the first day")?);
        let config = Config { clock, ..Config::default() };
        let registry = Registry::open(Arc::new(MemoryStore::new()), config, &tasks).await?;
        bootstrap(&registry, ([192, 0, 2, 1], 6443).into(), &tasks).await?;

        let client = client_as(&registry, identity::CONTROLLER_MANAGER, &[]);
        let others = registry.clone();
        let accounts: corten_controllers::Accounts = Arc::new(move |name: &str| {
            let user = identity::service_account("kube-system", name);
            Client::new(Arc::new(LocalTransport::new(others.clone(), user)))
        });
        let informers = Informers::new(client.clone(), tasks.clone());
        let context = corten_controllers::Context {
            custom: corten_controllers::CustomKinds::start(&client, &tasks),
            client,
            accounts: Some(accounts),
            informers: informers.clone(),
            clock,
            settings: corten_controllers::Settings {
                root_ca: "a certificate".into(),
                token_issuer: Some(Arc::new(TestTokens)),
                ..Default::default()
            },
        };
        corten_controllers::start(&context, &tasks);
        let scheduler = client_as(&registry, identity::SCHEDULER, &[]);
        corten_scheduler::start(Default::default(), scheduler, informers.clone(), clock, &tasks);
        let client = client_as(&registry, "admin", &[identity::MASTERS]);
        Ok(TestCluster { client, informers, clock, registry, tasks })
    }

    /// Starts the control plane with `count` nodes named `node-0`, `node-1`, and so on, each of them ready.
    pub async fn with_nodes(count: usize) -> Result<(Self, Vec<HollowNode>)> {
        let cluster = Self::start().await?;
        let mut nodes = Vec::new();
        for i in 0..count {
            nodes.push(cluster.add_node(&format!("node-{i}"), Size::default()).await?);
        }
        Ok((cluster, nodes))
    }

    /// Adds a node that pretends to run pods, or starts a dead one of this name again.
    pub async fn add_node(&self, name: &str, size: Size) -> Result<HollowNode> {
        let client = client_as(&self.registry, &format!("system:node:{name}"), &[identity::MASTERS]);
        HollowNode::start(name, size, client, &self.informers, self.clock).await
    }

    /// Ends all tasks and waits for them.
    pub async fn end(self) {
        if !self.tasks.shutdown(Duration::from_secs(10)).await {
            tracing::warn!("tasks of the cluster did not end");
        }
    }

    /// Creates the object that `manifest` describes.
    pub async fn create<K: Kind>(&self, namespace: &str, manifest: Value) -> Result<Arc<K>> {
        let object = parse::<K>(manifest)?;
        Ok(self.client.namespaced::<K>(namespace).create(object).await?)
    }

    /// Reads an object.
    pub async fn get<K: Kind>(&self, namespace: &str, name: &str) -> Result<Arc<K>> {
        Ok(self.client.namespaced::<K>(namespace).get(name).await?)
    }

    /// Reads an object that may be missing.
    pub async fn find<K: Kind>(&self, namespace: &str, name: &str) -> Result<Option<Arc<K>>> {
        Ok(self.client.namespaced::<K>(namespace).find(name).await?)
    }

    /// The objects of a namespace.
    pub async fn list<K: Kind>(&self, namespace: &str) -> Result<Vec<Arc<K>>> {
        Ok(self.client.namespaced::<K>(namespace).list(&ListOptions::default()).await?.items)
    }

    /// Applies a strategic merge patch.
    pub async fn patch<K: Kind>(&self, namespace: &str, name: &str, patch: Value) -> Result<Arc<K>> {
        let patch = patch.to_string().into_bytes();
        Ok(self.client.namespaced::<K>(namespace).patch(name, PatchType::Strategic, patch).await?)
    }

    /// Applies a strategic merge patch to a subresource: `status`, `scale`.
    pub async fn patch_sub<K: Kind>(
        &self,
        namespace: &str,
        name: &str,
        subresource: &'static str,
        patch: Value,
    ) -> Result<()> {
        patch_sub::<K>(&self.client, namespace, name, subresource, patch).await
    }

    /// Deletes an object; `propagation` as the API names it, or empty for the kind's own.
    pub async fn delete<K: Kind>(&self, namespace: &str, name: &str, propagation: &str) -> Result<()> {
        let options = DeleteOptions {
            propagation_policy: (!propagation.is_empty()).then(|| propagation.to_string()),
            ..DeleteOptions::default()
        };
        Ok(self.client.namespaced::<K>(namespace).delete(name, options).await?)
    }

    /// Looks until `probe` says yes, for two virtual minutes at most.
    pub async fn eventually(&self, what: &str, probe: impl AsyncFnMut() -> Result<bool>) -> Result<Duration> {
        self.within(PATIENCE, what, probe).await
    }

    /// Looks until `probe` says yes; gives how long that took in virtual time.
    pub async fn within(
        &self,
        limit: Duration,
        what: &str,
        mut probe: impl AsyncFnMut() -> Result<bool>,
    ) -> Result<Duration> {
        let begun = Instant::now();
        while begun.elapsed() <= limit {
            if probe().await.with_context(|| what.to_string())? {
                return Ok(begun.elapsed());
            }
            sleep(LOOK_EVERY).await;
        }
        bail!("{what}: not within {limit:?}")
    }

    /// Looks for a while, and fails at the first no.
    pub async fn throughout(
        &self,
        duration: Duration,
        what: &str,
        mut probe: impl AsyncFnMut() -> Result<bool>,
    ) -> Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < duration {
            if !probe().await.with_context(|| what.to_string())? {
                bail!("{what}: no longer after {:?}", begun.elapsed());
            }
            sleep(LOOK_EVERY).await;
        }
        Ok(())
    }
}

/// Gives out tokens that nobody accepts.
struct TestTokens;

impl corten_controllers::TokenIssuer for TestTokens {
    fn issue(&self, namespace: &str, account: (&str, &str), secret: &str) -> Result<String, String> {
        Ok(format!("{namespace}/{}/{secret}", account.0))
    }
}

fn client_as(registry: &Arc<Registry>, user: &str, groups: &[&str]) -> Client {
    let groups = groups.iter().copied().chain([identity::AUTHENTICATED]).map(str::to_string).collect();
    let user = UserInfo { username: user.into(), groups, ..UserInfo::default() };
    Client::new(Arc::new(LocalTransport::new(registry.clone(), user)))
}

/// The object that `manifest` describes; unknown fields are errors.
pub(crate) fn parse<K: Kind>(manifest: Value) -> Result<K> {
    let mut object = K::default();
    let mut problems = Problems::default();
    json::decode(manifest.to_string().as_bytes(), &mut object, &mut problems)
        .map_err(|error| anyhow!("{error}: {manifest}"))?;
    Ok(object)
}

pub(crate) async fn patch_sub<K: Kind>(
    client: &Client,
    namespace: &str,
    name: &str,
    subresource: &'static str,
    patch: Value,
) -> Result<()> {
    let patch = patch.to_string().into_bytes();
    client.namespaced::<K>(namespace).patch_sub(name, subresource, PatchType::Strategic, patch).await?;
    Ok(())
}
