//! A namespace of one's own on a real cluster, and calls that wait.

use crate::rest::Http;
use anyhow::{Context, Result, bail};
use corten_api::core::v1::Namespace;
use corten_api::{Kind, Object};
use corten_client::{Answer, Api, Call, Client, DeleteOptions, HttpTransport, ListOptions, Target};
use corten_client::{HttpConfig, WriteOptions};
use corten_codec::{Problems, json};
use corten_rt::{Instant, Stop, Tasks, random, sleep, timeout};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Weak};
use std::time::Duration;
use tokio::sync::{Mutex, OwnedRwLockWriteGuard, RwLock};

/// Names the cluster under test.
const KUBECONFIG: &str = "CORTEN_CONFORMANCE_KUBECONFIG";
/// How long a spec waits for one thing to become true.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long a whole spec may take.
const SPEC_TIME: Duration = Duration::from_secs(300);
const POLL: Duration = Duration::from_millis(250);

/// The cluster under test, seen from a namespace that lives as long as the spec.
pub struct Cluster {
    pub client: Client,
    pub namespace: String,
    pub(crate) kubeconfig: PathBuf,
    pub(crate) config: HttpConfig,
    pub(crate) http: Http,
    pub tasks: Tasks,
}

/// Runs a spec in a namespace of its own, which is deleted afterwards; without a cluster to test it says so and
/// succeeds.
pub async fn spec(body: impl AsyncFnOnce(&Cluster) -> Result<()>) -> Result<()> {
    spec_within(SPEC_TIME, body).await
}

/// The same for a spec that disturbs others, such as one that taints nodes: it waits until those have ended that
/// run in this process. Several of this kind run together.
pub async fn spec_alone(body: impl AsyncFnOnce(&Cluster) -> Result<()>) -> Result<()> {
    static SHARED: Mutex<Weak<OwnedRwLockWriteGuard<()>>> = Mutex::const_new(Weak::new());
    let turn = {
        let mut shared = SHARED.lock().await;
        match shared.upgrade() {
            Some(turn) => turn,
            None => {
                let turn = Arc::new(Arc::clone(&TURN).write_owned().await);
                *shared = Arc::downgrade(&turn);
                turn
            }
        }
    };
    let result = run(SPEC_TIME, body).await;
    drop(turn);
    result
}

/// The same with another limit of time.
pub async fn spec_within(limit: Duration, body: impl AsyncFnOnce(&Cluster) -> Result<()>) -> Result<()> {
    let _turn = TURN.read().await;
    run(limit, body).await
}

/// Whose turn it is: that of all who disturb nobody, or of those who do.
static TURN: LazyLock<Arc<RwLock<()>>> = LazyLock::new(Arc::default);

async fn run(limit: Duration, body: impl AsyncFnOnce(&Cluster) -> Result<()>) -> Result<()> {
    let Some(kubeconfig) = std::env::var_os(KUBECONFIG) else {
        println!("skipped: {KUBECONFIG} names no cluster");
        return Ok(());
    };
    let cluster = Cluster::connect(kubeconfig.into()).await?;
    let result = timeout(limit, Box::pin(body(&cluster))).await;
    let removed = cluster.remove(&cluster.namespace).await;
    cluster.tasks.shutdown(Duration::from_secs(5)).await;
    result.with_context(|| format!("the spec took longer than {limit:?}"))??;
    removed
}

/// An object of its JSON; `apiVersion` and `kind` need not be told.
pub fn object<K: Kind>(value: &Value) -> Result<K> {
    let mut object = K::default();
    let mut problems = Problems::ignore();
    json::decode(value.to_string().as_bytes(), &mut object, &mut problems)?;
    Ok(object)
}

/// The JSON of an object.
pub fn value(object: &dyn Object) -> Result<Value> {
    Ok(serde_json::from_slice(&json::encode(object))?)
}

impl Cluster {
    async fn connect(kubeconfig: PathBuf) -> Result<Self> {
        let tasks = Tasks::new(Stop::new());
        let config = HttpConfig::from_kubeconfig(&kubeconfig)?;
        let client = Client::new(Arc::new(HttpTransport::new(&config, &tasks)?));
        let namespace = format!("conformance-{}", random::name_suffix(8));
        let http = Http::new(config.tls()?, &tasks);
        let cluster = Cluster { client, namespace: namespace.clone(), kubeconfig, config, http, tasks };
        cluster.new_namespace(&namespace).await?;
        Ok(cluster)
    }

    /// Makes a namespace and waits until pods can be made in it.
    pub async fn new_namespace(&self, name: &str) -> Result<Arc<Namespace>> {
        let namespace = json!({"metadata": {"name": name, "labels": {"corten-conformance": "true"}}});
        let made = self.client.all().create(object::<Namespace>(&namespace)?).await?;
        let accounts = self.client.namespaced::<corten_api::core::v1::ServiceAccount>(name);
        wait("the default ServiceAccount", async || Ok(accounts.find("default").await?)).await?;
        Ok(made)
    }

