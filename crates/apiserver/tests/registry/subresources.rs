//! Scale, binding, eviction, and the two faces of Events.

use std::sync::Arc;

use corten_api::apps::v1::Deployment;
use corten_api::autoscaling::v1::Scale;
use corten_api::core::v1::{Binding, Event, Pod};
use corten_api::policy::v1::{Eviction, PodDisruptionBudget};
use corten_api::{Kind, Object, autoscaling, events};
use corten_apiserver::registry::{Body, GetOptions, ListOptions, PatchType, Target, WriteOptions};

use crate::fixture::*;

async fn deployment(c: &Cluster) -> Arc<Deployment> {
    let mut d = Deployment { metadata: meta("ns", "d"), ..Deployment::default() };
    d.spec.template.spec = pod("x", "").spec;
    d.spec.template.metadata.labels.insert("a".into(), "b".into());
    let labels = d.spec.template.metadata.labels.clone();
    let selector = corten_api::meta::v1::LabelSelector { match_labels: labels, ..Default::default() };
    d.spec.selector = Some(Box::new(selector));
    c.create(d).await.expect("created")
}

#[tokio::test(start_paused = true)]
async fn replicas_are_set_through_scale() {
    let c = Cluster::new().await;
    let made = deployment(&c).await;
    let target = Target { subresource: "scale", ..of::<Deployment>("ns", "d") };
    let entry = c.registry.get(&ctx(), &target, &GetOptions::default()).await.expect("there");
    let object = entry.object();
    let mut scale = object.downcast_ref::<Scale>().expect("a Scale").clone();
    assert_eq!((scale.spec.replicas, scale.status.selector.as_str()), (1, "a=b"));
    assert_eq!(scale.metadata.resource_version, made.metadata.resource_version);
    scale.spec.replicas = 3;
    let o = WriteOptions::default();
    let reply = c.registry.update(&ctx(), &target, Box::new(scale.clone()), &o).await.expect("scaled");
    assert_eq!(typed::<Scale>(reply).spec.replicas, 3);
    let stale = c.registry.update(&ctx(), &target, Box::new(scale.clone()), &o).await.expect_err("stale");
    assert_eq!(stale.reason(), "Conflict");
    let patch = (PatchType::Merge, br#"{"spec":{"replicas":5}}"#.as_slice());
    let reply = c.registry.patch(&ctx(), &target, patch, &o).await.expect("patched");
    assert_eq!(typed::<Scale>(reply).spec.replicas, 5);
    let d = c.get::<Deployment>("ns", "d").await.expect("there");
    assert_eq!((d.spec.replicas, d.metadata.generation), (Some(5), 3));
    scale.metadata.resource_version.clear();
    scale.spec.replicas = -1;
    let error = c.registry.update(&ctx(), &target, Box::new(scale), &o).await.expect_err("refused");
    assert_eq!(
        error.to_string(),
        "Scale.autoscaling \"d\" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0"
    );
}

#[tokio::test(start_paused = true)]
async fn a_pod_is_bound_once() {
    let c = Cluster::new().await;
    c.create(pod("p", "")).await.expect("created");
    let bind = |node: &str| {
        let mut binding = Binding { metadata: meta("default", "p"), ..Binding::default() };
        binding.target.kind = "Node".into();
        binding.target.name = node.into();
        binding
    };
    let target = Target { subresource: "binding", ..of::<Pod>("default", "p") };
    let o = WriteOptions::default();
    let reply = c.registry.create(&ctx(), &target, Box::new(bind("n1")), &o).await.expect("bound");
    assert!(matches!((reply.code, reply.body), (201, Body::Status(s)) if s.status == "Success"));
    let bound = c.get::<Pod>("default", "p").await.expect("there");
    assert_eq!(bound.spec.node_name, "n1");
    let scheduled = bound.status.conditions.iter().find(|c| c.type_ == "PodScheduled").expect("condition");
    assert_eq!(scheduled.status, "True");
    let error =
        c.registry.create(&ctx(), &target, Box::new(bind("n2")), &o).await.expect_err("bound already");
    assert_eq!(
        error.to_string(),
        "Operation cannot be fulfilled on pods/binding \"p\": pod p is already assigned to node \"n1\""
    );
    let missing = Target { name: "q".into(), ..target };
    let error = c.registry.create(&ctx(), &missing, Box::new(bind("n2")), &o).await.expect_err("absent");
    assert_eq!(error.to_string(), "pods \"q\" not found");
}

#[tokio::test(start_paused = true)]
async fn an_eviction_deletes_within_the_budget() {
    let c = Cluster::new().await;
    let mut budget = PodDisruptionBudget { metadata: meta("default", "b"), ..Default::default() };
    budget.spec.selector = Some(Box::default());
    budget.spec.min_available = Some(corten_api::IntOrString::Int(1));
    let made = c.create(budget).await.expect("created");
    let mut allowed = PodDisruptionBudget::clone(&made);
    allowed.status.observed_generation = made.metadata.generation;
    allowed.status.disruptions_allowed = 1;
    c.update_part(allowed, "status").await.expect("updated");
    for name in ["p", "q"] {
        let mut running = Pod::clone(&*c.create(pod(name, "n")).await.expect("created"));
        running.status.phase = "Running".into();
        c.update_part(running, "status").await.expect("updated");
    }
    let evict = async |name: &str, in_url: &str, dry_run| {
        let target = Target { subresource: "eviction", ..of::<Pod>("default", in_url) };
        let eviction = Eviction { metadata: meta("default", name), ..Eviction::default() };
        let o = WriteOptions { dry_run, ..WriteOptions::default() };
        c.registry.create(&ctx(), &target, Box::new(eviction), &o).await.map(|r| r.code)
    };
    assert_eq!(evict("p", "q", false).await.expect_err("refused").code(), 400);
    assert_eq!(evict("p", "p", true).await, Ok(201));
    assert_eq!(evict("p", "p", false).await, Ok(201));
    let going = c.get::<Pod>("default", "p").await.expect("going");
    assert!(going.metadata.deletion_timestamp.is_some());
    assert!(going.status.conditions.iter().any(|c| c.type_ == "DisruptionTarget" && c.status == "True"));
    let charged = c.get::<PodDisruptionBudget>("default", "b").await.expect("there");
    assert_eq!((charged.status.disruptions_allowed, charged.status.disrupted_pods.len()), (0, 1));
    let refused = evict("q", "q", false).await.expect_err("no room");
    assert_eq!((refused.code(), refused.reason()), (429, "TooManyRequests"));
    assert_eq!(evict("p", "p", false).await, Ok(201), "a pod that goes already costs nothing");
}

#[tokio::test(start_paused = true)]
async fn one_event_has_two_faces() {
    let c = Cluster::new().await;
    let mut event = Event { metadata: meta("ns", "e"), ..Event::default() };
    event.involved_object.namespace = "ns".into();
    event.involved_object.kind = "Pod".into();
    event.message = "said".into();
    event.reason = "Because".into();
    event.type_ = "Normal".into();
    let made = c.create(event).await.expect("created");
    let seen = c.get::<events::v1::Event>("ns", "e").await.expect("there");
    assert_eq!((seen.note.as_str(), seen.regarding.kind.as_str()), ("said", "Pod"));
    assert_eq!(seen.metadata, made.metadata);
    let list =
        c.registry.list(&ctx(), &of::<events::v1::Event>("", ""), &Default::default()).await.expect("list");
    assert_eq!(list.items[0].kind(), <events::v1::Event as Kind>::INFO);
    for (field, want) in [("regarding.kind=Pod", 1), ("regarding.kind=Node", 0), ("reason=Because", 1)] {
        let o = ListOptions { field_selector: field.into(), ..ListOptions::default() };
        let found = c.registry.list(&ctx(), &of::<events::v1::Event>("ns", ""), &o).await.expect("list");
        assert_eq!(found.items.len(), want, "{field}");
    }
    let o = ListOptions { field_selector: "involvedObject.kind=Pod".into(), ..ListOptions::default() };
    assert_eq!(c.registry.list(&ctx(), &of::<Event>("ns", ""), &o).await.expect("list").items.len(), 1);
    let text = String::from_utf8(list.items[0].json().to_vec()).expect("text");
    assert!(
        text.contains("\"apiVersion\":\"events.k8s.io/v1\"") && text.contains("\"note\":\"said\""),
        "{text}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_autoscaler_has_two_versions() {
    let c = Cluster::new().await;
    type One = autoscaling::v1::HorizontalPodAutoscaler;
    type Two = autoscaling::v2::HorizontalPodAutoscaler;
    let mut hpa = One { metadata: meta("ns", "h"), ..One::default() };
    hpa.spec.max_replicas = 3;
    hpa.spec.scale_target_ref.kind = "Deployment".into();
    hpa.spec.scale_target_ref.name = "d".into();
    hpa.spec.scale_target_ref.api_version = "apps/v1".into();
    hpa.spec.target_cpu_utilization_percentage = Some(50);
    let made = c.create(hpa).await.expect("created");
    assert_eq!(made.spec.target_cpu_utilization_percentage, Some(50));
    let two = c.get::<Two>("ns", "h").await.expect("there");
    assert_eq!(two.spec.metrics[0].resource.as_ref().expect("resource").target.average_utilization, Some(50));
    assert_eq!(two.info(), <Two as Kind>::INFO);
}
