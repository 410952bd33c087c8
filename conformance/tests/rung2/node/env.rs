//! Environment: of ConfigMaps and Secrets, of the pod itself, composed.

use anyhow::{Context, Result, ensure};
use corten_api::core::v1::{ConfigMap, Pod, Secret};
use corten_conformance::{Cluster, pods, spec};
use serde_json::{Value, json};

/// A pod that prints its environment and ends.
fn printer(field: &str, env: Value) -> Value {
    let mut container = pods::container("env-test");
    // Without a shell, which drops what is no shell variable.
    container["command"] = json!(["env"]);
    container[field] = env;
    pods::pod("printer", &[container])
}

/// Sources of the object `origin`, each with a prefix, and what they give.
fn prefixed(reference: &str, prefixes: &[&str]) -> (Value, Vec<String>) {
    let sources = prefixes.iter().map(|p| json!({"prefix": p, reference: {"name": "origin"}})).collect();
    let lines = prefixes.iter().flat_map(|p| (1..=3).map(move |i| format!("{p}data-{i}=value-{i}")));
    (sources, lines.collect())
}

async fn origins(cluster: &Cluster) -> Result<()> {
    let data = json!({"data-1": "value-1", "data-2": "value-2", "data-3": "value-3"});
    cluster.create::<ConfigMap>(json!({"metadata": {"name": "origin"}, "data": data})).await?;
    cluster.create::<Secret>(json!({"metadata": {"name": "origin"}, "stringData": data})).await?;
    Ok(())
}

const ODD: &[&str] = &["", "1-", "$_-", "ABC_", "#@!"];

#[tokio::test]
async fn configmap_envfrom_odd_prefixes() -> Result<()> {
    spec(async |cluster| {
        origins(cluster).await?;
        let (sources, lines) = prefixed("configMapRef", ODD);
        cluster.prints(printer("envFrom", sources), &lines).await
    })
    .await
}

#[tokio::test]
async fn secrets_envfrom_odd_prefixes() -> Result<()> {
    spec(async |cluster| {
        origins(cluster).await?;
        let (sources, lines) = prefixed("secretRef", ODD);
        cluster.prints(printer("envFrom", sources), &lines).await
    })
    .await
}

#[tokio::test]
async fn secrets_envfrom() -> Result<()> {
    spec(async |cluster| {
        origins(cluster).await?;
        let (sources, lines) = prefixed("secretRef", &["", "p-"]);
        cluster.prints(printer("envFrom", sources), &lines).await
    })
    .await
}

/// What `env` of the pod's fields and of its container's resources gives: name and value of each variable.
async fn downward(cluster: &Cluster, env: Value, resources: Value) -> Result<(std::sync::Arc<Pod>, String)> {
    let mut pod = printer("env", env);
    pod["spec"]["containers"][0]["resources"] = resources;
    let (phase, output) = cluster.output_of(pod, "env-test").await?;
    ensure!(phase == "Succeeded", "{phase}: {output}");
    Ok((cluster.api::<Pod>().get("printer").await?, output))
}

fn field(name: &str, path: &str) -> Value {
    json!({"name": name, "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": path}}})
}

fn amount(name: &str, resource: &str) -> Value {
    json!({"name": name, "valueFrom": {"resourceFieldRef": {"resource": resource}}})
}

fn variable<'a>(output: &'a str, name: &str) -> Result<&'a str> {
    let line = output.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    line.with_context(|| format!("no {name} in {output}"))
}

fn given() -> Value {
    json!({"requests": {"cpu": "250m", "memory": "32Mi"}, "limits": {"cpu": "1250m", "memory": "64Mi"}})
}

