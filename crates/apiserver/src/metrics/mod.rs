//! `metrics.k8s.io`: what nodes and pods use, as metrics-server tells it, made when somebody asks. The
//! nodes' kubelets are asked then, and what they said is good for a while; nobody is asked while nobody asks.

mod rates;
mod text;

use async_trait::async_trait;
use corten_api::core::v1::{Node, Pod};
use corten_api::meta::v1::ObjectMeta;
use corten_api::metrics::v1beta1::{ContainerMetrics, NodeMetrics, PodMetrics};
use corten_api::{Kind, KindInfo, Object, Quantity, Time};
use corten_rt::{Clock, Instant, Tasks};
use corten_semantics::Lookup;
use futures::StreamExt;
use rates::{Rate, Rates};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;
use text::Sample;
use tokio::sync::Mutex;

use crate::http::KubeletTls;
use crate::registry::Computed;

/// How long figures are good, and how old the ones before them may be that rates are made with.
const GOOD: Duration = Duration::from_secs(10);
const OLD: Duration = Duration::from_secs(90);
/// Between the first two figures of a node, when there are none: a little more than a kubelet keeps its own.
const GAP: Duration = Duration::from_millis(1200);
/// How long a kubelet may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Kubelets asked at the same time.
const AT_ONCE: usize = 32;

/// What is known of one node.
#[derive(Default)]
struct Known {
    last: Option<(Instant, Sample)>,
    rates: Option<Arc<Rates>>,
}

/// Makes the objects.
pub struct Usage {
    lookup: Arc<dyn Lookup>,
    kubelets: KubeletTls,
    clock: Clock,
    tasks: Tasks,
    nodes: parking_lot::Mutex<HashMap<String, Arc<Mutex<Known>>>>,
}

impl Usage {
    /// Of the nodes and pods that `lookup` has.
    pub fn new(lookup: Arc<dyn Lookup>, kubelets: KubeletTls, clock: Clock, tasks: Tasks) -> Self {
        Usage { lookup, kubelets, clock, tasks, nodes: parking_lot::Mutex::default() }
    }

    /// What these nodes use; one that does not answer is left out.
    async fn rates(&self, nodes: Vec<Arc<Node>>) -> HashMap<String, Arc<Rates>> {
        let asked = nodes.into_iter().map(|node| async move {
            let rates = self.of_node(&node).await;
            rates.map(|r| (node.metadata.name.clone(), r))
        });
        futures::stream::iter(asked)
            .buffer_unordered(AT_ONCE)
            .filter_map(|r| async move { r })
            .collect()
            .await
    }

    async fn of_node(&self, node: &Node) -> Option<Arc<Rates>> {
        let known = self.nodes.lock().entry(node.metadata.name.clone()).or_default().clone();
        let mut known = known.lock().await;
        let age = known.last.as_ref().map(|(at, _)| at.elapsed());
        if let (Some(age), Some(rates)) = (age, &known.rates)
            && age < GOOD
        {
            return Some(rates.clone());
        }
        let mut before = known.last.take().filter(|(at, _)| at.elapsed() < OLD).map(|(_, s)| s);
        let mut now = self.ask(node).await?;
        if before.is_none() {
            corten_rt::sleep(GAP).await;
            before = Some(std::mem::replace(&mut now, self.ask(node).await?));
        }
        let rates = Arc::new(Rates::between(&before.unwrap_or_default(), &now));
        *known = Known { last: Some((Instant::now(), now)), rates: Some(rates.clone()) };
        Some(rates)
    }

    async fn ask(&self, node: &Node) -> Option<Sample> {
        let asked = self.kubelets.fetch(node, "/metrics/resource", &self.tasks);
        match corten_rt::timeout(PATIENCE, Box::pin(asked)).await {
            Some(Ok(text)) => Some(Sample::parse(&text, self.clock.now())),
            Some(Err(error)) => {
                tracing::debug!(node = node.metadata.name, %error, "a node's use is not known");
                None
            }
            None => {
                tracing::debug!(node = node.metadata.name, "a node did not tell its use in time");
                None
            }
        }
    }

    async fn node_metrics(&self, name: &str) -> Vec<Arc<dyn Object>> {
        let nodes = self.lookup.list::<Node>("");
        self.nodes.lock().retain(|known, _| nodes.iter().any(|n| n.metadata.name == *known));
        let nodes: Vec<_> =
            nodes.into_iter().filter(|n| name.is_empty() || n.metadata.name == name).collect();
        let rates = self.rates(nodes.clone()).await;
        let now = Time::new(self.clock.now());
        let made = nodes.into_iter().filter_map(|node| {
            let used = rates.get(&node.metadata.name)?.node?;
            Some(Arc::new(NodeMetrics {
                metadata: like(&node.metadata, now),
                timestamp: Some(Time::new(used.time)),
                window: used.window(),
                usage: usage(&used),
            }) as Arc<dyn Object>)
        });
        made.collect()
    }

    async fn pod_metrics(&self, namespace: &str, name: &str) -> Vec<Arc<dyn Object>> {
        let mut pods = self.lookup.list::<Pod>(namespace);
        pods.retain(|p| (name.is_empty() || p.metadata.name == name) && p.status.phase == "Running");
        let hosts: BTreeSet<&str> = pods.iter().map(|p| p.spec.node_name.as_str()).collect();
        let nodes = hosts.into_iter().filter_map(|n| self.lookup.get::<Node>("", n)).collect();
        let rates = self.rates(nodes).await;
        let now = Time::new(self.clock.now());
        let made = pods.into_iter().filter_map(|pod| {
            let (m, node) = (&pod.metadata, rates.get(&pod.spec.node_name)?);
            let used = node.containers.get(&(m.namespace.clone(), m.name.clone()))?;
            let latest = used.values().max_by_key(|r| r.time)?;
            let containers =
                used.iter().map(|(name, rate)| ContainerMetrics { name: name.clone(), usage: usage(rate) });
            Some(Arc::new(PodMetrics {
                metadata: like(m, now),
                timestamp: Some(Time::new(latest.time)),
                window: latest.window(),
                containers: containers.collect(),
            }) as Arc<dyn Object>)
        });
        made.collect()
    }
}

/// The metadata that metrics have of what they are about.
fn like(meta: &ObjectMeta, now: Time) -> ObjectMeta {
    ObjectMeta {
        name: meta.name.clone(),
        namespace: meta.namespace.clone(),
        labels: meta.labels.clone(),
        creation_timestamp: Some(now),
        ..ObjectMeta::default()
    }
}

fn usage(rate: &Rate) -> BTreeMap<String, Quantity> {
    let cpu = format!("{}n", rate.nano_cores).parse().unwrap_or_default();
    let memory = Quantity::bytes(i64::try_from(rate.memory).unwrap_or(i64::MAX));
    BTreeMap::from([("cpu".to_string(), cpu), ("memory".to_string(), memory)])
}

#[async_trait]
impl Computed for Usage {
    async fn objects(&self, kind: &'static KindInfo, namespace: &str, name: &str) -> Vec<Arc<dyn Object>> {
        if kind == NodeMetrics::INFO {
            self.node_metrics(name).await
        } else {
            self.pod_metrics(namespace, name).await
        }
    }
}
