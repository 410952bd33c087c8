//! `kubectl` as users run it.

use crate::Cluster;
use anyhow::{Context, Result, bail};
use std::process::{Output, Stdio};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

impl Cluster {
    /// A `kubectl` command for the spec's cluster and namespace that ends with the test.
    pub fn kubectl_command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("kubectl");
        command.arg("--kubeconfig").arg(&self.kubeconfig);
        command.args(["--namespace", &self.namespace]).args(words);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    /// Runs `kubectl` and gives what it prints.
    pub async fn kubectl(&self, words: &[&str]) -> Result<String> {
        finish(words, self.kubectl_command(words).output().await)
    }

    /// The same with `input` on its standard input.
    pub async fn kubectl_with(&self, words: &[&str], input: &str) -> Result<String> {
        finish(words, self.output(words, input).await)
    }

    /// The same for a command that may fail: the code with which it ends, and all that it prints.
    pub async fn kubectl_ends(&self, words: &[&str], input: &str) -> Result<(i32, String)> {
        let output = self.output(words, input).await.context("run kubectl")?;
        let printed = [output.stdout, output.stderr].concat();
        Ok((output.status.code().unwrap_or(-1), String::from_utf8_lossy(&printed).into_owned()))
    }

    async fn output(&self, words: &[&str], input: &str) -> std::io::Result<Output> {
        let mut child = self.kubectl_command(words).stdin(Stdio::piped()).spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(input.as_bytes()).await?;
        }
        child.wait_with_output().await
    }
}

fn finish(words: &[&str], output: std::io::Result<Output>) -> Result<String> {
    let output = output.context("run kubectl")?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        bail!("kubectl {words:?} failed: {printed}{complaint}");
    }
    Ok(printed)
}
