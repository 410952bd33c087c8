//! A cluster's first objects, admission and rights.

use std::sync::Arc;
use std::time::Duration;

use corten_admission::Chain;
use corten_api::authentication::v1::UserInfo;
use corten_api::core::v1::{ConfigMap, Endpoints, Event, Namespace, Service};
use corten_api::discovery::v1::EndpointSlice;
use corten_api::networking::v1::ServiceCIDR;
use corten_api::rbac::v1::{ClusterRole, ClusterRoleBinding, PolicyRule, RoleRef, Subject};
use corten_api::scheduling::v1::PriorityClass;
use corten_apiserver::registry::{DeleteOptions, RequestContext, WriteOptions};
use corten_apiserver::{LocalTransport, bootstrap};
use corten_client::{Client, Informers, Key};
use corten_rt::sleep;
use corten_store::MemoryStore;

use crate::fixture::*;

const ADDRESS: &str = "192.0.2.7:6443";

async fn cluster() -> Cluster {
    let c = Cluster::with(Arc::new(MemoryStore::new()), Chain::standard()).await;
    bootstrap(&c.registry, ADDRESS.parse().expect("address"), &c.tasks).await.expect("bootstrapped");
    c
}

#[tokio::test(start_paused = true)]
async fn the_first_objects_are_made_once_and_kept() {
    let c = cluster().await;
    for name in ["default", "kube-system", "kube-public", "kube-node-lease"] {
        assert_eq!(c.get::<Namespace>("", name).await.expect("there").status.phase, "Active");
    }
    assert_eq!(c.get::<Service>("default", "kubernetes").await.expect("there").spec.cluster_ip, "10.96.0.1");
    let endpoints = c.get::<Endpoints>("default", "kubernetes").await.expect("there");
    assert_eq!(endpoints.subsets[0].addresses[0].ip, "192.0.2.7");
    let slice = c.get::<EndpointSlice>("default", "kubernetes").await.expect("there");
    assert_eq!(slice.ports[0].port, Some(6443));
    let class = c.get::<PriorityClass>("", "system-node-critical").await.expect("there");
    assert_eq!(class.value, 2_000_001_000);
    let cidr = c.get::<ServiceCIDR>("", "kubernetes").await.expect("there");
    assert_eq!(
        (cidr.spec.cidrs[0].as_str(), cidr.status.conditions[0].status.as_str()),
        ("10.96.0.0/16", "True")
    );
    c.get::<ClusterRole>("", "cluster-admin").await.expect("there");
    let admin = c.get::<ClusterRole>("", "admin").await.expect("there");
    assert!(admin.rules.len() > 10, "an aggregated role shows its rules");

    let before = c.revision().await;
    bootstrap(&c.registry, ADDRESS.parse().expect("address"), &c.tasks).await.expect("again");
    assert_eq!(c.revision().await, before, "a second start writes nothing");
    sleep(Duration::from_secs(600)).await;
    assert_eq!(c.revision().await, before, "nor does time");

    let mut weak = ClusterRole::clone(&*c.get::<ClusterRole>("", "cluster-admin").await.expect("there"));
    weak.rules.clear();
    c.update(weak).await.expect("updated");
    c.delete::<Endpoints>("default", "kubernetes", DeleteOptions::default()).await.expect("deleted");
    bootstrap(&c.registry, "192.0.2.8:6443".parse().expect("address"), &c.tasks).await.expect("again");
    assert!(!c.get::<ClusterRole>("", "cluster-admin").await.expect("there").rules.is_empty());
    let endpoints = c.get::<Endpoints>("default", "kubernetes").await.expect("there");
    assert_eq!(endpoints.subsets[0].addresses[0].ip, "192.0.2.8");
}

#[tokio::test(start_paused = true)]
async fn nothing_new_goes_into_a_namespace_that_ends_or_is_absent() {
    let c = cluster().await;
    let error = c.create(config("nowhere", "a", "x")).await.expect_err("absent");
    assert_eq!((error.code(), error.to_string().as_str()), (404, "namespaces \"nowhere\" not found"));
    c.create(Namespace { metadata: meta("", "short"), ..Namespace::default() }).await.expect("created");
    c.create(config("short", "a", "x")).await.expect("created");
    c.delete::<Namespace>("", "short", DeleteOptions::default()).await.expect("marked");
    let error = c.create(config("short", "b", "x")).await.expect_err("ending");
    assert_eq!(error.code(), 403);
    assert_eq!(error.status().details.as_ref().expect("details").causes[0].reason, "NamespaceTerminating");
    let error = c.delete::<Namespace>("", "default", DeleteOptions::default()).await.expect_err("immortal");
    assert_eq!(error.code(), 403);
}

