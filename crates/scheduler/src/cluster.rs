//! The scheduler's model of the cluster: nodes with the sums of what their pods ask for, changed event by
//! event, never recomputed. A pod counts on its node from the decision on ("assumed"), before the API
//! shows it there.

use crate::amounts::Amounts;
use crate::pod_info::PodInfo;
use crate::ports::HostPort;
use corten_api::core::v1::Node;
use corten_client::Key;
use std::collections::HashMap;
use std::sync::Arc;

/// A node's place in the model. Stays with the node while it exists.
pub type NodeIndex = usize;

/// One node and what is on it.
#[derive(Clone, Debug)]
pub struct NodeInfo {
    pub name: Arc<str>,
    /// `None` while only its pods are known, not the node itself.
    pub node: Option<Arc<Node>>,
    /// What pods may ask for in all.
    pub allocatable: Amounts,
    /// How many pods there may be.
    pub allowed_pods: i64,
    /// What its pods ask for in all.
    pub requested: Amounts,
    /// CPU and memory of its pods, with a default for those that ask for nothing.
    pub counted: (i64, i64),
    /// Ports that its pods took.
    pub ports: Vec<HostPort>,
    pub pods: HashMap<Key, Arc<PodInfo>>,
    /// Pods that others were removed for, and that are to come here.
    pub nominated: Vec<Arc<PodInfo>>,
}

impl NodeInfo {
    /// Counts a pod.
    pub fn add(&mut self, info: Arc<PodInfo>) {
        self.requested.add(&info.requests);
        self.counted.0 += info.counted.0;
        self.counted.1 += info.counted.1;
        self.ports.extend(info.ports.iter().cloned());
        self.pods.insert(info.key.clone(), info);
    }

    /// Stops counting a pod.
    pub fn remove(&mut self, key: &Key) -> Option<Arc<PodInfo>> {
        let info = self.pods.remove(key)?;
        self.requested.subtract(&info.requests);
        self.counted.0 -= info.counted.0;
        self.counted.1 -= info.counted.1;
        for port in &info.ports {
            if let Some(at) = self.ports.iter().position(|p| p == port) {
                self.ports.swap_remove(at);
            }
        }
        Some(info)
    }
}

#[derive(Debug)]
struct Placed {
    info: Arc<PodInfo>,
    node: NodeIndex,
    assumed: bool,
}

/// How many nodes hold an image, and its size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImageState {
    pub size: i64,
    pub nodes: i64,
}

/// All nodes and the pods on them.
#[derive(Debug, Default)]
pub struct Cluster {
    nodes: Vec<NodeInfo>,
    by_name: HashMap<Arc<str>, NodeIndex>,
    /// Places of nodes that are gone.
    free: Vec<NodeIndex>,
    /// The nodes that exist, in the order they came.
    present: Vec<NodeIndex>,
    pods: HashMap<Key, Placed>,
    images: HashMap<String, ImageState>,
    /// Where nominated pods are to go.
    nominated: HashMap<Key, NodeIndex>,
}

impl Cluster {
    /// The nodes that exist.
    pub fn present(&self) -> &[NodeIndex] {
        &self.present
    }

    /// A node by its place.
    pub fn node(&self, index: NodeIndex) -> &NodeInfo {
        &self.nodes[index]
    }

    /// The place of a node that exists.
    pub fn index_of(&self, name: &str) -> Option<NodeIndex> {
        self.by_name.get(name).copied().filter(|index| self.nodes[*index].node.is_some())
    }

    /// What is known of an image on the nodes.
    pub fn image(&self, name: &str) -> ImageState {
        self.images.get(name).copied().unwrap_or_default()
    }

    /// How many pods have a node, assumed ones included.
    pub fn pod_count(&self) -> usize {
        self.pods.len()
    }

