//! As whom containers run, and what they may not.

use anyhow::{Result, ensure};
use corten_api::core::v1::Pod;
use corten_conformance::{Cluster, helper, object, pods, spec};
use serde_json::{Value, json};

fn with(mut container: Value, context: Value) -> Value {
    container["securityContext"] = context;
    container
}

async fn succeeds(cluster: &Cluster, container: Value) -> Result<String> {
    let name = container["name"].as_str().unwrap_or_default().to_string();
    let (phase, output) = cluster.output_of(pods::pod("secured", &[container]), &name).await?;
    ensure!(phase == "Succeeded", "{phase}: {output}");
    Ok(output)
}

#[tokio::test]
async fn securitycontext_runasuser_65534() -> Result<()> {
    spec(async |cluster| {
        let container = with(pods::shell("user", "id -u"), json!({"runAsUser": 65534}));
        let output = succeeds(cluster, container).await?;
        ensure!(output.trim() == "65534", "{output:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn securitycontext_readonlyrootfilesystem_false() -> Result<()> {
    spec(async |cluster| {
        let container = pods::shell("rootfs", "touch checkfile && test -f checkfile");
        succeeds(cluster, with(container, json!({"readOnlyRootFilesystem": false}))).await.map(drop)
    })
    .await
}

#[tokio::test]
async fn securitycontext_privileged_false() -> Result<()> {
    spec(async |cluster| {
        let container = pods::shell("privileged", "ip link add dummy0 type dummy || true");
        let output = succeeds(cluster, with(container, json!({"privileged": false}))).await?;
        ensure!(output.contains("Operation not permitted"), "{output:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn securitycontext_allowprivilegeescalation_false() -> Result<()> {
    spec(async |cluster| {
        cluster.bring_helper().await?;
        // Root makes the program set its user id, in a directory of both containers.
        let setuid = "cp /tmp/helper /shared/nnp && chmod 4755 /shared/nnp";
        let mut root = helper::helped("root", setuid);
        let shared = json!({"name": "shared", "mountPath": "/shared"});
        if let Some(mounts) = root["volumeMounts"].as_array_mut() {
            mounts.push(shared);
        }
        for (name, allowed, id) in [("forbidden", false, 1000), ("allowed", true, 0)] {
            let user = pods::mounting(pods::shell("user", "/shared/nnp euid"), &[("shared", "/shared")]);
            let user = with(user, json!({"runAsUser": 1000, "allowPrivilegeEscalation": allowed}));
            let pod = pods::with_volumes(pods::pod(name, &[user]), &[("shared", json!({"emptyDir": {}}))]);
            let mut pod = helper::with_helper(pod);
            pod["spec"]["initContainers"] = json!([root]);
            cluster.prints(pod, &[format!("Effective uid: {id}")]).await?;
        }
        Ok(())
    })
    .await
}

/// A container prints its user and group.
async fn identity(cluster: &Cluster, own: Value, user: u32, group: u32) -> Result<()> {
    let mut pod = pods::pod("secured", &[with(pods::shell("id", "id -u; id -g"), own)]);
    pod["spec"]["securityContext"] = json!({"runAsUser": 1001, "runAsGroup": 2001});
    let (phase, output) = cluster.output_of(pod, "id").await?;
    ensure!(phase == "Succeeded" && output == format!("{user}\n{group}\n"), "{phase}: {output:?}");
    Ok(())
}

#[tokio::test]
async fn securitycontext_pod_runasuser_group() -> Result<()> {
    spec(async |cluster| identity(cluster, json!({}), 1001, 2001).await).await
}

#[tokio::test]
async fn securitycontext_container_runasuser_group() -> Result<()> {
    spec(async |cluster| identity(cluster, json!({"runAsUser": 1002, "runAsGroup": 2002}), 1002, 2002).await)
        .await
}

fn with_sysctls(line: &str, sysctls: Value) -> Value {
    let mut pod = pods::pod("sysctl", &[pods::shell("test-container", line)]);
    pod["spec"]["securityContext"] = json!({"sysctls": sysctls});
    pod
}

#[tokio::test]
async fn sysctls_shm_rmid_forced() -> Result<()> {
    spec(async |cluster| {
        let sysctls = json!([{"name": "kernel.shm_rmid_forced", "value": "1"}]);
        let pod = with_sysctls("sysctl kernel.shm_rmid_forced", sysctls);
        cluster.prints(pod, &["kernel.shm_rmid_forced = 1"]).await
    })
    .await
}

#[tokio::test]
async fn sysctls_reject_invalid() -> Result<()> {
    spec(async |cluster| {
        let names = ["foo-", "kernel.shmmax", "safe-and-unsafe", "bar.."];
        let sysctls = names.iter().map(|name| json!({"name": name, "value": "42"})).collect();
        let refused = cluster.api().create(object::<Pod>(&with_sysctls("true", sysctls))?).await;
        let said = refused.err().map(|e| e.to_string()).unwrap_or_default();
        ensure!(said.contains("Invalid value: \"foo-\""), "{said:?}");
        ensure!(said.contains("Invalid value: \"bar..\""), "{said:?}");
        ensure!(!said.contains("safe-and-unsafe") && !said.contains("kernel.shmmax"), "{said:?}");
        Ok(())
    })
    .await
}
