//! Deleting: finalizers, grace, propagation, preconditions.

use corten_api::apps::v1::Deployment;
use corten_api::core::v1::{ConfigMap, Namespace, Pod, ReplicationController};
use corten_api::meta::v1::Preconditions;
use corten_apiserver::registry::{Body, DeleteOptions, ListOptions, WatchOptions};

use crate::fixture::*;

fn grace(seconds: i64) -> DeleteOptions {
    DeleteOptions { grace_period_seconds: Some(seconds), ..DeleteOptions::default() }
}

fn policy(policy: &str) -> DeleteOptions {
    DeleteOptions { propagation_policy: Some(policy.into()), ..DeleteOptions::default() }
}

#[tokio::test(start_paused = true)]
async fn a_deletion_answers_with_what_is_gone() {
    let c = Cluster::new().await;
    let made = c.create(config("ns", "a", "x")).await.expect("created");
    let reply = c.delete::<ConfigMap>("ns", "a", DeleteOptions::default()).await.expect("deleted");
    let Body::Status(status) = reply.body else { panic!("a status") };
    let details = status.details.expect("details");
    assert_eq!(
        (status.status.as_str(), details.name.as_str(), details.kind.as_str()),
        ("Success", "a", "configmaps")
    );
    assert_eq!(details.uid, made.metadata.uid);
    let again = c.delete::<ConfigMap>("ns", "a", DeleteOptions::default()).await.expect_err("gone");
    assert_eq!(again.code(), 404);
}

#[tokio::test(start_paused = true)]
async fn preconditions_hold_it_back() {
    let c = Cluster::new().await;
    let made = c.create(config("ns", "a", "x")).await.expect("created");
    let only = |uid: Option<&str>, rv: Option<&str>| DeleteOptions {
        preconditions: Some(Preconditions { uid: uid.map(Into::into), resource_version: rv.map(Into::into) }),
        ..DeleteOptions::default()
    };
    let uid = made.metadata.uid.as_str();
    let rv = &made.metadata.resource_version;
    for (o, message) in [
        (
            only(Some("u"), None),
            format!(
                "the UID in the precondition (u) does not match the UID in record ({uid}). The object might have been deleted and then recreated"
            ),
        ),
        (
            only(Some(uid), Some("1")),
            format!(
                "the ResourceVersion in the precondition (1) does not match the ResourceVersion in record ({rv}). The object might have been modified"
            ),
        ),
    ] {
        let error = c.delete::<ConfigMap>("ns", "a", o).await.expect_err("refused");
        assert_eq!(error.to_string(), format!("Operation cannot be fulfilled on ConfigMap \"a\": {message}"));
        assert_eq!((error.code(), error.reason()), (409, "Conflict"));
    }
    c.delete::<ConfigMap>("ns", "a", only(Some(uid), Some(&made.metadata.resource_version)))
        .await
        .expect("deleted");
}

#[tokio::test(start_paused = true)]
async fn finalizers_hold_an_object_until_the_last_is_gone() {
    let c = Cluster::new().await;
    let mut map = config("ns", "a", "x");
    map.metadata.finalizers = vec!["example.com/one".into(), "example.com/two".into()];
    c.create(map).await.expect("created");
    let marked =
        typed::<ConfigMap>(c.delete::<ConfigMap>("ns", "a", DeleteOptions::default()).await.expect("marked"));
    assert_eq!(marked.metadata.deletion_grace_period_seconds, Some(0));
    assert!(marked.metadata.deletion_timestamp.is_some());
    let before = c.revision().await;
    c.delete::<ConfigMap>("ns", "a", DeleteOptions::default()).await.expect("pending");
    assert_eq!(c.revision().await, before, "a second deletion changes nothing");
    let mut watch = c
        .watch::<ConfigMap>(WatchOptions { resource_version: before.to_string(), ..Default::default() })
        .await;
    let mut less = ConfigMap::clone(&marked);
    less.metadata.finalizers.remove(0);
    let less = c.update(less).await.expect("updated");
    let mut none = ConfigMap::clone(&less);
    none.metadata.finalizers.clear();
    c.update(none).await.expect("the last finalizer's removal is answered with the object");
    assert_eq!(next(&mut watch).await, format!("MODIFIED a {}", before + 1));
    assert_eq!(next(&mut watch).await, format!("DELETED a {}", before + 2));
    assert_eq!(c.get::<ConfigMap>("ns", "a").await.expect_err("gone").code(), 404);
}