    /// Adds a node or takes over its new state; gives the old one.
    pub fn set_node(&mut self, node: Arc<Node>) -> Option<Arc<Node>> {
        let index = self.place(&node.metadata.name);
        let status = &node.status;
        count_images(&mut self.images, &node, 1);
        let info = &mut self.nodes[index];
        let most = if status.allocatable.is_empty() { &status.capacity } else { &status.allocatable };
        info.allocatable = Amounts::of(most);
        info.allowed_pods = most.get("pods").map_or(0, |q| q.value());
        let old = info.node.replace(node);
        match &old {
            Some(old) => count_images(&mut self.images, old, -1),
            None => self.present.push(index),
        }
        old
    }

    /// Removes a node; its pods stay known until they go too.
    pub fn remove_node(&mut self, name: &str) -> Option<Arc<Node>> {
        let index = self.index_of(name)?;
        self.present.retain(|i| *i != index);
        let info = &mut self.nodes[index];
        info.allocatable = Amounts::default();
        info.allowed_pods = 0;
        let old = info.node.take();
        if let Some(old) = &old {
            count_images(&mut self.images, old, -1);
        }
        self.release(index);
        old
    }

    /// Counts a pod on a node before the API shows it there.
    pub fn assume(&mut self, info: Arc<PodInfo>, node: NodeIndex) {
        self.remove_pod(&info.key);
        self.put(info, node, true);
    }

    /// Takes an assumed pod back, after a binding that failed. One that the API shows bound stays.
    pub fn forget(&mut self, info: &PodInfo) -> bool {
        let assumed = |p: &Placed| p.assumed && p.info.uid() == info.uid();
        self.pods.get(&info.key).is_some_and(assumed) && self.remove_pod(&info.key).is_some()
    }

    /// Whether this very pod is assumed on a node.
    pub fn is_assumed(&self, key: &Key, uid: &str) -> bool {
        self.pods.get(key).is_some_and(|p| p.assumed && p.info.uid() == uid)
    }

    /// Counts a pod where the API shows it; gives what was known of it before.
    pub fn set_pod(&mut self, info: Arc<PodInfo>) -> Option<Arc<PodInfo>> {
        let old = self.remove_pod(&info.key);
        let node = self.place(&info.pod.spec.node_name);
        self.put(info, node, false);
        old
    }

    /// A pod that has a node.
    pub fn pod(&self, key: &Key) -> Option<&Arc<PodInfo>> {
        self.pods.get(key).map(|p| &p.info)
    }

    /// Stops counting a pod.
    pub fn remove_pod(&mut self, key: &Key) -> Option<Arc<PodInfo>> {
        let placed = self.pods.remove(key)?;
        self.nodes[placed.node].remove(key);
        self.release(placed.node);
        Some(placed.info)
    }

    /// Keeps room on a node for a pod that others were removed for.
    pub fn nominate(&mut self, info: Arc<PodInfo>, node: NodeIndex) {
        self.clear_nomination(&info.key);
        self.nominated.insert(info.key.clone(), node);
        self.nodes[node].nominated.push(info);
    }

    /// Where room is kept for a pod.
    pub fn nominated_node(&self, key: &Key) -> Option<NodeIndex> {
        self.nominated.get(key).copied().filter(|index| self.nodes[*index].node.is_some())
    }

    /// Keeps no room for a pod any longer.
    pub fn clear_nomination(&mut self, key: &Key) {
        if let Some(index) = self.nominated.remove(key) {
            self.nodes[index].nominated.retain(|info| info.key != *key);
            self.release(index);
        }
    }

    fn put(&mut self, info: Arc<PodInfo>, index: NodeIndex, assumed: bool) {
        self.clear_nomination(&info.key);
        self.nodes[index].add(info.clone());
        self.pods.insert(info.key.clone(), Placed { info, node: index, assumed });
    }

