//! The program of `conformance/helper` in containers.

use crate::{Cluster, pods};
use anyhow::{Context, Result};
use corten_api::core::v1::ConfigMap;
use serde_json::{Value, json};

/// Names the compiled and gzipped program.
const HELPER: &str = "CORTEN_CONFORMANCE_HELPER";

impl Cluster {
    /// Brings the program into the spec's namespace, for containers of [`with_helper`].
    pub async fn bring_helper(&self) -> Result<()> {
        let path = std::env::var_os(HELPER)
            .with_context(|| format!("{HELPER} must name the helper that `conformance/run` compiles"))?;
        let mut map = ConfigMap::default();
        map.metadata.name = "helper".into();
        map.binary_data.insert("helper.gz".into(), std::fs::read(path).context("read the helper")?);
        self.api().create(map).await?;
        Ok(())
    }
}

/// A container that unpacks the program and then runs a command line of the shell, which finds it in `/tmp/helper`.
/// The pod must pass through [`with_helper`].
pub fn helped(name: &str, line: &str) -> Value {
    let unpack = "gunzip -c /helper/helper.gz >/tmp/helper && chmod 755 /tmp/helper";
    pods::mounting(pods::shell(name, &format!("{unpack} && {line}")), &[("helper", "/helper")])
}

/// A pod of [`helped`] containers.
pub fn with_helper(mut pod: Value) -> Value {
    let volume = json!({"name": "helper", "configMap": {"name": "helper"}});
    match pod["spec"]["volumes"].as_array_mut() {
        Some(volumes) => volumes.push(volume),
        None => pod["spec"]["volumes"] = json!([volume]),
    }
    pod
}
