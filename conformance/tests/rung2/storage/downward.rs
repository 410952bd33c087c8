//! What a pod is, as files, in a volume of its own kind and projected.

use anyhow::{Result, ensure};
use corten_api::core::v1::{ConfigMap, Pod, Secret};
use corten_conformance::{Cluster, pods, spec};
use serde_json::{Value, json};

/// Which of the two kinds of volume.
#[derive(Clone, Copy)]
enum Form {
    Plain,
    Projected,
}
use Form::{Plain, Projected};

impl Form {
    fn volume(self, items: Value, mode: Option<u32>) -> Value {
        let mut outer = match self {
            Plain => json!({"items": items}),
            Projected => json!({"sources": [{"downwardAPI": {"items": items}}]}),
        };
        if let Some(mode) = mode {
            outer["defaultMode"] = json!(mode);
        }
        match self {
            Plain => json!({"downwardAPI": outer}),
            Projected => json!({"projected": outer}),
        }
    }

    /// A pod whose container runs a command line beside the files of `/etc/podinfo`.
    fn pod(self, line: &str, items: Value, mode: Option<u32>) -> Value {
        let container = pods::mounting(pods::shell("client-container", line), &[("podinfo", "/etc/podinfo")]);
        let pod = pods::pod("downward", &[container]);
        pods::with_volumes(pod, &[("podinfo", self.volume(items, mode))])
    }
}

fn field(path: &str, of: &str) -> Value {
    json!({"path": path, "fieldRef": {"apiVersion": "v1", "fieldPath": of}})
}

fn amount(resource: &str) -> Value {
    json!([{"path": "amount", "resourceFieldRef": {"containerName": "client-container", "resource": resource}}])
}

async fn name(cluster: &Cluster, form: Form) -> Result<()> {
    let items = json!([field("podname", "metadata.name")]);
    cluster.prints(form.pod("cat /etc/podinfo/podname", items, None), &["downward"]).await
}

async fn mode(cluster: &Cluster, form: Form, default: Option<u32>, item: Option<u32>) -> Result<()> {
    let mut file = field("podname", "metadata.name");
    if let Some(item) = item {
        file["mode"] = json!(item);
    }
    let pod = form.pod("stat -L -c %a /etc/podinfo/podname", json!([file]), default);
    cluster.prints(pod, &["400"]).await
}

/// An amount of a container with requests and limits.
async fn given(cluster: &Cluster, form: Form, resource: &str, printed: &str) -> Result<()> {
    let mut pod = form.pod("cat /etc/podinfo/amount", amount(resource), None);
    pod["spec"]["containers"][0]["resources"] = json!({
        "requests": {"cpu": "250m", "memory": "32Mi"},
        "limits": {"cpu": "1250m", "memory": "128Mi"},
    });
    cluster.prints(pod, &[printed]).await
}

/// An amount of a container without: what the node has to give, in whole CPUs or bytes.
async fn allocatable(cluster: &Cluster, form: Form, resource: &str) -> Result<()> {
    let pod = form.pod("cat /etc/podinfo/amount", amount(resource), None);
    let (phase, output) = cluster.output_of(pod, "client-container").await?;
    let amount: u64 = output.trim().parse()?;
    ensure!(phase == "Succeeded" && amount > 0, "{phase}: {output:?}");
    Ok(())
}

/// Labels or annotations of a running pod change, and so does the file.
async fn updates(cluster: &Cluster, form: Form, what: &str) -> Result<()> {
    let line = "while :; do cat /etc/podinfo/file; echo; sleep 0.5; done";
    let mut pod = form.pod(line, json!([field("file", &format!("metadata.{what}"))]), None);
    pod["metadata"][what] = json!({"key1": "value1", "builder": "bar"});
    cluster.ready_pod(pod).await?;
    let says = async |text: &str| {
        cluster.until_logs("downward", "client-container", text, |logs| logs.contains(text)).await.map(drop)
    };
    says("key1=\"value1\"\n").await?;
    says("builder=\"bar\"\n").await?;
    cluster
        .change::<Pod>("downward", |pod| {
            let map = if what == "labels" { &mut pod.metadata.labels } else { &mut pod.metadata.annotations };
            map.insert("key3".into(), "value3".into());
            map.insert("builder".into(), "foo".into());
        })
        .await?;
    says("key3=\"value3\"\n").await?;
    says("builder=\"foo\"\n").await
}

#[tokio::test]
async fn downwardvolume_podname() -> Result<()> {
    spec(async |cluster| name(cluster, Plain).await).await
}

#[tokio::test]
async fn downwardvolume_defaultmode() -> Result<()> {
    spec(async |cluster| mode(cluster, Plain, Some(0o400), None).await).await
}