    /// The place of that name, made when there is none.
    fn place(&mut self, name: &str) -> NodeIndex {
        if let Some(index) = self.by_name.get(name) {
            return *index;
        }
        let name: Arc<str> = name.into();
        let info = NodeInfo {
            name: name.clone(),
            node: None,
            allocatable: Amounts::default(),
            allowed_pods: 0,
            requested: Amounts::default(),
            counted: (0, 0),
            ports: Vec::new(),
            pods: HashMap::new(),
            nominated: Vec::new(),
        };
        let index = match self.free.pop() {
            Some(index) => {
                self.nodes[index] = info;
                index
            }
            None => {
                self.nodes.push(info);
                self.nodes.len() - 1
            }
        };
        self.by_name.insert(name, index);
        index
    }

    /// Gives a place back when neither a node nor pods are left there.
    fn release(&mut self, index: NodeIndex) {
        let info = &self.nodes[index];
        let empty = info.node.is_none() && info.pods.is_empty() && info.nominated.is_empty();
        if empty && self.by_name.remove(&info.name).is_some() {
            self.free.push(index);
        }
    }
}

fn count_images(images: &mut HashMap<String, ImageState>, node: &Node, step: i64) {
    for image in &node.status.images {
        for name in &image.names {
            let state = images.entry(name.clone()).or_default();
            state.nodes += step;
            state.size = image.size_bytes;
            if state.nodes <= 0 {
                images.remove(name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugins::testing::{node, pod};

    fn placed(name: &str, cpu: i64, on: &str) -> Arc<PodInfo> {
        let mut pod = pod(name, cpu);
        pod.spec.node_name = on.into();
        Arc::new(PodInfo::new(Arc::new(pod)))
    }

    #[test]
    fn sums_follow_every_event_and_end_at_nothing() {
        let mut c = Cluster::default();
        c.set_pod(placed("early", 100, "n1"));
        assert!(c.present().is_empty() && c.index_of("n1").is_none(), "a node is known by its pods alone");
        c.set_node(Arc::new(node("n1", 1000)));
        let n1 = c.index_of("n1").expect("present");
        assert_eq!(c.node(n1).requested.cpu, 100);
        c.assume(placed("p", 300, ""), n1);
        assert!(c.is_assumed(&Key::new("default", "p"), "uid-p"));
        assert_eq!(c.node(n1).requested.cpu, 400);
        c.set_pod(placed("p", 300, "n1"));
        assert_eq!((c.node(n1).requested.cpu, c.pod_count()), (400, 2));
        assert!(!c.forget(&placed("p", 300, "")), "the API shows it bound");
        c.remove_node("n1");
        assert!(c.present().is_empty());
        c.remove_pod(&Key::new("default", "p"));
        c.remove_pod(&Key::new("default", "early"));
        assert_eq!((c.pod_count(), c.by_name.len(), c.free.len()), (0, 0, 1));
        c.set_node(Arc::new(node("n2", 1000)));
        assert_eq!(c.node(c.index_of("n2").expect("present")).requested, Amounts::default());
        assert_eq!(c.nodes.len(), 1, "the place is used again");
    }

    #[test]
    fn a_failed_binding_is_taken_back() {
        let mut c = Cluster::default();
        c.set_node(Arc::new(node("n1", 1000)));
        c.assume(placed("p", 300, ""), 0);
        assert!(c.forget(&placed("p", 300, "")));
        assert_eq!((c.node(0).requested.cpu, c.node(0).counted), (0, (0, 0)));
    }

    #[test]
    fn images_are_counted_over_the_nodes() {
        let with = |name: &str, images: &[&str]| {
            let mut n = node(name, 1);
            let images = images
                .iter()
                .map(|i| corten_api::core::v1::ContainerImage { names: vec![i.to_string()], size_bytes: 5 });
            n.status.images = images.collect();
            Arc::new(n)
        };
        let mut c = Cluster::default();
        c.set_node(with("a", &["x", "y"]));
        c.set_node(with("b", &["x"]));
        assert_eq!(c.image("x"), ImageState { size: 5, nodes: 2 });
        c.set_node(with("a", &["y"]));
        c.remove_node("b");
        assert_eq!((c.image("x").nodes, c.image("y").nodes), (0, 1));
    }
}
