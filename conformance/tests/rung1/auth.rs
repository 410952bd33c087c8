//! SIG Auth: service accounts.

use anyhow::{Context, Result, ensure};
use corten_api::authentication::v1::TokenReview;
use corten_api::core::v1::{ConfigMap, Node, Pod, ServiceAccount};
use corten_client::{DeleteOptions, Event, ListOptions, PatchType, WatchOptions};
use corten_conformance::{Cluster, object, pods, spec, value};
use corten_rt::timeout;
use futures::StreamExt;
use serde_json::json;
use std::time::Duration;

const ROOT: &str = "kube-root-ca.crt";

#[tokio::test]
async fn serviceaccounts_kube_root_ca_crt_in_every_ns() -> Result<()> {
    spec(async |cluster| {
        let whole = |map: &ConfigMap| map.data.len() == 1 && map.data.contains_key("ca.crt");
        let first = cluster.until::<ConfigMap>(ROOT, "the root certificate", whole).await?;
        ensure!(first.data["ca.crt"].contains("BEGIN CERTIFICATE"), "{:?}", first.data);
        cluster.api::<ConfigMap>().delete(ROOT, DeleteOptions::default()).await?;
        let again = |map: &ConfigMap| map.metadata.uid != first.metadata.uid && map.data == first.data;
        cluster.until::<ConfigMap>(ROOT, "the root certificate made again", again).await?;
        let spoil = |map: &mut ConfigMap| map.data = [("ca.crt".to_string(), String::new())].into();
        cluster.change::<ConfigMap>(ROOT, spoil).await?;
        let restored = |map: &ConfigMap| map.data == first.data;
        cluster.until::<ConfigMap>(ROOT, "the root certificate put right", restored).await.map(drop)
    })
    .await
}

#[tokio::test]
async fn serviceaccounts_api_token_mounted() -> Result<()> {
    const DIR: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
    spec(async |cluster| {
        cluster.create::<ServiceAccount>(json!({"metadata": {"name": "mount-test"}})).await?;
        let mut pod = pods::pod("reader", &[pods::container("httpd")]);
        pod["spec"]["serviceAccountName"] = json!("mount-test");
        let pod = cluster.ready_pod(pod).await?;
        let token = cluster.exec("reader", &format!("cat {DIR}/token")).await?;
        let namespace = cluster.exec("reader", &format!("cat {DIR}/namespace")).await?;
        ensure!(namespace == cluster.namespace, "namespace {namespace:?}");
        let root = cluster.api::<ConfigMap>().get(ROOT).await?;
        let mounted = cluster.exec("reader", &format!("cat {DIR}/ca.crt")).await?;
        ensure!(root.data.get("ca.crt") == Some(&mounted), "the mounted certificate is another");
        review(cluster, &token, &pod).await
    })
    .await
}

/// The token must be one of this pod's account, and tell where it is used.
async fn review(cluster: &Cluster, token: &str, pod: &Pod) -> Result<()> {
    let review = object::<TokenReview>(&json!({"spec": {"token": token}}))?;
    let status = value(&*cluster.client.all::<TokenReview>().create(review).await?)?["status"].take();
    let user = &status["user"];
    let name = format!("system:serviceaccount:{}:mount-test", cluster.namespace);
    ensure!(status["authenticated"] == true && user["username"] == *name, "{status}");
    let ours = format!("system:serviceaccounts:{}", cluster.namespace);
    for group in ["system:authenticated", "system:serviceaccounts", &ours] {
        ensure!(user["groups"].as_array().is_some_and(|all| all.iter().any(|g| g == group)), "{user}");
    }
    let node = cluster.client.all::<Node>().get(&pod.spec.node_name).await?;
    let extra = |key: &str| &user["extra"][format!("authentication.kubernetes.io/{key}")];
    for (key, expected) in [
        ("pod-name", &pod.metadata.name),
        ("pod-uid", &pod.metadata.uid),
        ("node-name", &node.metadata.name),
        ("node-uid", &node.metadata.uid),
    ] {
        ensure!(*extra(key) == json!([expected]), "{key} is {}", extra(key));
    }
    let credential = extra("credential-id")[0].as_str().unwrap_or_default();
    ensure!(credential.starts_with("JTI="), "credential-id is {credential:?}");
    Ok(())
}

#[tokio::test]
async fn serviceaccounts_lifecycle() -> Result<()> {
    spec(async |cluster| {
        let selector = "test-serviceaccount-static=true";
        let api = cluster.api::<ServiceAccount>();
        let options = WatchOptions { label_selector: selector.into(), ..WatchOptions::default() };
        let mut watch = api.watch(options).await?;
        let mut seen = async || {
            loop {
                let next = timeout(Duration::from_secs(30), watch.next()).await.context("no event")?;
                match next.context("the watch ended")?? {
                    Event::Bookmark { .. } => {}
                    event => return anyhow::Ok(event),
                }
            }
        };
        let labels = json!({"test-serviceaccount-static": "true"});
        cluster.create::<ServiceAccount>(json!({"metadata": {"name": "life", "labels": labels}})).await?;
        ensure!(matches!(seen().await?, Event::Added(_)), "no ADDED first");
        let patch = br#"{"automountServiceAccountToken":false}"#.to_vec();
        api.patch("life", PatchType::Strategic, patch).await?;
        let patched = seen().await?;
        let off = |a: &ServiceAccount| a.automount_service_account_token == Some(false);
        ensure!(matches!(&patched, Event::Modified(a) if off(a)), "{patched:?}");
        let options = ListOptions { label_selector: selector.into(), ..ListOptions::default() };
        let all = cluster.client.all::<ServiceAccount>().list(&options).await?.items;
        let ours = |a: &ServiceAccount| a.metadata.namespace == cluster.namespace && off(a);
        ensure!(all.iter().any(|a| a.metadata.name == "life" && ours(a)), "not listed");
        api.delete_collection(options, DeleteOptions::default()).await?;
        ensure!(matches!(seen().await?, Event::Deleted(_)), "no DELETED");
        cluster.gone::<ServiceAccount>("life").await
    })
    .await
}

#[tokio::test]
async fn serviceaccounts_update() -> Result<()> {
    spec(async |cluster| {
        let account = json!({"metadata": {"name": "e2e-sa"}, "automountServiceAccountToken": false});
        let made = cluster.create::<ServiceAccount>(account).await?;
        ensure!(made.automount_service_account_token == Some(false), "{made:?}");
        let on = |a: &mut ServiceAccount| a.automount_service_account_token = Some(true);
        let updated = cluster.change::<ServiceAccount>("e2e-sa", on).await?;
        ensure!(updated.automount_service_account_token == Some(true), "{updated:?}");
        Ok(())
    })
    .await
}
