//! Manifests and indexes, of OCI and of Docker, and which manifest of an index is for this machine.

use super::digest::Digest;
use super::error::{Error, Result};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Largest manifest, index or configuration that is taken.
pub(super) const MOST_DOCUMENT: u64 = 4 << 20;
/// As many as overlayfs can stack.
const MOST_LAYERS: usize = 500;

/// What we tell registries that we understand.
pub(super) const ACCEPTED: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json, */*;q=0.1";

/// What a digest leads to.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    /// Its kind.
    #[serde(default)]
    pub media_type: String,
    /// Its address.
    pub digest: Digest,
    /// Its bytes.
    pub size: u64,
    /// In an index: what machines it is for.
    #[serde(default)]
    pub platform: Option<Platform>,
    /// Names, in the index of an archive.
    #[serde(default, deserialize_with = "super::config::null_is_default")]
    pub annotations: BTreeMap<String, String>,
}

/// A kind of machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Platform {
    #[serde(default)]
    pub architecture: String,
    #[serde(default)]
    pub os: String,
    #[serde(default)]
    pub variant: String,
}

/// A manifest of one image.
#[derive(Clone, Debug)]
pub(super) struct Manifest {
    /// How to run it.
    pub config: Descriptor,
    /// Lowest first.
    pub layers: Vec<Descriptor>,
}

/// What a name in a registry leads to.
#[derive(Clone, Debug)]
pub(super) enum Document {
    /// One image.
    Manifest(Manifest),
    /// The same image for several kinds of machines.
    Index(Vec<Descriptor>),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    #[serde(default)]
    schema_version: u64,
    #[serde(default)]
    media_type: String,
    #[serde(default, rename = "fsLayers")]
    fs_layers: Option<serde::de::IgnoredAny>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
}

/// Reads a manifest or an index.
pub(super) fn parse(bytes: &[u8]) -> Result<Document> {
    let raw: Raw = serde_json::from_slice(bytes)
        .map_err(|error| Error::invalid(format!("the manifest is malformed: {error}")))?;
    if raw.schema_version == 1 || raw.fs_layers.is_some() {
        return Err(Error::invalid(
            "the image has a Docker schema 1 manifest, which has been obsolete since 2017 and is not supported: \
             build or push the image again with a current tool",
        ));
    }
    match (raw.manifests, raw.config, raw.layers) {
        (Some(manifests), None, None) => Ok(Document::Index(manifests)),
        (None, Some(config), Some(layers)) => {
            check_manifest(&config, &layers)?;
            Ok(Document::Manifest(Manifest { config, layers }))
        }
        _ => Err(Error::invalid(format!(
            "media type {:?} is neither an image nor an index of images",
            raw.media_type
        ))),
    }
}

fn check_manifest(config: &Descriptor, layers: &[Descriptor]) -> Result<()> {
    let image =
        ["application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"];
    if !config.media_type.is_empty() && !image.contains(&config.media_type.as_str()) {
        return Err(Error::invalid(format!("it is no container image, but holds {}", config.media_type)));
    }
    if config.size > MOST_DOCUMENT {
        return Err(Error::invalid("the image's configuration is larger than 4 MiB"));
    }
    if layers.len() > MOST_LAYERS {
        return Err(Error::invalid(format!(
            "it has {} layers; overlayfs can stack {MOST_LAYERS}",
            layers.len()
        )));
    }
    if let Some(layer) = layers.iter().find(|layer| layer.media_type.contains("encrypted")) {
        return Err(Error::invalid(format!("layer {} is encrypted, which is not supported", layer.digest)));
    }
    Ok(())
}

impl Platform {
    /// This machine.
    pub(super) fn of_this_machine() -> Self {
        let (architecture, variant) = match std::env::consts::ARCH {
            "x86_64" => ("amd64", ""),
            "x86" => ("386", ""),
            "aarch64" => ("arm64", "v8"),
            "arm" => ("arm", "v7"),
            "powerpc64" => ("ppc64le", ""),
            "loongarch64" => ("loong64", ""),
            other => (other, ""),
        };
        Self { architecture: architecture.into(), os: "linux".into(), variant: variant.into() }
    }

    /// How well an image for `offered` suits: the higher the better, `None` for not at all.
    fn suits(&self, offered: &Platform) -> Option<u32> {
        if offered.os != self.os || offered.architecture != self.architecture {
            return None;
        }
        let number = |variant: &str| variant.trim_start_matches('v').parse::<u32>().ok();
        match (number(&self.variant), number(&offered.variant)) {
            (Some(own), Some(other)) if other > own => None,
            (Some(own), None) => Some(if self.architecture == "arm64" { own } else { 0 }),
            (None, Some(other)) if other > 1 => None, // amd64/v2 and above want newer processors than we know of
            (_, other) => Some(other.unwrap_or(1)),
        }
    }

    /// The manifest of an index that is for this machine; of equals, the first.
    pub(super) fn choose<'a>(&self, manifests: &'a [Descriptor]) -> Result<&'a Descriptor> {
        let mut best: Option<(u32, &Descriptor)> = None;
        for manifest in manifests {
            // Without a platform it is for all; a signature or attestation says "unknown".
            let suits = manifest.platform.as_ref().map_or(Some(0), |platform| self.suits(platform));
            if let Some(suits) = suits.filter(|suits| best.is_none_or(|(best, _)| *suits > best)) {
                best = Some((suits, manifest));
            }
        }
        best.map(|(_, manifest)| manifest).ok_or_else(|| {
            let offered: Vec<String> =
                manifests.iter().filter_map(|m| m.platform.as_ref()).map(ToString::to_string).collect();
            Error::NotFound {
                what: format!(
                    "no match for platform in manifest: this machine is {self}, the image is for {}",
                    offered.join(", ")
                ),
            }
        })
    }
}

impl std::fmt::Display for Platform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        if self.variant.is_empty() { Ok(()) } else { write!(f, "/{}", self.variant) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn platform(text: &str) -> Platform {
        let mut parts = text.split('/').map(str::to_owned);
        let mut next = || parts.next().unwrap_or_default();
        Platform { os: next(), architecture: next(), variant: next() }
    }

    #[test]
    fn the_right_manifest_of_an_index() {
        let table: [(&str, &[&str], Option<usize>); 9] = [
            ("linux/amd64", &["linux/arm64", "linux/amd64"], Some(1)),
            ("linux/amd64", &["windows/amd64", "unknown/unknown", "linux/amd64", "linux/amd64"], Some(2)),
            ("linux/amd64", &["linux/amd64/v3", "linux/amd64"], Some(1)),
            ("linux/amd64", &["linux/amd64/v1"], Some(0)),
            ("linux/arm/v7", &["linux/arm/v5", "linux/arm/v6", "linux/arm/v8"], Some(1)),
            ("linux/arm64/v8", &["linux/arm/v7", "linux/arm64"], Some(1)),
            ("linux/arm64/v8", &["linux/arm64/v8"], Some(0)),
            ("linux/amd64", &["linux/arm64", "unknown/unknown"], None),
            ("linux/amd64", &[], None),
        ];
        for (own, offered, index) in table {
            let manifests: Vec<Descriptor> = offered
                .iter()
                .enumerate()
                .map(|(n, text)| Descriptor {
                    media_type: String::new(),
                    digest: Digest::of(&[n as u8]),
                    size: 1,
                    platform: Some(platform(text)),
                    annotations: BTreeMap::new(),
                })
                .collect();
            let chosen = platform(own).choose(&manifests).ok().map(|d| d.digest.clone());
            assert_eq!(chosen, index.map(|n| Digest::of(&[n as u8])), "{own} of {offered:?}");
        }
    }

    #[test]
    fn what_is_no_image_is_refused() {
        let digest = Digest::of(b"");
        let descriptor = |kind: &str| format!(r#"{{"mediaType":"{kind}","digest":"{digest}","size":2}}"#);
        let table = [
            ("{}".to_owned(), "neither an image"),
            (r#"{"schemaVersion":1,"fsLayers":[]}"#.to_owned(), "schema 1"),
            (
                format!(
                    r#"{{"config":{},"layers":[]}}"#,
                    descriptor("application/vnd.cncf.helm.config.v1+json")
                ),
                "helm",
            ),
            (
                format!(
                    r#"{{"config":{},"layers":[{}]}}"#,
                    descriptor(""),
                    descriptor("x.tar+gzip+encrypted")
                ),
                "encrypted",
            ),
            (format!(r#"{{"config":{{"digest":"{digest}","size":99999999}},"layers":[]}}"#), "4 MiB"),
            (r#"{"config":{"digest":"sha256:../..","size":1},"layers":[]}"#.to_owned(), "malformed"),
            ("[".to_owned(), "malformed"),
        ];
        for (text, expected) in table {
            let error = parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
        let good = format!(
            r#"{{"schemaVersion":2,"config":{},"layers":[]}}"#,
            descriptor("application/vnd.oci.image.config.v1+json")
        );
        assert!(matches!(parse(good.as_bytes()), Ok(Document::Manifest(_))));
        assert!(matches!(parse(br#"{"schemaVersion":2,"manifests":[]}"#), Ok(Document::Index(_))));
    }
}
