//! Tables: which node a pod gets, and the words when it gets none.

use super::*;
use crate::plugins::testing::{cluster, node, pod};
use corten_api::Quantity;
use corten_api::core::v1::{
    Affinity, ContainerPort, Node, NodeAffinity, NodeSelectorRequirement, NodeSelectorTerm, Pod,
    PreferredSchedulingTerm, Taint,
};
use std::sync::Arc;

fn decide(nodes: Vec<Node>, placed: Vec<(Pod, &str)>, pod: Pod) -> Result<String, String> {
    let mut model = cluster(nodes);
    for (mut pod, on) in placed {
        pod.spec.node_name = on.into();
        model.set_pod(Arc::new(PodInfo::new(Arc::new(pod))));
    }
    let mut algorithm = Algorithm::new(Profile::standard());
    match algorithm.schedule(&PodInfo::new(Arc::new(pod)), &model) {
        Ok(placement) => Ok(model.node(placement.node).name.to_string()),
        Err(no_fit) => Err(no_fit.unfit.to_string()),
    }
}

fn changed<T>(mut value: T, change: impl FnOnce(&mut T)) -> T {
    change(&mut value);
    value
}

fn tainted(name: &str, effect: &str) -> Node {
    changed(node(name, 1000), |n| {
        n.spec.taints =
            vec![Taint { key: "k".into(), value: "v".into(), effect: effect.into(), ..Taint::default() }];
    })
}

fn with_port(name: &str, port: i32, ip: &str) -> Pod {
    changed(pod(name, 0), |p| {
        p.spec.containers[0].ports = vec![ContainerPort {
            host_port: port,
            container_port: port,
            protocol: "TCP".into(),
            host_ip: ip.into(),
            ..ContainerPort::default()
        }];
    })
}

fn near(weight: i32, key: &str) -> Pod {
    changed(pod("p", 0), |p| {
        let wish = NodeSelectorRequirement { key: key.into(), operator: "Exists".into(), values: vec![] };
        let preference = NodeSelectorTerm { match_expressions: vec![wish], match_fields: vec![] };
        let affinity = NodeAffinity {
            preferred_during_scheduling_ignored_during_execution: vec![PreferredSchedulingTerm {
                weight,
                preference,
            }],
            ..NodeAffinity::default()
        };
        p.spec.affinity =
            Some(Box::new(Affinity { node_affinity: Some(Box::new(affinity)), ..Affinity::default() }));
    })
}

#[test]
fn the_words_when_no_node_will_do() {
    let not_helpful = |n: usize| {
        format!(
            "no new claims to deallocate, preemption: 0/{n} nodes are available: {n} Preemption is not helpful for scheduling."
        )
    };
    for (nodes, placed, pod, want) in [
        (vec![], vec![], pod("p", 1), "no nodes available to schedule pods".to_string()),
        (
            vec![node("a", 1000), tainted("b", "NoSchedule")],
            vec![(pod("q", 900), "a")],
            pod("p", 500),
            "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint(s). \
             no new claims to deallocate, preemption: 0/2 nodes are available: \
             1 No preemption victims found for incoming pod, 1 Preemption is not helpful for scheduling."
                .into(),
        ),
        (
            vec![node("a", 1000), node("b", 1000)],
            vec![],
            pod("p", 2000),
            format!("0/2 nodes are available: 2 Insufficient cpu. {}", not_helpful(2)),
        ),
        (
            vec![changed(node("a", 1000), |n| n.spec.unschedulable = true)],
            vec![],
            pod("p", 0),
            format!("0/1 nodes are available: 1 node(s) were unschedulable. {}", not_helpful(1)),
        ),
        (
            vec![node("a", 1000)],
            vec![],
            changed(pod("p", 0), |p| drop(p.spec.node_selector.insert("disk".into(), "ssd".into()))),
            format!(
                "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector. {}",
                not_helpful(1)
            ),
        ),
        (
            vec![node("a", 1000)],
            vec![(with_port("q", 80, ""), "a")],
            with_port("p", 80, "10.0.0.1"),
            "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports. \
             no new claims to deallocate, preemption: 0/1 nodes are available: \
             1 No preemption victims found for incoming pod."
                .into(),
        ),
        (
            vec![node("a", 1000)],
            vec![],
            changed(pod("p", 1), |p| p.spec.preemption_policy = Some("Never".into())),
            String::new(),
        ),
        (
            vec![changed(node("a", 1000), |n| {
                n.status.allocatable.insert("pods".into(), Quantity::whole(0));
            })],
            vec![],
            changed(pod("p", 2000), |p| {
                p.spec.preemption_policy = Some("Never".into());
                p.spec.containers[0].resources.requests.insert("x.io/y".into(), Quantity::whole(1));
            }),
            "0/1 nodes are available: 1 Insufficient cpu, 1 Insufficient x.io/y, 1 Too many pods. \
             no new claims to deallocate, preemption: not eligible due to preemptionPolicy=Never."
                .into(),
        ),
    ] {
        let got = decide(nodes, placed, pod);
        assert_eq!(got.err().unwrap_or_default(), want);
    }
}

