//! The program of `conformance/helper` in containers.

use crate::{Cluster, pods};
use anyhow::{Context, Result, ensure};
use corten_api::core::v1::ConfigMap;
use serde_json::{Value, json};

/// Names the compiled and gzipped program.
const HELPER: &str = "CORTEN_CONFORMANCE_HELPER";
/// As much of it stands in one ConfigMap, in bytes; there are at most so many.
const PART: usize = 900 << 10;
const PARTS: usize = 3;

impl Cluster {
    /// Brings the program into the spec's namespace, for containers of [`with_helper`].
    pub async fn bring_helper(&self) -> Result<()> {
        let path = std::env::var_os(HELPER)
            .with_context(|| format!("{HELPER} must name the helper that `conformance/run` compiles"))?;
        let program = std::fs::read(path).context("read the helper")?;
        ensure!(program.len() <= PARTS * PART, "the helper is too large: {} bytes", program.len());
        for (place, part) in program.chunks(PART).enumerate() {
            let mut map = ConfigMap::default();
            map.metadata.name = format!("helper-{place}");
            map.binary_data.insert(format!("helper.{place}"), part.to_vec());
            self.api().create(map).await?;
        }
        Ok(())
    }
}

/// A container that unpacks the program and then runs a command line of the shell, which finds it in `/tmp/helper`.
/// The pod must pass through [`with_helper`].
pub fn helped(name: &str, line: &str) -> Value {
    let unpack = "cat /helper/helper.* | gunzip >/tmp/helper && chmod 755 /tmp/helper";
    pods::mounting(pods::shell(name, &format!("{unpack} && {line}")), &[("helper", "/helper")])
}

/// A pod of [`helped`] containers.
pub fn with_helper(mut pod: Value) -> Value {
    let part = |place| json!({"configMap": {"name": format!("helper-{place}"), "optional": true}});
    let sources: Vec<Value> = (0..PARTS).map(part).collect();
    let volume = json!({"name": "helper", "projected": {"sources": sources}});
    match pod["spec"]["volumes"].as_array_mut() {
        Some(volumes) => volumes.push(volume),
        None => pod["spec"]["volumes"] = json!([volume]),
    }
    pod
}