#[tokio::test]
async fn downwardvolume_item_mode() -> Result<()> {
    spec(async |cluster| mode(cluster, Plain, None, Some(0o400)).await).await
}

#[tokio::test]
async fn downwardvolume_cpu_limit() -> Result<()> {
    spec(async |cluster| given(cluster, Plain, "limits.cpu", "2").await).await
}

#[tokio::test]
async fn downwardvolume_cpu_request() -> Result<()> {
    spec(async |cluster| given(cluster, Plain, "requests.cpu", "1").await).await
}

#[tokio::test]
async fn downwardvolume_memory_limit() -> Result<()> {
    spec(async |cluster| given(cluster, Plain, "limits.memory", "134217728").await).await
}

#[tokio::test]
async fn downwardvolume_memory_request() -> Result<()> {
    spec(async |cluster| given(cluster, Plain, "requests.memory", "33554432").await).await
}

#[tokio::test]
async fn downwardvolume_cpu_allocatable_default() -> Result<()> {
    spec(async |cluster| allocatable(cluster, Plain, "limits.cpu").await).await
}

#[tokio::test]
async fn downwardvolume_memory_allocatable_default() -> Result<()> {
    spec(async |cluster| allocatable(cluster, Plain, "limits.memory").await).await
}

#[tokio::test]
async fn downwardvolume_labels_update() -> Result<()> {
    spec(async |cluster| updates(cluster, Plain, "labels").await).await
}

#[tokio::test]
async fn downwardvolume_annotations_update() -> Result<()> {
    spec(async |cluster| updates(cluster, Plain, "annotations").await).await
}

#[tokio::test]
async fn projecteddownward_podname() -> Result<()> {
    spec(async |cluster| name(cluster, Projected).await).await
}

#[tokio::test]
async fn projecteddownward_defaultmode() -> Result<()> {
    spec(async |cluster| mode(cluster, Projected, Some(0o400), None).await).await
}

#[tokio::test]
async fn projecteddownward_item_mode() -> Result<()> {
    spec(async |cluster| mode(cluster, Projected, None, Some(0o400)).await).await
}

#[tokio::test]
async fn projecteddownward_cpu_limit() -> Result<()> {
    spec(async |cluster| given(cluster, Projected, "limits.cpu", "2").await).await
}

#[tokio::test]
async fn projecteddownward_cpu_request() -> Result<()> {
    spec(async |cluster| given(cluster, Projected, "requests.cpu", "1").await).await
}

#[tokio::test]
async fn projecteddownward_memory_limit() -> Result<()> {
    spec(async |cluster| given(cluster, Projected, "limits.memory", "134217728").await).await
}

#[tokio::test]
async fn projecteddownward_memory_request() -> Result<()> {
    spec(async |cluster| given(cluster, Projected, "requests.memory", "33554432").await).await
}

#[tokio::test]
async fn projecteddownward_cpu_allocatable_default() -> Result<()> {
    spec(async |cluster| allocatable(cluster, Projected, "limits.cpu").await).await
}

#[tokio::test]
async fn projecteddownward_memory_allocatable_default() -> Result<()> {
    spec(async |cluster| allocatable(cluster, Projected, "limits.memory").await).await
}

#[tokio::test]
async fn projecteddownward_labels_update() -> Result<()> {
    spec(async |cluster| updates(cluster, Projected, "labels").await).await
}

#[tokio::test]
async fn projecteddownward_annotations_update() -> Result<()> {
    spec(async |cluster| updates(cluster, Projected, "annotations").await).await
}

#[tokio::test]
async fn projectedcombined_all_sources() -> Result<()> {
    spec(async |cluster| {
        let map = json!({"metadata": {"name": "map"}, "data": {"configmap-data": "configmap-value-1"}});
        cluster.create::<ConfigMap>(map).await?;
        let secret = json!({"metadata": {"name": "secret"}, "stringData": {"secret-data": "secret-value-1"}});
        cluster.create::<Secret>(secret).await?;
        let sources = json!([
            {"downwardAPI": {"items": [field("podname", "metadata.name")]}},
            {"secret": {"name": "secret"}},
            {"configMap": {"name": "map"}},
        ]);
        let line = "for f in podname secret-data configmap-data; do cat /all/$f || exit 1; echo; done";
        let container = pods::mounting(pods::shell("all", line), &[("podinfo", "/all")]);
        let projected = json!({"projected": {"sources": sources}});
        let pod = pods::with_volumes(pods::pod("combined", &[container]), &[("podinfo", projected)]);
        cluster.prints(pod, &["combined", "secret-value-1", "configmap-value-1"]).await
    })
    .await
}
