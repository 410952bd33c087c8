//! Which state reads show.

use corten_api::core::v1::ConfigMap;
use corten_apiserver::registry::{GetOptions, ListOptions};

use crate::fixture::*;

fn at(rv: &str, matches: &str) -> ListOptions {
    ListOptions { resource_version: rv.into(), resource_version_match: matches.into(), ..Default::default() }
}

#[tokio::test(start_paused = true)]
async fn lists_show_the_state_that_was_asked_for() {
    let c = Cluster::new().await;
    let a = c.create(config("ns", "a", "x")).await.expect("created");
    let b = c.create(config("ns", "b", "x")).await.expect("created");
    let (ra, rb) = (a.metadata.resource_version.as_str(), b.metadata.resource_version.as_str());
    let last: u64 = rb.parse().expect("number");
    let future = (last + 5).to_string();
    for (options, want) in [
        (at("", ""), Ok(2)),
        (at("0", ""), Ok(2)),
        (at(ra, ""), Ok(2)),
        (at(ra, "NotOlderThan"), Ok(2)),
        (at(ra, "Exact"), Ok(1)),
        (at(rb, "Exact"), Ok(2)),
        (at(&future, ""), Err(504)),
        (at(&future, "Exact"), Err(504)),
    ] {
        let got = c.names(options.clone()).await.map(|(names, _)| names.len()).map_err(|e| e.code());
        assert_eq!(got, want, "{options:?}");
    }
    let error = c.names(at(&future, "")).await.expect_err("future");
    assert_eq!(error.to_string(), format!("Timeout: Too large resource version: {future}, current: {last}"));
    let details = error.status().details.clone().expect("details");
    assert_eq!(
        (details.retry_after_seconds, details.causes[0].reason.as_str()),
        (1, "ResourceVersionTooLarge")
    );
    let get = GetOptions { resource_version: future.clone() };
    let error = c.registry.get(&ctx(), &of::<ConfigMap>("ns", "a"), &get).await.expect_err("future");
    assert_eq!(error.code(), 504);
    let error = c.get::<ConfigMap>("ns", "none").await.expect_err("absent");
    assert_eq!((error.code(), error.to_string().as_str()), (404, "configmaps \"none\" not found"));
}

#[tokio::test(start_paused = true)]
async fn a_write_is_read_at_once_and_by_everyone() {
    let c = Cluster::new().await;
    let writes = (0..50).map(|i| {
        let (c, name) = (&c, format!("m{i:02}"));
        async move {
            let made = c.create(config("ns", &name, "x")).await.expect("created");
            let read = c.get::<ConfigMap>("ns", &name).await.expect("there");
            assert_eq!(made, read);
            let (names, _) = c
                .names(ListOptions { resource_version: "0".into(), ..Default::default() })
                .await
                .expect("list");
            assert!(names.contains(&name), "even a read of any state shows it");
        }
    });
    futures::future::join_all(writes).await;
}

#[tokio::test(start_paused = true)]
async fn selectors_and_namespaces_narrow_lists() {
    let c = Cluster::new().await;
    for (ns, name, app) in [("a", "one", "x"), ("a", "two", "y"), ("a-b", "one", "x"), ("b", "one", "y")] {
        c.create(config(ns, name, app)).await.expect("created");
    }
    for (namespace, labels, fields, want) in [
        ("", "", "", 4),
        ("a", "", "", 2),
        ("", "app=x", "", 2),
        ("a", "app!=x", "", 1),
        ("", "", "metadata.name=one", 3),
        ("", "app=y", "metadata.namespace=b", 1),
        ("", "app in (x, y)", "metadata.name!=one", 1),
    ] {
        let o = ListOptions {
            label_selector: labels.into(),
            field_selector: fields.into(),
            ..Default::default()
        };
        let list = c.registry.list(&ctx(), &of::<ConfigMap>(namespace, ""), &o).await.expect("list");
        assert_eq!(list.items.len(), want, "{namespace} {labels} {fields}");
    }
    for (labels, fields) in [("a in b", ""), ("", "data.app=x"), ("", "x")] {
        let o = ListOptions {
            label_selector: labels.into(),
            field_selector: fields.into(),
            ..Default::default()
        };
        assert_eq!(c.names(o).await.expect_err("refused").code(), 400, "{labels} {fields}");
    }
}

#[tokio::test(start_paused = true)]
async fn revisions_that_concern_no_object_hold_no_read_up() {
    let c = Cluster::new().await;
    c.create(config("ns", "a", "x")).await.expect("created");
    c.store.txn(corten_store::Txn::create("/elsewhere", "1")).await.expect("done");
    let (names, revision) = c.names(ListOptions::default()).await.expect("at once");
    assert_eq!((names.len(), revision), (1, c.revision().await));
}
