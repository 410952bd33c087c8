//! The names of images: `[registry[:port]/]repository[:tag][@digest]`, made complete the way Docker does:
//! `busybox` is `docker.io/library/busybox:latest`.

use super::digest::Digest;
use super::error::{Error, Result};
use std::fmt;

/// The registry of names that have none.
pub const DEFAULT_REGISTRY: &str = "docker.io";
const DEFAULT_TAG: &str = "latest";
const MOST_NAME: usize = 255;
const MOST_TAG: usize = 128;

/// A complete name. With a digest the tag counts for nothing and is dropped.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    registry: String,
    repository: String,
    version: Version,
}

/// Which of a repository's images.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Version {
    /// What a name points to now.
    Tag(String),
    /// Exactly one.
    Digest(Digest),
}

impl Reference {
    /// Reads a name and completes it.
    pub fn parse(name: &str) -> Result<Self> {
        parse(name).map_err(|problem| Error::Reference { name: name.to_owned(), problem })
    }

    /// The host that serves it, with the port if one is named.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The path in the registry.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// Tag or digest.
    pub fn version(&self) -> &Version {
        &self.version
    }

    /// Registry and repository: `docker.io/library/busybox`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }

    /// The same repository at a digest.
    pub fn at(&self, digest: &Digest) -> Reference {
        Reference { version: Version::Digest(digest.clone()), ..self.clone() }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.version {
            Version::Tag(tag) => write!(f, "{}/{}:{tag}", self.registry, self.repository),
            Version::Digest(digest) => write!(f, "{}/{}@{digest}", self.registry, self.repository),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Version::Tag(tag) => f.write_str(tag),
            Version::Digest(digest) => write!(f, "{digest}"),
        }
    }
}

fn parse(name: &str) -> Result<Reference, &'static str> {
    let (rest, digest) = match name.split_once('@') {
        Some((rest, digest)) => (rest, Some(Digest::parse(digest).map_err(|_| "the digest is malformed")?)),
        None => (name, None),
    };
    // A colon after the last slash begins a tag; one before it belongs to a port.
    let last = rest.rfind('/').map_or(0, |slash| slash + 1);
    let (path, tag) = match rest[last..].split_once(':') {
        Some((base, tag)) => (&rest[..last + base.len()], Some(tag)),
        None => (rest, None),
    };
    if let Some(tag) = tag {
        check_tag(tag)?;
    }
    let (registry, repository) = split_registry(path);
    check_registry(&registry)?;
    if repository.is_empty() {
        return Err("the repository is missing");
    }
    if registry.len() + 1 + repository.len() > MOST_NAME {
        return Err("the name is longer than 255 characters");
    }
    for component in repository.split('/') {
        check_component(component)?;
    }
    if digest.is_none() && tag.is_none() && path.len() == 64 && path.bytes().all(is_lower_hex) {
        return Err("64 hexadecimal characters are an image ID, not a name");
    }
    let version = match digest {
        Some(digest) => Version::Digest(digest),
        None => Version::Tag(tag.unwrap_or(DEFAULT_TAG).to_owned()),
    };
    Ok(Reference { registry, repository, version })
}

/// The first part is a registry if it could not be part of a repository's name on the default one.
fn split_registry(path: &str) -> (String, String) {
    let (registry, repository) = match path.split_once('/') {
        Some((first, rest)) if is_registry(first) => (first, rest.to_owned()),
        _ => (DEFAULT_REGISTRY, path.to_owned()),
    };
    let registry = if registry == "index.docker.io" { DEFAULT_REGISTRY } else { registry };
    if registry == DEFAULT_REGISTRY && !repository.contains('/') && !repository.is_empty() {
        return (registry.to_owned(), format!("library/{repository}"));
    }
    (registry.to_owned(), repository)
}

fn is_registry(first: &str) -> bool {
    first == "localhost" || first.contains(['.', ':']) || first.bytes().any(|b| b.is_ascii_uppercase())
}

fn check_registry(registry: &str) -> Result<(), &'static str> {
    let bad_port = "the registry's port is malformed";
    let port = match registry.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']').ok_or("the registry's address lacks a bracket")?;
            address.parse::<std::net::Ipv6Addr>().map_err(|_| "the registry is no IPv6 address")?;
            if port.is_empty() { None } else { Some(port.strip_prefix(':').ok_or(bad_port)?) }
        }
        None => {
            let (host, port) = registry.split_once(':').map_or((registry, None), |(h, p)| (h, Some(p)));
            if !host.split('.').all(is_host_label) {
                return Err("the registry's name is malformed");
            }
            port
        }
    };
    match port {
        Some(port) if !port.parse::<u16>().is_ok_and(|port| port > 0) => Err(bad_port),
        _ => Ok(()),
    }
}

