//! Conditions on what webhooks are called for.

use anyhow::{Result, ensure};
use corten_conformance::hooks::Hooks;
use corten_conformance::rest::refusal;
use corten_conformance::{Cluster, spec};
use serde_json::{Value, json};

fn condition(name: &str, expression: &str) -> Value {
    json!({"name": name, "expression": expression})
}

/// A configuration that calls nobody: no server is needed to store it.
fn configuration(cluster: &Cluster, conditions: Value) -> Value {
    json!({
        "metadata": {"name": cluster.namespace},
        "webhooks": [{
            "name": "webhook-with-match-conditions.k8s.io",
            "rules": [{
                "operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"],
            }],
            "clientConfig": {"service": {
                "namespace": cluster.namespace, "name": "e2e-test-webhook", "path": "/always-deny", "port": 8443,
            }},
            "sideEffects": "None", "matchPolicy": "Equivalent", "admissionReviewVersions": ["v1"],
            "namespaceSelector": {"matchLabels": {&cluster.namespace: "true"}},
            "matchConditions": conditions,
        }],
    })
}

async fn stored(kind: &str) -> Result<()> {
    spec(async |cluster| {
        let all = cluster.wide("admissionregistration.k8s.io/v1", &format!("{kind}webhookconfigurations"));
        let one = json!([condition("expression-1", "object.metadata.namespace == 'production'")]);
        all.create(&configuration(cluster, one.clone())).await?;
        let result = async {
            let read = all.get(&cluster.namespace).await?;
            ensure!(read["webhooks"][0]["matchConditions"] == one, "{read}");
            let mut two = one.clone();
            if let Some(conditions) = two.as_array_mut() {
                conditions.push(condition("expression-2", "object.metadata.namespace == 'staging'"));
            }
            let set = |object: &mut Value| object["webhooks"][0]["matchConditions"] = two.clone();
            all.change(&cluster.namespace, set).await?;
            let read = all.get(&cluster.namespace).await?;
            ensure!(read["webhooks"][0]["matchConditions"] == two, "{read}");
            Ok(())
        }
        .await;
        all.delete(&cluster.namespace).await?;
        result
    })
    .await
}

#[tokio::test]
async fn admissionwebhook_validating_config_stores_matchconditions() -> Result<()> {
    stored("validating").await
}

#[tokio::test]
async fn admissionwebhook_mutating_config_stores_matchconditions() -> Result<()> {
    stored("mutating").await
}

async fn bad(kind: &str) -> Result<()> {
    spec(async |cluster| {
        let all = cluster.wide("admissionregistration.k8s.io/v1", &format!("{kind}webhookconfigurations"));
        let bad = json!([condition("invalid-expression-1", "... [] bad expression")]);
        let refused = refusal(all.create(&configuration(cluster, bad)).await)?;
        ensure!(refused.code == 422 && refused.status.contains("compilation failed"), "{refused}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn admissionwebhook_reject_bad_cel_validating() -> Result<()> {
    bad("validating").await
}

#[tokio::test]
async fn admissionwebhook_reject_bad_cel_mutating() -> Result<()> {
    bad("mutating").await
}

#[tokio::test]
async fn admissionwebhook_matchconditions_skip_me() -> Result<()> {
    let run = async |cluster: &Cluster, hooks: &Hooks<'_>| {
        let maps = ("", "v1", "configmaps");
        let mut hook = hooks.hook("adding-configmap-data-stage-1", "/mutating-configmaps", &["CREATE"], maps);
        hook["matchConditions"] = json!([condition("skip-me", "object.metadata.name != 'skip-me'")]);
        hooks.register("mutating", &[hook]).await?;
        let maps = cluster.resource("v1", "configmaps");
        let start = |name: &str| json!({"metadata": {"name": name}, "data": {"mutation-start": "yes"}});
        let made = maps.create(&start("any-name")).await?;
        let changed = json!({"mutation-start": "yes", "mutation-stage-1": "yes"});
        ensure!(made["data"] == changed, "{made}");
        let made = maps.create(&start("skip-me")).await?;
        ensure!(made["data"] == json!({"mutation-start": "yes"}), "{made}");
        Ok(())
    };
    spec(async |cluster| cluster.hooked(async |hooks| run(cluster, hooks).await).await).await
}
