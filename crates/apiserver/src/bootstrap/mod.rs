//! What every cluster has: its first namespaces, the default roles and bindings, the classes of critical
//! pods, and the Service `kubernetes` with this server's address behind it.

mod events;
mod flow;
mod rbac;
mod service;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use corten_api::apiregistration::v1::APIService;
use corten_api::core::v1::Namespace;
use corten_api::meta::v1::ObjectMeta;
use corten_api::{Kind, Object};
use corten_rt::{Backoff, Tasks, sleep};
use corten_semantics::{ApiResult, identity};
use futures::StreamExt;
use futures::stream::FuturesUnordered;

use crate::registry::{GetOptions, Registry, RequestContext, Target, WriteOptions};

/// How many objects are looked after at the same time.
const AT_ONCE: usize = 64;
/// How often the objects are looked after once they are there.
const EVERY: Duration = Duration::from_secs(60);
const NAMESPACES: &[&str] = &["default", "kube-system", "kube-public", "kube-node-lease"];

/// Makes what is missing, and keeps it by a task of `tasks`: the Service's endpoints follow `advertised`,
/// old Events go. Returns once the cluster is usable.
///
/// # Errors
/// What the registry says, when the store fails.
pub async fn bootstrap(registry: &Arc<Registry>, advertised: SocketAddr, tasks: &Tasks) -> ApiResult<()> {
    let system = System::new(registry.clone());
    let known = !registry.lookup().objects(Namespace::INFO, "").is_empty();
    let ensured = system.ensure(advertised).await;
    if let Err(error) = &ensured {
        // A webhook that nobody answers for must not keep the server down: by it the webhook is taken away.
        tracing::warn!(%error, "the cluster's first objects are not all as they should be");
    }
    if !known {
        ensured.clone()?;
    }
    tasks.spawn_until_stopped("bootstrap objects", keep(system, advertised, ensured.is_ok()));
    tasks.spawn_until_stopped("event expiry", events::expire(registry.clone()));
    crate::policies::start(registry, tasks);
    Ok(())
}

async fn keep(system: System, advertised: SocketAddr, ensured: bool) {
    let mut backoff = Backoff::new(Duration::from_secs(1), EVERY);
    let mut pause = if ensured { EVERY } else { backoff.step() };
    loop {
        sleep(std::mem::replace(&mut pause, EVERY)).await;
        while let Err(error) = system.ensure(advertised).await {
            tracing::warn!(%error, "the cluster's first objects cannot be kept");
            sleep(backoff.step()).await;
        }
        backoff.reset();
        system.registry.settle();
        system.registry.repair_addresses().await;
    }
}

/// The registry under the server's own identity.
#[derive(Clone)]
struct System {
    registry: Arc<Registry>,
    ctx: RequestContext,
}

impl System {
    fn new(registry: Arc<Registry>) -> Self {
        let (user, agent) = (Arc::new(identity::api_server()), crate::AGENT.into());
        System { registry, ctx: RequestContext { user, agent, ..RequestContext::default() } }
    }

    async fn ensure(&self, advertised: SocketAddr) -> ApiResult<()> {
        for name in NAMESPACES {
            let namespace = Namespace { metadata: meta("", name), ..Namespace::default() };
            self.create_missing(Arc::new(namespace)).await?;
        }
        let mut policy = FuturesUnordered::new();
        for wanted in corten_auth::policy::objects() {
            if policy.len() == AT_ONCE {
                policy.next().await.transpose()?;
            }
            policy.push(self.ensure_policy(wanted));
        }
        while let Some(ensured) = policy.next().await {
            ensured?;
        }
        self.show_aggregated().await?;
        for class in corten_admission::system_classes() {
            self.create_missing(Arc::new(class)).await?;
        }
        flow::ensure(self).await?;
        self.create_missing(Arc::new(metrics_service())).await?;
        service::ensure(self, advertised).await
    }

    /// The object as it is, if it is there.
    async fn find(&self, like: &dyn Object) -> ApiResult<Option<Arc<dyn Object>>> {
        match self.registry.get(&self.ctx, &target(like), &GetOptions::default()).await {
            Ok(entry) => Ok(Some(entry.object())),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Creates the object if it is not there; somebody else may be faster.
    async fn create_missing(&self, object: Arc<dyn Object>) -> ApiResult<()> {
        if self.find(&*object).await?.is_some() {
            return Ok(());
        }
        let target = Target { name: String::new(), ..target(&*object) };
        let made =
            self.registry.create(&self.ctx, &target, object.clone_object(), &WriteOptions::default()).await;
        match made {
            Err(error) if !error.is_already_exists() => Err(error),
            _ => Ok(()),
        }
    }

    /// Writes the object as it is given. Another write in between is left for the next round.
    async fn update(&self, object: Box<dyn Object>, subresource: &'static str) -> ApiResult<()> {
        let target = Target { subresource, ..target(&*object) };
        match self.registry.update(&self.ctx, &target, object, &WriteOptions::default()).await {
            Err(error) if !error.is_conflict() => Err(error),
            _ => Ok(()),
        }
    }

    /// Makes the object what `complete` makes of it, or creates `wanted`.
    async fn ensure_as<K: Kind>(&self, wanted: K, complete: impl FnOnce(&mut K)) -> ApiResult<()> {
        let Some(found) = self.find(&wanted).await? else {
            return self.create_missing(Arc::new(wanted)).await;
        };
        let Some(found) = found.downcast_ref::<K>() else { return Ok(()) };
        let mut completed = found.clone();
        complete(&mut completed);
        if completed == *found {
            return Ok(());
        }
        self.update(Box::new(completed), "").await
    }
}

/// Tells clients that `metrics.k8s.io` is served, as metrics-server's own object does; here by this server.
fn metrics_service() -> APIService {
    let mut service = APIService { metadata: meta("", "v1beta1.metrics.k8s.io"), ..APIService::default() };
    service.spec.group = "metrics.k8s.io".into();
    service.spec.version = "v1beta1".into();
    service.spec.group_priority_minimum = 100;
    service.spec.version_priority = 100;
    service
}

/// Where an object like this one lies.
fn target(object: &dyn Object) -> Target {
    let (kind, meta) = (object.info(), object.meta());
    let namespace = kind.namespaced.then(|| meta.namespace.clone());
    Target { kind, namespace, name: meta.name.clone(), subresource: "" }
}

fn meta(namespace: &str, name: &str) -> ObjectMeta {
    ObjectMeta { namespace: namespace.into(), name: name.into(), ..ObjectMeta::default() }
}

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect()
}