#[test]
fn a_daemon_pod_is_bound_to_its_node_by_name() {
    let daemon = |name: &str| {
        let name = name.to_string();
        changed(pod("p", 5000), |p| {
            let wish = NodeSelectorRequirement {
                key: "metadata.name".into(),
                operator: "In".into(),
                values: vec![name],
            };
            let term = NodeSelectorTerm { match_fields: vec![wish], match_expressions: vec![] };
            let required = corten_api::core::v1::NodeSelector { node_selector_terms: vec![term] };
            let affinity = NodeAffinity {
                required_during_scheduling_ignored_during_execution: Some(Box::new(required)),
                ..NodeAffinity::default()
            };
            p.spec.affinity =
                Some(Box::new(Affinity { node_affinity: Some(Box::new(affinity)), ..Affinity::default() }));
        })
    };
    let nodes = || vec![node("a", 1000), node("b", 9000), node("c", 9000)];
    assert_eq!(decide(nodes(), vec![], daemon("b")), Ok("b".into()));
    assert_eq!(
        decide(nodes(), vec![], daemon("a")).expect_err("too small"),
        "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) didn't satisfy plugin(s) [NodeAffinity]. \
         no new claims to deallocate, preemption: 0/3 nodes are available: \
         3 Preemption is not helpful for scheduling."
    );
}

#[test]
fn the_best_of_several_nodes() {
    for (what, nodes, placed, pod, want) in [
        (
            "the emptier",
            vec![node("a", 1000), node("b", 1000)],
            vec![(pod("q", 500), "a")],
            pod("p", 100),
            "b",
        ),
        ("the larger", vec![node("a", 1000), node("b", 4000)], vec![], pod("p", 500), "b"),
        (
            "without the disliked taint",
            vec![tainted("a", "PreferNoSchedule"), node("b", 1000)],
            vec![(pod("q", 500), "b")],
            pod("p", 0),
            "b",
        ),
        (
            "the preferred label",
            vec![
                changed(node("a", 1000), |n| drop(n.metadata.labels.insert("ssd".into(), "y".into()))),
                node("b", 1000),
            ],
            vec![(pod("q", 300), "a")],
            near(10, "ssd"),
            "a",
        ),
        (
            "another address of the same port",
            vec![node("a", 1000)],
            vec![(with_port("q", 80, "10.0.0.2"), "a")],
            with_port("p", 80, "10.0.0.1"),
            "a",
        ),
        (
            "pods without requests spread",
            vec![node("a", 1000), node("b", 1000)],
            vec![(pod("q", 0), "a"), (pod("r", 0), "a")],
            pod("p", 0),
            "b",
        ),
    ] {
        assert_eq!(decide(nodes, placed, pod), Ok(want.into()), "{what}");
    }
}

#[test]
fn large_clusters_are_not_searched_in_full() {
    for (nodes, want) in [(1, 1), (99, 99), (100, 100), (1000, 420), (5000, 500), (10_000, 500)] {
        assert_eq!(enough(nodes), want, "{nodes}");
    }
}