#[tokio::test]
async fn downwardapienv_name_namespace_ip() -> Result<()> {
    spec(async |cluster| {
        let env = json!([
            field("POD_NAME", "metadata.name"),
            field("POD_NAMESPACE", "metadata.namespace"),
            field("POD_IP", "status.podIP"),
        ]);
        let (pod, output) = downward(cluster, env, given()).await?;
        ensure!(variable(&output, "POD_NAME")? == "printer", "{output}");
        ensure!(variable(&output, "POD_NAMESPACE")? == cluster.namespace, "{output}");
        let address = variable(&output, "POD_IP")?;
        ensure!(address.parse::<std::net::IpAddr>().is_ok(), "{output}");
        ensure!(pod.status.pod_ip.is_empty() || pod.status.pod_ip == address, "{:?}: {output}", pod.status);
        Ok(())
    })
    .await
}

/// A variable of the node's address.
async fn host(cluster: &Cluster, path: &str) -> Result<()> {
    let (pod, output) = downward(cluster, json!([field("HOST_IP", path)]), given()).await?;
    let address = variable(&output, "HOST_IP")?;
    ensure!(address == pod.status.host_ip && !address.is_empty(), "{:?}: {output}", pod.status.host_ip);
    Ok(())
}

#[tokio::test]
async fn downwardapienv_hostip() -> Result<()> {
    spec(async |cluster| host(cluster, "status.hostIP").await).await
}

#[tokio::test]
async fn downwardapienv_hostips() -> Result<()> {
    spec(async |cluster| host(cluster, "status.hostIPs").await).await
}

const AMOUNTS: [(&str, &str); 4] = [
    ("CPU_LIMIT", "limits.cpu"),
    ("MEMORY_LIMIT", "limits.memory"),
    ("CPU_REQUEST", "requests.cpu"),
    ("MEMORY_REQUEST", "requests.memory"),
];

#[tokio::test]
async fn downwardapienv_limits_requests() -> Result<()> {
    spec(async |cluster| {
        let env = AMOUNTS.iter().map(|(name, resource)| amount(name, resource)).collect();
        let (_, output) = downward(cluster, env, given()).await?;
        let values: Vec<_> =
            AMOUNTS.iter().map(|(name, _)| variable(&output, name)).collect::<Result<_>>()?;
        ensure!(values == ["2", "67108864", "1", "33554432"], "{values:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn downwardapienv_default_allocatable() -> Result<()> {
    spec(async |cluster| {
        let env = AMOUNTS[..2].iter().map(|(name, resource)| amount(name, resource)).collect();
        let (_, output) = downward(cluster, env, json!({})).await?;
        for (name, _) in &AMOUNTS[..2] {
            ensure!(variable(&output, name)?.parse::<u64>()? > 0, "{output}");
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn downwardapienv_uid() -> Result<()> {
    spec(async |cluster| {
        let (pod, output) = downward(cluster, json!([field("POD_UID", "metadata.uid")]), given()).await?;
        ensure!(variable(&output, "POD_UID")? == pod.metadata.uid, "{output}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn expansion_env_composition() -> Result<()> {
    spec(async |cluster| {
        let env = json!([
            {"name": "FOO", "value": "foo-value"},
            {"name": "BAR", "value": "bar-value"},
            {"name": "FOOBAR", "value": "$(FOO);;$(BAR)"},
        ]);
        let lines = ["FOO=foo-value", "BAR=bar-value", "FOOBAR=foo-value;;bar-value"];
        cluster.prints(printer("env", env), &lines).await
    })
    .await
}

const WRONG: &str = "TEST_VAR=wrong echo \"$(TEST_VAR)\"";

async fn substituted(cluster: &Cluster, command: Value, args: Value) -> Result<()> {
    let mut pod = printer("env", json!([{"name": "TEST_VAR", "value": "test-value"}]));
    pod["spec"]["containers"][0]["command"] = command;
    pod["spec"]["containers"][0]["args"] = args;
    cluster.prints(pod, &["test-value"]).await
}

#[tokio::test]
async fn expansion_command() -> Result<()> {
    spec(async |cluster| substituted(cluster, json!(["sh", "-c", WRONG]), Value::Null).await).await
}

#[tokio::test]
async fn expansion_args() -> Result<()> {
    spec(async |cluster| substituted(cluster, json!(["sh", "-c"]), json!([WRONG])).await).await
}