#[tokio::test(start_paused = true)]
async fn propagation_becomes_finalizers() {
    let c = Cluster::new().await;
    for (name, o, want) in [
        ("a", policy("Foreground"), Some("foregroundDeletion")),
        ("b", policy("Orphan"), Some("orphan")),
        ("c", policy("Background"), None),
        ("d", DeleteOptions { orphan_dependents: Some(true), ..Default::default() }, Some("orphan")),
    ] {
        c.create(config("ns", name, "x")).await.expect("created");
        c.delete::<ConfigMap>("ns", name, o).await.expect("deleted");
        let left = c.get::<ConfigMap>("ns", name).await.ok().map(|m| m.metadata.finalizers.join(","));
        assert_eq!(left.as_deref(), want, "{name}");
    }
    let foreground = DeleteOptions { orphan_dependents: Some(false), ..DeleteOptions::default() };
    let mut held = config("ns", "held", "x");
    held.metadata.finalizers.push("example.com/f".into());
    for (map, code) in [(config("ns", "free", "x"), 200), (held, 202)] {
        let name = map.metadata.name.clone();
        c.create(map).await.expect("created");
        let reply = c.delete::<ConfigMap>("ns", &name, foreground.clone()).await.expect("deleted");
        assert_eq!((reply.code, reply.deleted), (code, code == 200), "{name}");
    }
    for o in [policy("Sometimes"), DeleteOptions { orphan_dependents: Some(true), ..policy("Orphan") }] {
        assert_eq!(c.delete::<ConfigMap>("ns", "a", o).await.expect_err("refused").code(), 422);
    }
    c.delete::<ConfigMap>("ns", "a", policy("Background")).await.expect("another policy lets it go");
    assert!(c.get::<ConfigMap>("ns", "a").await.is_err());
    let mut rc = ReplicationController { metadata: meta("ns", "rc"), ..Default::default() };
    rc.spec.selector.insert("a".into(), "b".into());
    let mut template =
        corten_api::core::v1::PodTemplateSpec { spec: pod("x", "").spec, ..Default::default() };
    template.metadata.labels.insert("a".into(), "b".into());
    rc.spec.template = Some(Box::new(template));
    c.create(rc).await.expect("created");
    c.delete::<ReplicationController>("ns", "rc", DeleteOptions::default()).await.expect("deleted");
    let rc = c.get::<ReplicationController>("ns", "rc").await.expect("its pods are orphaned first");
    assert_eq!(rc.metadata.finalizers, ["orphan"]);
}