fn is_host_label(label: &str) -> bool {
    let inside = label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    !label.is_empty() && inside && !label.starts_with('-') && !label.ends_with('-')
}

/// Lower-case letters and digits, joined by single separators: `.`, `_`, `__`, or any number of `-`.
fn check_component(component: &str) -> Result<(), &'static str> {
    let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    if component.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err("the repository must be lower case");
    }
    let (Some(first), Some(last)) = (component.bytes().next(), component.bytes().last()) else {
        return Err("a part of the repository is empty");
    };
    if !alphanumeric(first) || !alphanumeric(last) {
        return Err("each part of the repository must begin and end with a letter or digit");
    }
    let separators = component.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    for separator in separators.filter(|s| !s.is_empty()) {
        if !matches!(separator, "." | "_" | "__") && !separator.bytes().all(|b| b == b'-') {
            return Err("the repository holds characters that are not allowed");
        }
    }
    Ok(())
}

fn check_tag(tag: &str) -> Result<(), &'static str> {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let Some(first) = tag.bytes().next() else { return Err("the tag is empty") };
    if tag.len() > MOST_TAG {
        return Err("the tag is longer than 128 characters");
    }
    if !word(first) || !tag.bytes().all(|b| word(b) || b == b'.' || b == b'-') {
        return Err("the tag holds characters that are not allowed");
    }
    Ok(())
}

pub(super) fn is_lower_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_completed() {
        let hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let table = [
            ("busybox", "docker.io/library/busybox:latest".to_owned()),
            ("busybox:1.36", "docker.io/library/busybox:1.36".to_owned()),
            ("index.docker.io/busybox", "docker.io/library/busybox:latest".to_owned()),
            ("docker.io/busybox", "docker.io/library/busybox:latest".to_owned()),
            ("library/busybox", "docker.io/library/busybox:latest".to_owned()),
            ("bitnami/redis:7", "docker.io/bitnami/redis:7".to_owned()),
            ("registry.k8s.io/pause:3.10", "registry.k8s.io/pause:3.10".to_owned()),
            ("localhost/a/b/c", "localhost/a/b/c:latest".to_owned()),
            ("localhost:5000/lib/bb:1", "localhost:5000/lib/bb:1".to_owned()),
            ("127.0.0.1:5000/x", "127.0.0.1:5000/x:latest".to_owned()),
            ("[::1]:5000/x:y", "[::1]:5000/x:y".to_owned()),
            ("[2001:db8::1]/x", "[2001:db8::1]/x:latest".to_owned()),
            ("Host/x", "Host/x:latest".to_owned()),
            ("a.b/c_d/e__f-g---h.i:T_1.-", "a.b/c_d/e__f-g---h.i:T_1.-".to_owned()),
            (&format!("busybox@sha256:{hex}"), format!("docker.io/library/busybox@sha256:{hex}")),
            (&format!("h:1/b:tag@sha256:{hex}"), format!("h:1/b@sha256:{hex}")),
        ];
        for (given, complete) in table {
            assert_eq!(Reference::parse(given).map(|r| r.to_string()).unwrap(), complete, "{given}");
        }
    }

    #[test]
    fn malformed_names_are_refused() {
        let long = "a/".repeat(140) + "a";
        let tag = format!("a:{}", "t".repeat(129));
        let hex = "ab".repeat(32);
        let table = [
            "",
            ":",
            "@",
            "a:",
            "a@",
            "a@sha256:00",
            "UPPER",
            "a/B",
            "-a",
            "a-",
            "a..b",
            "a___b",
            "a/../b",
            "../a",
            "a//b",
            "/a",
            "a/",
            "h.io/",
            "a b",
            "a:b c",
            "a:.b",
            "a:b:c",
            "h:port/a",
            "h:0/a",
            "h:99999/a",
            "-h.io/a",
            "h..io/a",
            "[::1/a",
            "[zz]/a",
            "[::1]x/a",
            "a\n",
            "ä",
            "h.io/ä:1",
            "[::1]:/a",
            long.as_str(),
            tag.as_str(),
            hex.as_str(),
        ];
        for name in table {
            assert!(Reference::parse(name).is_err(), "{name:?} was read as {:?}", Reference::parse(name));
        }
    }
}
