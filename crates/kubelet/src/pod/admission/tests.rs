use super::*;
use corten_api::core::v1::Container;
use corten_api::{Quantity, Time};

fn pod(uid: &str, cpu: &str, port: i32) -> Pod {
    let mut c = Container::default();
    c.resources.requests.insert("cpu".into(), cpu.parse::<Quantity>().expect("quantity"));
    c.ports = vec![ContainerPort { host_port: port, ..ContainerPort::default() }];
    let mut pod = Pod::default();
    pod.metadata.uid = uid.into();
    pod.spec.containers = vec![c];
    pod
}

fn taken(mut pod: Pod) -> Arc<Pod> {
    pod.status.start_time = Some(Time::default());
    Arc::new(pod)
}

#[test]
fn pods_are_taken_as_long_as_there_is_room() {
    let amounts = [("cpu", "2"), ("pods", "2")];
    let allocatable: ResourceList =
        amounts.iter().map(|(n, q)| (n.to_string(), q.parse().expect("quantity"))).collect();
    let mut ended = pod("z", "2", 80);
    ended.status.phase = "Succeeded".into();
    for (bound, cpu, port, want) in [
        (vec![], "2", 80, ""),
        (vec![taken(pod("z", "500m", 80))], "1500m", 81, ""),
        (
            vec![taken(pod("z", "500m", 80))],
            "1600m",
            81,
            "Node didn't have enough resource: cpu, requested: 1600, used: 500, capacity: 2000",
        ),
        (vec![taken(ended)], "2", 80, ""),
        // Of two that come together the first is taken.
        (vec![Arc::new(pod("z", "2", 80))], "2", 80, ""),
        (
            vec![Arc::new(pod("a", "2", 81))],
            "1",
            80,
            "Node didn't have enough resource: cpu, requested: 1000, used: 2000, capacity: 2000",
        ),
        (
            vec![taken(pod("z", "1m", 80))],
            "1m",
            80,
            "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports",
        ),
        (
            vec![taken(pod("y", "1m", 80)), taken(pod("z", "1m", 81))],
            "1m",
            82,
            "Node didn't have enough resource: pods, requested: 1, used: 2, capacity: 2",
        ),
    ] {
        let got = admit(&pod("m", cpu, port), &bound, &allocatable, None);
        assert_eq!(got.err().map(|r| r.message).unwrap_or_default(), want);
    }
}

#[test]
fn a_node_that_does_not_match_or_is_tainted_takes_no_pod() {
    let mut selecting = pod("m", "1m", 0);
    selecting.spec.node_selector.insert("disk".into(), "ssd".into());
    assert!(asks_for_node(&selecting) && !asks_for_node(&pod("m", "1m", 0)));
    let allocatable = ResourceList::from([("cpu".into(), "1".parse().expect("quantity"))]);
    let mut node = Node::default();
    let reason = |node: &Node| admit(&selecting, &[], &allocatable, Some(node)).err().map(|r| r.reason);
    assert_eq!(reason(&node).as_deref(), Some("NodeAffinity"));
    node.metadata.labels.insert("disk".into(), "ssd".into());
    assert_eq!(reason(&node), None);
}
