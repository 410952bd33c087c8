//! Pods of the demonstration image, as specs need them.

use crate::{Cluster, wait};
use anyhow::{Context, Result, ensure};
use corten_api::core::v1::Pod;
use serde_json::{Value, json};
use std::sync::Arc;

/// A static busybox that serves `/www` on port 80 unless told otherwise.
pub const IMAGE: &str = "corten.local/demo:1";

/// A container that runs its image's default command.
pub fn container(name: &str) -> Value {
    json!({"name": name, "image": IMAGE, "imagePullPolicy": "IfNotPresent"})
}

/// A container that runs a command line of the shell.
pub fn shell(name: &str, line: &str) -> Value {
    let mut container = container(name);
    container["command"] = json!(["sh", "-c", line]);
    container
}

/// A pod that is never restarted and ends soon after it is told.
pub fn pod(name: &str, containers: &[Value]) -> Value {
    json!({
        "metadata": {"name": name, "labels": {"name": name}},
        "spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 1, "containers": containers},
    })
}

/// The template of controllers: web servers with these labels.
pub fn template(labels: &Value) -> Value {
    json!({
        "metadata": {"labels": labels},
        "spec": {"terminationGracePeriodSeconds": 1, "containers": [container("httpd")]},
    })
}

/// The container with volumes mounted: their names, and where.
pub fn mounting(mut container: Value, mounts: &[(&str, &str)]) -> Value {
    let mounts = mounts.iter().map(|(volume, path)| json!({"name": volume, "mountPath": path}));
    container["volumeMounts"] = mounts.collect();
    container
}

/// The pod with volumes: their names and sources (`{"emptyDir": {}}`).
pub fn with_volumes(mut pod: Value, volumes: &[(&str, Value)]) -> Value {
    let named = volumes.iter().map(|(name, source)| {
        let mut volume = source.clone();
        volume["name"] = json!(name);
        volume
    });
    pod["spec"]["volumes"] = named.collect();
    pod
}

/// Whether the pod's condition `Ready` is true.
pub fn is_ready(pod: &Pod) -> bool {
    pod.status.conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True")
}

impl Cluster {
    /// Creates a pod and waits until it is ready.
    pub async fn ready_pod(&self, pod: Value) -> Result<Arc<Pod>> {
        let name = self.create::<Pod>(pod).await?.metadata.name.clone();
        self.until(&name, "a ready pod", is_ready).await
    }

    /// Creates a pod, waits until it has ended, and gives its end (`Succeeded`, `Failed`) and the output of one
    /// of its containers.
    pub async fn output_of(&self, pod: Value, container: &str) -> Result<(String, String)> {
        let name = self.create::<Pod>(pod).await?.metadata.name.clone();
        let ended = |pod: &Pod| ["Succeeded", "Failed"].contains(&pod.status.phase.as_str());
        let pod = self.until(&name, "the pod's end", ended).await?;
        Ok((pod.status.phase.clone(), self.logs(&name, container).await?))
    }

    /// Creates a pod that must succeed, and whose only container must print all of `lines`.
    pub async fn prints<L: AsRef<str>>(&self, pod: Value, lines: &[L]) -> Result<()> {
        let container = pod["spec"]["containers"][0]["name"].as_str().unwrap_or_default().to_string();
        let (phase, output) = self.output_of(pod, &container).await?;
        ensure!(phase == "Succeeded", "{phase}: {output:?}");
        for line in lines.iter().map(AsRef::as_ref) {
            ensure!(output.lines().any(|printed| printed == line), "no line {line:?} in {output:?}");
        }
        Ok(())
    }

    /// Waits until a container has written what it must.
    pub async fn until_logs(
        &self,
        pod: &str,
        container: &str,
        what: &str,
        done: impl Fn(&str) -> bool,
    ) -> Result<String> {
        let mut last = String::new();
        let written = wait(what, async || {
            last = self.logs(pod, container).await?;
            Ok(done(&last).then(|| last.clone()))
        })
        .await;
        written.with_context(|| format!("last seen: {last:?}"))
    }
}
