//! Upstream's extension points (KEP-624) as traits, and the profile that puts plugins behind them. A plugin
//! says which points it fills; what it needs to know of a pod is worked out in `PodInfo`.

use crate::cluster::{Cluster, NodeIndex, NodeInfo};
use crate::pod_info::PodInfo;
use async_trait::async_trait;
use corten_semantics::ApiError;
use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// The best score of one plugin for one node.
pub const MAX_SCORE: i64 = 100;

/// Why a node, or all of them, will not do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Whether removing pods could help (upstream: `Unschedulable` against `UnschedulableAndUnresolvable`).
    pub resolvable: bool,
    pub reasons: Vec<Cow<'static, str>>,
}

impl Rejection {
    /// Removing pods could help.
    pub fn resolvable(reason: &'static str) -> Self {
        Rejection { resolvable: true, reasons: vec![reason.into()] }
    }

    /// Removing pods cannot help.
    pub fn unresolvable(reason: &'static str) -> Self {
        Rejection { resolvable: false, reasons: vec![reason.into()] }
    }
}

/// What a plugin says before the nodes are looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PreFilterResult {
    /// Look at all nodes.
    #[default]
    AllNodes,
    /// Only these can do.
    Nodes(BTreeSet<String>),
    /// The plugin's filter has nothing to say about this pod.
    Skip,
}

/// What can happen in a cluster that could help a pod which was turned down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClusterEvent {
    NodeAdded = 1,
    NodeAllocatable = 2,
    NodeLabels = 4,
    NodeTaints = 8,
    NodeUnschedulable = 16,
    AssignedPodGone = 32,
    AssignedPodShrunk = 64,
}

/// A set of [`ClusterEvent`]s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClusterEvents(u8);

impl ClusterEvents {
    /// These events.
    pub fn of(events: &[ClusterEvent]) -> Self {
        ClusterEvents(events.iter().fold(0, |sum, e| sum | *e as u8))
    }

    /// Those of both.
    pub fn and(self, other: ClusterEvents) -> Self {
        ClusterEvents(self.0 | other.0)
    }

    /// Whether they share one.
    pub fn meets(self, other: ClusterEvents) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// A plugin, and the points it fills.
pub trait Plugin: Send + Sync {
    /// Upstream's name of it.
    fn name(&self) -> &'static str;
    /// The events that could help a pod which this plugin turned down.
    fn events(&self) -> ClusterEvents {
        ClusterEvents::default()
    }
    fn pre_enqueue(&self) -> Option<&dyn PreEnqueue> {
        None
    }
    fn pre_filter(&self) -> Option<&dyn PreFilter> {
        None
    }
    fn filter(&self) -> Option<&dyn Filter> {
        None
    }
    fn post_filter(&self) -> Option<&dyn PostFilter> {
        None
    }
    fn score(&self) -> Option<&dyn Score> {
        None
    }
    fn bind(&self) -> Option<&dyn Bind> {
        None
    }
}

/// Decides who comes first.
pub trait QueueSort: Send + Sync {
    /// Compares two pods by themselves and how long (from any fixed point on) they wait.
    fn compare(&self, a: (&PodInfo, Duration), b: (&PodInfo, Duration)) -> Ordering;
}

/// May keep a pod out of the queue.
pub trait PreEnqueue: Send + Sync {
    /// An error keeps the pod waiting until it changes.
    fn pre_enqueue(&self, pod: &PodInfo) -> Result<(), Rejection>;
}

/// Is asked once per pod, before its nodes are filtered.
pub trait PreFilter: Send + Sync {
    /// Narrows the nodes down, or turns the pod down everywhere.
    fn pre_filter(&self, pod: &PodInfo, cluster: &Cluster) -> Result<PreFilterResult, Rejection>;
}

/// Says whether a pod can run on a node.
pub trait Filter: Send + Sync {
    fn filter(&self, pod: &PodInfo, node: &NodeInfo) -> Result<(), Rejection>;
}

/// Is asked when no node passed.
pub trait PostFilter: Send + Sync {
    /// What could be done for the pod.
    fn post_filter(&self, failed: &Failed<'_>) -> PostFilterResult;
}

/// What a [`PostFilter`] found.
#[derive(Clone, Debug)]
pub enum PostFilterResult {
    /// Nothing can be done; a sentence for the pod's event.
    Nothing(String),
    /// Nothing needs to be done but wait for what was done before; a sentence for the pod's event.
    Wait(String),
    /// Room can be made.
    MakeRoom(Room),
}

/// Room that is made for a pod.
#[derive(Clone, Debug)]
pub struct Room {
    pub node: NodeIndex,
    /// The pods to remove for it.
    pub victims: Vec<Arc<PodInfo>>,
}

/// What a [`PostFilter`] is told.
pub struct Failed<'a> {
    pub pod: &'a PodInfo,
    pub cluster: &'a Cluster,
    /// The nodes that turned the pod down, in the cluster's order.
    pub rejections: &'a [(NodeIndex, Rejection)],
    /// Judges a node as all filters do, perhaps with fewer pods on it.
    pub judge: &'a dyn Fn(&NodeInfo) -> Result<(), Rejection>,
}

/// Says how well a pod suits a node that can run it.
pub trait Score: Send + Sync {
    /// How much this score counts beside others.
    fn weight(&self) -> i64 {
        1
    }
    /// Upstream's PreScore, as far as it skips: whether this score can tell nodes apart for the pod.
    fn applies(&self, pod: &PodInfo) -> bool {
        let _ = pod;
        true
    }
    /// A score, 0 to [`MAX_SCORE`] unless it is normalized afterwards.
    fn score(&self, pod: &PodInfo, node: &NodeInfo, cluster: &Cluster) -> i64;
    /// How all nodes' scores are brought to 0 to [`MAX_SCORE`].
    fn normalize(&self, scores: &mut [i64]) {
        let _ = scores;
    }
}

/// Scales scores so that the highest becomes [`MAX_SCORE`]; `reverse` makes the lowest the best.
pub fn normalize(scores: &mut [i64], reverse: bool) {
    let highest = scores.iter().copied().max().unwrap_or(0);
    for score in scores {
        if highest > 0 {
            *score = *score * MAX_SCORE / highest;
        }
        if reverse {
            *score = MAX_SCORE - *score;
        }
    }
}

/// Tells the API about a decision.
#[async_trait]
pub trait Bind: Send + Sync {
    async fn bind(&self, client: &corten_client::Client, pod: &PodInfo, node: &str) -> Result<(), ApiError>;
}

/// A list of plugins in the order they are asked.
#[derive(Clone)]
pub struct Profile {
    pub queue_sort: Arc<dyn QueueSort>,
    pub plugins: Vec<Arc<dyn Plugin>>,
}

impl Profile {
    /// Upstream's default plugins, as far as they exist here.
    pub fn standard() -> Self {
        crate::plugins::standard()
    }

    /// Whether the pod may enter the queue.
    pub fn may_enqueue(&self, pod: &PodInfo) -> Result<(), Rejection> {
        self.plugins.iter().filter_map(|p| p.pre_enqueue()).try_for_each(|p| p.pre_enqueue(pod))
    }

    /// The plugin that binds.
    pub fn binder(&self) -> Option<&dyn Bind> {
        self.plugins.iter().find_map(|p| p.bind())
    }
}
