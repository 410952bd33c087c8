//! What a container wants done after its start and before its stop.

use super::http;
use crate::Shared;
use corten_api::core::v1::{Container, LifecycleHandler, Pod};
use corten_client::Key;
use corten_node_api::cri::ExecSyncRequest;
use std::time::Duration;

/// Runs a hook to its end. The error tells what went wrong.
pub async fn run(
    shared: &Shared,
    pod: &Pod,
    c: &Container,
    id: &str,
    hook: &LifecycleHandler,
) -> Result<(), String> {
    if let Some(exec) = &hook.exec {
        let request = ExecSyncRequest { container_id: id.to_string(), cmd: exec.command.clone(), timeout: 0 };
        return match Box::pin(shared.cri.exec_sync(request)).await {
            Ok(reply) if reply.exit_code == 0 => Ok(()),
            Ok(reply) => Err(format!(
                "command '{}' exited with {}: {}{}",
                exec.command.join(" "),
                reply.exit_code,
                String::from_utf8_lossy(&reply.stdout),
                String::from_utf8_lossy(&reply.stderr)
            )),
            Err(e) => Err(e.to_string()),
        };
    }
    if let Some(action) = &hook.http_get {
        // The address may be newer than the pod that was to be started.
        let current = shared.pods.get(&Key::of(pod));
        let pod = current.as_deref().filter(|p| p.metadata.uid == pod.metadata.uid).unwrap_or(pod);
        return match Box::pin(http::get(action, c, pod, "kube-lifecycle/1.35")).await? {
            (200..=399, _) => Ok(()),
            (code, _) => Err(format!("the hook's request was answered with {code}")),
        };
    }
    if let Some(sleep) = &hook.sleep {
        corten_rt::sleep(Duration::from_secs(sleep.seconds.max(0) as u64)).await;
    }
    Ok(())
}