#[test]
fn what_could_help_is_told_by_the_plugins_that_turned_it_down() {
    let model = cluster(vec![tainted("b", "NoSchedule")]);
    let mut algorithm = Algorithm::new(Profile::standard());
    let no_fit = algorithm.schedule(&PodInfo::new(Arc::new(pod("p", 1))), &model).expect_err("tainted");
    assert!(no_fit.events.meets(ClusterEvents::of(&[ClusterEvent::NodeTaints])));
    assert!(!no_fit.events.meets(ClusterEvents::of(&[ClusterEvent::AssignedPodGone])));
}

fn important(name: &str, cpu: i64, priority: i32) -> Pod {
    changed(pod(name, cpu), |p| p.spec.priority = Some(priority))
}

/// The node and the victims, or the words when nobody makes room.
fn preempt(nodes: Vec<Node>, placed: Vec<(Pod, &str)>, pod: Pod) -> Result<(String, Vec<String>), String> {
    let mut model = cluster(nodes);
    for (mut pod, on) in placed {
        pod.spec.node_name = on.into();
        model.set_pod(Arc::new(PodInfo::new(Arc::new(pod))));
    }
    let no_fit = Algorithm::new(Profile::standard())
        .schedule(&PodInfo::new(Arc::new(pod)), &model)
        .expect_err("no node has room");
    match no_fit.help {
        Help::MakeRoom(room) => {
            let victims = room.victims.iter().map(|v| v.key.name.clone()).collect();
            Ok((model.node(room.node).name.to_string(), victims))
        }
        _ => Err(no_fit.unfit.to_string()),
    }
}

#[test]
fn less_important_pods_make_room_where_it_hurts_least() {
    let two = || vec![node("a", 1000), node("b", 1000)];
    for (what, placed, pod, want) in [
        (
            "the lower priority",
            vec![(important("x", 900, 5), "a"), (important("y", 900, 3), "b")],
            important("p", 500, 10),
            Ok(("b", vec!["y"])),
        ),
        (
            "the fewer pods",
            vec![(important("x", 450, 1), "a"), (important("y", 450, 1), "a"), (important("z", 900, 1), "b")],
            important("p", 900, 10),
            Ok(("b", vec!["z"])),
        ),
        (
            "no more than needed, the more important spared",
            vec![
                (important("x", 500, 3), "a"),
                (important("y", 400, 1), "a"),
                (important("z", 1000, 20), "b"),
            ],
            important("p", 400, 10),
            Ok(("a", vec!["y"])),
        ),
        (
            "nobody is less important",
            vec![(important("x", 900, 10), "a"), (important("z", 900, 20), "b")],
            important("p", 400, 10),
            Err("2 No preemption victims found for incoming pod."),
        ),
        (
            "even without them there is no room",
            vec![
                (important("x", 700, 20), "a"),
                (important("y", 200, 1), "a"),
                (important("z", 900, 20), "b"),
            ],
            important("p", 400, 10),
            Err("1 Insufficient cpu, 1 No preemption victims found for incoming pod."),
        ),
    ] {
        let got = preempt(two(), placed, pod);
        match want {
            Ok((node, victims)) => {
                let victims = victims.into_iter().map(String::from).collect();
                assert_eq!(got, Ok((node.to_string(), victims)), "{what}");
            }
            Err(end) => assert!(got.as_ref().is_err_and(|e| e.ends_with(end)), "{what}: {got:?}"),
        }
    }
}

#[test]
fn room_that_was_made_is_kept() {
    let mut model = cluster(vec![node("a", 1000)]);
    let info = |pod: Pod| Arc::new(PodInfo::new(Arc::new(pod)));
    model.nominate(info(important("p", 800, 10)), 0);
    let mut algorithm = Algorithm::new(Profile::standard());
    assert!(algorithm.schedule(&info(important("q", 500, 5)), &model).is_err(), "the room is p's");
    assert!(algorithm.schedule(&info(important("r", 500, 20)), &model).is_ok(), "r is more important");
    let p = info(important("p", 800, 10));
    assert_eq!(
        algorithm.schedule(&p, &model).map(|placed| placed.node).map_err(|e| e.unfit.to_string()),
        Ok(0)
    );
    model.assume(p, 0);
    assert!(model.node(0).nominated.is_empty(), "it is there now");
}