#[tokio::test(start_paused = true)]
async fn pods_are_given_time() {
    let c = Cluster::new().await;
    // Name, node, phase, options, then the grace that is left (None: gone).
    for (name, node, phase, o, want) in [
        ("usual", "n", "", DeleteOptions::default(), Some(30)),
        ("asked", "n", "Running", grace(5), Some(5)),
        ("forced", "n", "Running", grace(0), None),
        ("unscheduled", "", "", DeleteOptions::default(), None),
        ("ended", "n", "Succeeded", DeleteOptions::default(), None),
        ("negative", "n", "", grace(-3), Some(1)),
    ] {
        let made = c.create(pod(name, node)).await.expect("created");
        if !phase.is_empty() {
            let mut ended = Pod::clone(&made);
            ended.status.phase = phase.into();
            c.update_part(ended, "status").await.expect("updated");
        }
        c.delete::<Pod>("default", name, o).await.expect("deleted");
        let left = c.get::<Pod>("default", name).await.ok();
        assert_eq!(left.as_ref().and_then(|p| p.metadata.deletion_grace_period_seconds), want, "{name}");
        if let (Some(left), Some(grace)) = (left, want) {
            let at = left.metadata.deletion_timestamp.expect("set").seconds();
            assert_eq!(
                at,
                "2026-01-01T00:00:00Z".parse::<corten_api::Time>().expect("time").seconds() + grace
            );
            assert_eq!(left.metadata.generation, 2);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn grace_only_gets_shorter() {
    let c = Cluster::new().await;
    c.create(pod("a", "n")).await.expect("created");
    for (o, want) in
        [(grace(20), 20), (grace(25), 20), (DeleteOptions::default(), 20), (grace(5), 5), (grace(6), 5)]
    {
        let left = typed::<Pod>(c.delete::<Pod>("default", "a", o).await.expect("deleted"));
        assert_eq!(left.metadata.deletion_grace_period_seconds, Some(want));
        assert_eq!(
            left.metadata.deletion_timestamp.map(|t| t.to_string()),
            Some(format!("2026-01-01T00:00:{want:02}Z"))
        );
    }
    c.delete::<Pod>("default", "a", grace(0)).await.expect("the kubelet is done");
    assert!(c.get::<Pod>("default", "a").await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_grace_that_is_over_is_not_moved_into_the_past() {
    let c = Cluster::new().await;
    c.create(pod("a", "n")).await.expect("created");
    c.delete::<Pod>("default", "a", grace(30)).await.expect("marked");
    corten_rt::sleep(std::time::Duration::from_secs(20)).await;
    let left = typed::<Pod>(c.delete::<Pod>("default", "a", grace(10)).await.expect("shortened"));
    assert_eq!(left.metadata.deletion_grace_period_seconds, Some(1));
    assert_eq!(
        left.metadata.deletion_timestamp.map(|t| t.to_string()).as_deref(),
        Some("2026-01-01T00:00:20Z")
    );
}

#[tokio::test(start_paused = true)]
async fn a_namespace_goes_after_its_finalizer() {
    let c = Cluster::new().await;
    c.create(Namespace { metadata: meta("", "ns"), ..Namespace::default() }).await.expect("created");
    let going =
        typed::<Namespace>(c.delete::<Namespace>("", "ns", DeleteOptions::default()).await.expect("marked"));
    assert_eq!(going.status.phase, "Terminating");
    assert!(going.metadata.deletion_timestamp.is_some());
    c.delete::<Namespace>("", "ns", DeleteOptions::default()).await.expect("pending");
    let mut done = Namespace::clone(&going);
    done.spec.finalizers.clear();
    c.update_part(done, "finalize").await.expect("finalized");
    assert!(c.get::<Namespace>("", "ns").await.is_err());
}

#[tokio::test(start_paused = true)]
async fn collections_are_deleted_by_selection() {
    let c = Cluster::new().await;
    for (ns, name, app) in [("a", "one", "x"), ("a", "two", "y"), ("a", "three", "x"), ("b", "one", "x")] {
        c.create(config(ns, name, app)).await.expect("created");
    }
    let selection = ListOptions { label_selector: "app=x".into(), ..Default::default() };
    let gone = c
        .registry
        .delete_collection(&ctx(), &of::<ConfigMap>("a", ""), &selection, &DeleteOptions::default())
        .await;
    assert_eq!(gone.expect("deleted").items.len(), 2);
    assert_eq!(c.names(ListOptions::default()).await.expect("list").0, ["two", "one"]);
}

#[tokio::test(start_paused = true)]
async fn what_counts_generations_counts_its_deletion() {
    let c = Cluster::new().await;
    let mut d = Deployment { metadata: meta("ns", "d"), ..Deployment::default() };
    d.spec.template.spec = pod("x", "").spec;
    d.spec.template.metadata.labels.insert("a".into(), "b".into());
    let selector = corten_api::meta::v1::LabelSelector {
        match_labels: d.spec.template.metadata.labels.clone(),
        ..Default::default()
    };
    d.spec.selector = Some(Box::new(selector));
    let made = c.create(d).await.expect("created");
    assert_eq!(made.metadata.generation, 1);
    let marked = c.delete::<Deployment>("ns", "d", policy("Foreground")).await.expect("marked");
    assert_eq!(typed::<Deployment>(marked).metadata.generation, 2);
}
