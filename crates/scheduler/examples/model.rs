//! How many pods per second the pure model places: `cargo run --release --example model [NODES] [PODS]`.

use corten_api::Quantity;
use corten_api::core::v1::{Container, Node, Pod};
use corten_rt::Instant;
use corten_scheduler::framework::Profile;
use corten_scheduler::{Algorithm, Cluster, PodInfo};
use std::sync::Arc;

fn main() {
    let number = |at: usize, or: usize| std::env::args().nth(at).and_then(|a| a.parse().ok()).unwrap_or(or);
    let (nodes, pods) = (number(1, 1000), number(2, 10_000));
    let mut cluster = Cluster::default();
    for i in 0..nodes {
        cluster.set_node(Arc::new(node(i)));
    }
    let mut algorithm = Algorithm::new(Profile::standard());
    let start = Instant::now();
    let mut placed = 0;
    for i in 0..pods {
        let info = Arc::new(PodInfo::new(Arc::new(pod(i))));
        if let Ok(placement) = algorithm.schedule(&info, &cluster) {
            cluster.assume(info, placement.node);
            placed += 1;
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{placed} of {pods} pods on {nodes} nodes in {seconds:.3} s: {:.0} pods/s",
        pods as f64 / seconds
    );
}

fn node(i: usize) -> Node {
    let mut node = Node::default();
    node.metadata.name = format!("node-{i}");
    node.status.allocatable =
        [("cpu", Quantity::whole(4)), ("memory", Quantity::bytes(32 << 30)), ("pods", Quantity::whole(110))]
            .map(|(name, amount)| (name.to_string(), amount))
            .into();
    node
}

fn pod(i: usize) -> Pod {
    let mut pod = Pod::default();
    pod.metadata.namespace = "default".into();
    pod.metadata.name = format!("pod-{i}");
    pod.metadata.uid = format!("uid-{i}");
    let mut container = Container { name: "c".into(), image: "pause".into(), ..Container::default() };
    container.resources.requests = [("cpu", Quantity::milli(100)), ("memory", Quantity::bytes(500 << 20))]
        .map(|(name, amount)| (name.to_string(), amount))
        .into();
    pod.spec.containers = vec![container];
    pod
}
