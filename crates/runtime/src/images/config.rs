//! The OCI image configuration: what an image says about how to run it.

use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;

/// The `config` object of an image: what a container of it does unless its own configuration says otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ImageConfig {
    /// `user`, `uid`, `user:group` or `uid:gid`; empty for root.
    #[serde(deserialize_with = "null_is_default")]
    pub user: String,
    /// `NAME=value`, in order.
    #[serde(deserialize_with = "null_is_default")]
    pub env: Vec<String>,
    /// The program and its first arguments.
    #[serde(deserialize_with = "null_is_default")]
    pub entrypoint: Vec<String>,
    /// Arguments that follow, or the whole command if there is no entrypoint.
    #[serde(deserialize_with = "null_is_default")]
    pub cmd: Vec<String>,
    /// Where the program starts; empty for `/`.
    #[serde(deserialize_with = "null_is_default")]
    pub working_dir: String,
    /// Paths that hold data of the container's own.
    #[serde(deserialize_with = "keys")]
    pub volumes: Vec<String>,
    /// Free labels.
    #[serde(deserialize_with = "null_is_default")]
    pub labels: BTreeMap<String, String>,
    /// The signal that asks it to end, such as `SIGTERM` or `15`; empty for the default.
    #[serde(deserialize_with = "null_is_default")]
    pub stop_signal: String,
    /// `port/protocol`, for information only.
    #[serde(deserialize_with = "keys")]
    pub exposed_ports: Vec<String>,
}

/// The whole configuration blob, as far as it is needed.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ImageDocument {
    /// `amd64` and so on.
    #[serde(deserialize_with = "null_is_default")]
    pub architecture: String,
    /// `linux`.
    #[serde(deserialize_with = "null_is_default")]
    pub os: String,
    /// Of architectures that have them: `v7`.
    #[serde(deserialize_with = "null_is_default")]
    pub variant: String,
    /// How to run it.
    #[serde(deserialize_with = "null_is_default")]
    pub config: ImageConfig,
    /// What it is made of.
    pub rootfs: RootFs,
}

/// The layers of an image, by the digests of their uncompressed archives.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct RootFs {
    /// Lowest first.
    #[serde(default, deserialize_with = "null_is_default")]
    pub diff_ids: Vec<super::digest::Digest>,
}

/// Builders write `null` for what is empty.
pub(super) fn null_is_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// The keys of an object whose values are empty objects: how Go writes a set.
fn keys<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let set = Option::<BTreeMap<String, serde::de::IgnoredAny>>::deserialize(deserializer)?;
    Ok(set.unwrap_or_default().into_keys().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nulls_sets_and_absent_fields() {
        let text = r#"{"architecture":"amd64","os":"linux","config":{"User":"10:20","Env":["A=b"],"Cmd":null,
            "Entrypoint":["/run"],"Volumes":{"/data":{},"/b":{}},"Labels":null,"StopSignal":"SIGQUIT",
            "ExposedPorts":{"80/tcp":{}},"OnBuild":null},"rootfs":{"type":"layers","diff_ids":null},"history":[]}"#;
        let document: ImageDocument = serde_json::from_str(text).unwrap();
        let config = document.config;
        assert_eq!((config.user.as_str(), config.cmd.len()), ("10:20", 0));
        assert_eq!(config.volumes, ["/b", "/data"]);
        assert_eq!(config.exposed_ports, ["80/tcp"]);
        assert_eq!(config.stop_signal, "SIGQUIT");
        let bare: ImageDocument = serde_json::from_str(r#"{"config":null,"rootfs":{}}"#).unwrap();
        assert_eq!(bare.config, ImageConfig::default());
    }
}