    /// Deletes a namespace without waiting for its end.
    pub async fn remove(&self, namespace: &str) -> Result<()> {
        match self.client.all::<Namespace>().delete(namespace, DeleteOptions::default()).await {
            Err(e) if !e.is_not_found() => Err(e).context("delete the namespace"),
            _ => Ok(()),
        }
    }

    /// Calls on objects of the spec's namespace.
    pub fn api<K: Kind>(&self) -> Api<K> {
        self.client.namespaced(&self.namespace)
    }

    /// Creates an object of its JSON.
    pub async fn create<K: Kind>(&self, value: Value) -> Result<Arc<K>> {
        self.api().create(object::<K>(&value)?).await.with_context(|| format!("create {value}"))
    }

    /// Reads a subresource that is an object (`status`, `scale`).
    pub async fn get_sub<K: Kind, O: Kind>(&self, name: &str, subresource: &'static str) -> Result<Arc<O>> {
        self.call_sub::<K, O>(name, subresource, Call::Get).await
    }

    /// Replaces a subresource.
    pub async fn put_sub<K: Kind, O: Kind>(
        &self,
        name: &str,
        subresource: &'static str,
        body: O,
    ) -> Result<Arc<O>> {
        let call = Call::Update(Arc::new(body), WriteOptions::default());
        self.call_sub::<K, O>(name, subresource, call).await
    }

    async fn call_sub<K: Kind, O: Kind>(
        &self,
        name: &str,
        subresource: &'static str,
        call: Call,
    ) -> Result<Arc<O>> {
        let namespace = K::INFO.namespaced.then(|| self.namespace.clone());
        let target = Target { kind: K::INFO, namespace, name: name.into(), subresource };
        match self.client.call(target, call).await? {
            Answer::Object(object) => object.downcast_arc().context("an answer of the subresource's kind"),
            other => bail!("{name}/{subresource}: {other:?} instead of an object"),
        }
    }

    /// Reads, changes and replaces an object, again when somebody else was faster.
    pub async fn change<K: Kind>(&self, name: &str, change: impl Fn(&mut K)) -> Result<Arc<K>> {
        self.change_sub(name, "", change).await
    }

    /// The same for a subresource that takes the whole object.
    pub async fn change_sub<K: Kind>(
        &self,
        name: &str,
        subresource: &'static str,
        change: impl Fn(&mut K),
    ) -> Result<Arc<K>> {
        for _ in 0..10 {
            let mut object = K::clone(&*self.api::<K>().get(name).await?);
            change(&mut object);
            match self.put_sub::<K, K>(name, subresource, object).await {
                Err(e) if e.to_string().contains("the object has been modified") => sleep(POLL).await,
                other => return other,
            }
        }
        bail!("{name} was changed by others ten times in a row")
    }

    /// Waits until an object is as it must be.
    pub async fn until<K: Kind>(&self, name: &str, what: &str, done: impl Fn(&K) -> bool) -> Result<Arc<K>> {
        let mut last = None;
        let found = wait(what, async || {
            last = self.api::<K>().find(name).await?;
            Ok(last.clone().filter(|object| done(object)))
        })
        .await;
        match (found, last) {
            (Err(e), Some(last)) => Err(e).with_context(|| format!("last seen: {:?}", value(&*last))),
            (found, _) => found,
        }
    }

    /// Waits until the objects of a selector are as they must be.
    pub async fn until_list<K: Kind>(
        &self,
        selector: &str,
        what: &str,
        done: impl Fn(&[Arc<K>]) -> bool,
    ) -> Result<Vec<Arc<K>>> {
        let mut last = Vec::new();
        let found = wait(what, async || {
            last = self.list::<K>(selector).await?;
            Ok(done(&last).then(|| last.clone()))
        })
        .await;
        found.with_context(|| {
            let seen: Vec<_> = last.iter().filter_map(|object| value(&**object).ok()).collect();
            format!("last seen: {}", Value::from(seen))
        })
    }

    /// Waits until an object does not exist any more.
    pub async fn gone<K: Kind>(&self, name: &str) -> Result<()> {
        let what = format!("the end of {} {name}", K::INFO.kind);
        wait(&what, async || Ok(self.api::<K>().find(name).await?.is_none().then_some(()))).await
    }

    /// The objects of a selector in the spec's namespace.
    pub async fn list<K: Kind>(&self, selector: &str) -> Result<Vec<Arc<K>>> {
        let options = ListOptions { label_selector: selector.into(), ..ListOptions::default() };
        Ok(self.api::<K>().list(&options).await?.items)
    }
}

/// Asks again and again until there is an answer.
pub async fn wait<T>(what: &str, mut ask: impl AsyncFnMut() -> Result<Option<T>>) -> Result<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask().await? {
            return Ok(answer);
        }
        if Instant::now() > deadline {
            bail!("waited {PATIENCE:?} in vain for {what}");
        }
        sleep(POLL).await;
    }
}
