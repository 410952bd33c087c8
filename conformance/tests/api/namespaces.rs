//! The order in which a namespace is emptied.

use anyhow::{Result, ensure};
use corten_conformance::{pods, rest::is_refused, spec, wait};
use corten_rt::random;
use serde_json::{Value, json};

/// The condition of a namespace whose content is not yet gone.
fn is_stuck(namespace: &Value) -> bool {
    let conditions = namespace["status"]["conditions"].as_array().into_iter().flatten();
    namespace["status"]["phase"] == "Terminating"
        && conditions.into_iter().any(|c| c["type"] == "NamespaceDeletionContentFailure")
}

#[tokio::test]
async fn orderednamespacedeletion_pods_deleted_first() -> Result<()> {
    spec(async |cluster| {
        let name = format!("nsdeletetest-{}", random::name_suffix(5));
        cluster.new_namespace(&name).await?;
        let (namespaces, held) = (cluster.wide("v1", "namespaces"), cluster.resource_in(&name, "v1", "pods"));
        let maps = cluster.resource_in(&name, "v1", "configmaps");
        let mut pod = pods::pod("test-pod", &[pods::container("httpd")]);
        pod["metadata"]["finalizers"] = json!(["e2e.example.com/finalizer"]);
        held.create(&pod).await?;
        held.until("test-pod", "a running pod", |pod| pod["status"]["phase"] == "Running").await?;
        maps.create(&json!({"metadata": {"name": "test-configmap"}, "data": {"key": "value"}})).await?;
        namespaces.delete(&name).await?;
        namespaces.until(&name, "a namespace that waits for its pods", is_stuck).await?;
        let deleted = |pod: &Value| !pod["metadata"]["deletionTimestamp"].is_null();
        held.until("test-pod", "the pod's deletion", deleted).await?;
        ensure!(maps.get("test-configmap").await.is_ok(), "the ConfigMap went before the pod");
        held.change("test-pod", |pod| pod["metadata"]["finalizers"] = json!([])).await?;
        held.gone("test-pod").await?;
        let gone = async || Ok(is_refused(namespaces.get(&name).await, 404)?.then_some(()));
        wait("the end of the namespace", gone).await
    })
    .await
}
