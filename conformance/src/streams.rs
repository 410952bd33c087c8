//! What containers have written, and commands that run in them, over WebSockets.

use crate::Cluster;
use anyhow::{Context, Result, bail, ensure};
use corten_rt::timeout;
use corten_streaming::{EXEC_WEBSOCKET_V4, EXEC_WEBSOCKET_V5, Protocol, websocket};
use futures::StreamExt;
use serde_json::Value;
use std::time::Duration;

const LOGS: Protocol = Protocol { name: "binary.k8s.io", ..EXEC_WEBSOCKET_V4 };
/// How long a command may run, and a log take to be read.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a command in a container ended.
#[derive(Debug, Default)]
pub struct Ran {
    pub code: i64,
    pub stdout: String,
    pub stderr: String,
}

impl Cluster {
    /// What a container has written.
    pub async fn logs(&self, pod: &str, container: &str) -> Result<String> {
        self.logs_with(pod, container, "").await
    }

    /// The same with more parameters (`&tailLines=1`).
    pub async fn logs_with(&self, pod: &str, container: &str, parameters: &str) -> Result<String> {
        let path = format!("{}?container={container}{parameters}", self.pod_path(pod, "log"));
        let bytes = self.messages(&path, LOGS).await?.concat();
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Runs a command line of the shell in a pod's first container, and gives what it prints if it succeeds.
    pub async fn exec(&self, pod: &str, line: &str) -> Result<String> {
        let ran = self.run_in(pod, "", &["sh", "-c", line]).await?;
        ensure!(ran.code == 0, "`{line}` in {pod} failed: {ran:?}");
        Ok(ran.stdout)
    }

    /// Runs a command in a container, and tells how it ended.
    pub async fn run_in(&self, pod: &str, container: &str, words: &[&str]) -> Result<Ran> {
        let mut path = format!("{}?stdout=1&stderr=1&container={container}", self.pod_path(pod, "exec"));
        for word in words {
            path += &format!("&command={}", escaped(word));
        }
        let (mut stdout, mut stderr, mut outcome) = (Vec::new(), Vec::new(), Value::Null);
        for message in self.messages(&path, EXEC_WEBSOCKET_V5).await? {
            match message.split_first() {
                Some((1, bytes)) => stdout.extend_from_slice(bytes),
                Some((2, bytes)) => stderr.extend_from_slice(bytes),
                Some((3, bytes)) => outcome = serde_json::from_slice(bytes).context("the outcome")?,
                _ => {}
            }
        }
        let code = match outcome["status"].as_str() {
            Some("Success") => 0,
            _ => exit_code(&outcome).with_context(|| format!("{words:?} in {pod}: {outcome}"))?,
        };
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ok(Ran { code, stdout: text(stdout), stderr: text(stderr) })
    }

    /// All messages that a WebSocket brings until the server closes it.
    pub async fn messages(&self, path: &str, protocol: Protocol) -> Result<Vec<Vec<u8>>> {
        let connected = self.socket(path, protocol).await.with_context(|| format!("open {path}"))?;
        let mut socket = websocket::client(connected).await;
        let mut all = Vec::new();
        let reading = async {
            while let Some(message) = socket.next().await {
                let message = message?;
                if message.is_close() {
                    return Ok(());
                }
                if message.is_binary() || message.is_text() {
                    all.push(message.into_data().to_vec());
                }
            }
            bail!("the connection ended without a closing frame")
        };
        timeout(PATIENCE, reading).await.context("the server does not close the WebSocket")??;
        Ok(all)
    }

    fn pod_path(&self, pod: &str, subresource: &str) -> String {
        format!("/api/v1/namespaces/{}/pods/{pod}/{subresource}", self.namespace)
    }
}

/// The code with which a command ended that did not succeed.
fn exit_code(outcome: &Value) -> Option<i64> {
    let causes = outcome["details"]["causes"].as_array()?;
    causes.iter().find(|c| c["reason"] == "ExitCode")?["message"].as_str()?.parse().ok()
}

/// A word as it stands in a query.
fn escaped(word: &str) -> String {
    word.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_escaped() {
        assert_eq!(escaped("a b&c=ü"), "a%20b%26c%3D%C3%BC");
    }

    #[test]
    fn codes_are_found_among_the_causes() {
        let outcome = r#"{"status":"Failure","details":{"causes":[{"reason":"ExitCode","message":"7"}]}}"#;
        assert_eq!(exit_code(&serde_json::from_str(outcome).expect("JSON")), Some(7));
        assert_eq!(exit_code(&Value::Null), None);
    }
}
