//! One call of one plugin.

use crate::network::Attachment;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// How long a plugin may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// Executes a plugin and waits for its answer. Blocks; it is called on threads of the runtime that may.
pub fn call(
    path: &str,
    command: &str,
    input: &Value,
    attachment: &Attachment,
    interface: &str,
) -> Result<Value, String> {
    let name = input.get("type").and_then(Value::as_str).unwrap_or_default();
    let failed = |why: String| format!("plugin type={name:?} failed ({command}): {why}");
    let file = find(path, name).map_err(failed)?;
    let handle = tokio::runtime::Handle::try_current().map_err(|e| e.to_string())?;
    let output = handle.block_on(async {
        let running = execute(&file, path, command, input, attachment, interface);
        corten_rt::timeout(PATIENCE, running)
            .await
            .unwrap_or_else(|| Err(std::io::ErrorKind::TimedOut.into()))
    });
    let output = output.map_err(|e| failed(e.to_string()))?;
    // A removal answers nothing.
    let answer = serde_json::from_slice::<Value>(&output.stdout).unwrap_or_default();
    if output.status.success() {
        return Ok(answer);
    }
    let text = |field: &str| answer.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let words = match (text("msg"), text("details")) {
        (message, details) if details.is_empty() => message,
        (message, details) => format!("{message}: {details}"),
    };
    if words.is_empty() {
        let last = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(failed(format!("{}: {last}", output.status)));
    }
    Err(failed(words))
}

/// The plugin's executable: its name is a file's, and leads nowhere else.
fn find(path: &str, name: &str) -> Result<PathBuf, String> {
    if name.is_empty() || name.contains('/') {
        return Err("that is no name of a plugin".into());
    }
    let candidates = path.split(':').map(|dir| Path::new(dir).join(name));
    let mut found = candidates.filter(|file| file.is_file());
    found.next().ok_or_else(|| format!("failed to find plugin {name:?} in path [{path}]"))
}

async fn execute(
    file: &Path,
    path: &str,
    command: &str,
    input: &Value,
    attachment: &Attachment,
    interface: &str,
) -> std::io::Result<std::process::Output> {
    let pod = &attachment.metadata;
    let arguments = format!(
        "IgnoreUnknown=1;K8S_POD_NAMESPACE={};K8S_POD_NAME={};K8S_POD_INFRA_CONTAINER_ID={};K8S_POD_UID={}",
        pod.namespace, pod.name, attachment.sandbox, pod.uid
    );
    let mut child = Command::new(file)
        .env("CNI_COMMAND", command)
        .env("CNI_CONTAINERID", &attachment.sandbox)
        .env("CNI_NETNS", &attachment.netns)
        .env("CNI_IFNAME", interface)
        .env("CNI_ARGS", arguments)
        .env("CNI_PATH", path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A plugin that does not read its configuration says what is wrong in its answer.
        let _ = stdin.write_all(input.to_string().as_bytes()).await;
    }
    child.wait_with_output().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plugins_are_found_by_plain_names() {
        let dir = tempfile::tempdir().expect("directory");
        std::fs::write(dir.path().join("bridge"), "").expect("written");
        let path = format!("/none:{}", dir.path().display());
        assert_eq!(find(&path, "bridge"), Ok(dir.path().join("bridge")));
        for name in ["", "portmap", "../bridge", "/bin/sh"] {
            assert!(find(&path, name).is_err(), "{name:?}");
        }
    }
}