#[tokio::test(start_paused = true)]
async fn components_call_in_process_with_their_own_rights() {
    let c = cluster().await;
    let alice = UserInfo { username: "alice".into(), ..UserInfo::default() };
    let client = Client::new(Arc::new(LocalTransport::new(c.registry.clone(), alice.clone())));
    let configs = client.namespaced::<ConfigMap>("default");
    let error = configs.get("a").await.expect_err("no rights yet");
    assert_eq!(
        error.to_string(),
        "configmaps \"a\" is forbidden: User \"alice\" cannot get resource \"configmaps\" in API group \"\" in the namespace \"default\""
    );
    let role = RoleRef {
        api_group: "rbac.authorization.k8s.io".into(),
        kind: "ClusterRole".into(),
        name: "edit".into(),
    };
    let subject = Subject {
        kind: "User".into(),
        name: "alice".into(),
        api_group: role.api_group.clone(),
        ..Default::default()
    };
    let binding = ClusterRoleBinding { metadata: meta("", "alice"), role_ref: role, subjects: vec![subject] };
    c.create(binding).await.expect("bound");
    let made = configs.create(config("default", "a", "x")).await.expect("at once");
    let read = configs.get("a").await.expect("there");
    assert_eq!(made, read);
    let entry =
        c.registry.get(&ctx(), &of::<ConfigMap>("default", "a"), &Default::default()).await.expect("there");
    assert!(std::ptr::addr_eq(Arc::as_ptr(&read), Arc::as_ptr(&entry.object())), "one object, shared");

    let context = RequestContext { user: Arc::new(alice), ..RequestContext::default() };
    let grab = ClusterRole {
        metadata: meta("", "grab"),
        rules: vec![PolicyRule {
            verbs: vec!["*".into()],
            api_groups: vec!["*".into()],
            resources: vec!["*".into()],
            ..Default::default()
        }],
        ..Default::default()
    };
    let error = c
        .registry
        .create(&context, &of::<ClusterRole>("", ""), Box::new(grab), &WriteOptions::default())
        .await;
    let error = error.expect_err("more than she has");
    assert!(
        error.to_string().contains("is attempting to grant RBAC permissions not currently held"),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn events_go_an_hour_after_they_were_written() {
    let c = cluster().await;
    let event = |name: &str| {
        let mut event = Event { metadata: meta("default", name), ..Event::default() };
        event.involved_object.namespace = "default".into();
        event
    };
    c.create(event("old")).await.expect("created");
    let again = c.create(event("seen-again")).await.expect("created");
    sleep(Duration::from_secs(1800)).await;
    let mut again = Event::clone(&again);
    again.count = 2;
    c.update(again).await.expect("updated");
    sleep(Duration::from_secs(1920)).await;
    assert!(c.get::<Event>("default", "old").await.is_err());
    c.get::<Event>("default", "seen-again").await.expect("written half an hour ago");
    sleep(Duration::from_secs(1920)).await;
    assert!(c.get::<Event>("default", "seen-again").await.is_err());
}

#[tokio::test(start_paused = true)]
async fn an_informer_follows_in_process_and_shares_the_objects() {
    let c = cluster().await;
    c.create(config("default", "before", "x")).await.expect("created");
    let admin = UserInfo { groups: vec!["system:masters".into()], ..UserInfo::default() };
    let client = Client::new(Arc::new(LocalTransport::new(c.registry.clone(), admin)));
    let informers = Informers::new(client, c.tasks.clone());
    let configs = informers.of::<ConfigMap>();
    configs.synced().await;
    let names = || configs.list().iter().map(|m| m.metadata.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(), ["before"]);
    c.create(config("default", "after", "x")).await.expect("created");
    c.delete::<ConfigMap>("default", "before", DeleteOptions::default()).await.expect("deleted");
    sleep(Duration::from_millis(10)).await;
    assert_eq!(names(), ["after"]);
    // Watches end after an hour at most; the informer goes on where it was.
    sleep(Duration::from_secs(2 * 3600)).await;
    let made = c.create(config("default", "later", "x")).await.expect("created");
    sleep(Duration::from_secs(1)).await;
    let seen = configs.get(&Key::of(&*made)).expect("seen");
    let entry = c.registry.get(&ctx(), &of::<ConfigMap>("default", "later"), &Default::default()).await;
    assert!(std::ptr::addr_eq(Arc::as_ptr(&seen), Arc::as_ptr(&entry.expect("there").object())));
}
