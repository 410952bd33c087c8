//! The client of registries: the OCI distribution protocol, which Docker's v2 is.
//!
//! A name leads to [`endpoint`]s, mirrors first. A [`source::Source`] asks them in order, with [`auth`] as they
//! demand it, waiting and asking again where that may help; downloads that break off go on where they were.

pub(super) mod auth;
mod challenge;
mod endpoint;
mod http;
mod retry;
pub(super) mod source;

use super::error::{Error, Result};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// How registries are spoken to.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Registries {
    /// By host, with the port if it has one, as it stands in image names (`docker.io`) or among mirrors; `*` is
    /// for those not listed.
    pub hosts: BTreeMap<String, RegistryConfig>,
    /// When to give up.
    #[serde(skip)]
    pub patience: Patience,
    /// A file (YAML) of the same form as `hosts`, which it adds to. It need not exist, and is read for each pull,
    /// so that what is written there counts at once.
    #[serde(skip)]
    pub file: Option<PathBuf>,
}

impl Registries {
    /// With what the file says now.
    pub(super) fn now(&self) -> Result<Registries> {
        let mut now = self.clone();
        let Some(file) = &self.file else { return Ok(now) };
        let wrong = |e: String| Error::invalid(format!("{}: {e}: correct the file", file.display()));
        let text = match std::fs::read_to_string(file) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(now),
            Err(e) => return Err(wrong(e.to_string())),
        };
        let hosts: Option<BTreeMap<String, RegistryConfig>> =
            serde_saphyr::from_str(&text).map_err(|e| wrong(e.to_string()))?;
        now.hosts.extend(hosts.unwrap_or_default());
        Ok(now)
    }
}

/// How one registry is spoken to.
#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct RegistryConfig {
    /// Asked first, in order: `host[:port]`, or a URL, whose path comes before `/v2`. The registry itself is last.
    pub mirrors: Vec<String>,
    /// Plain HTTP. Hosts on the loopback interface always speak it, unless they have a `ca`.
    pub insecure: bool,
    /// Files with certificates (PEM) that are trusted besides the machine's own.
    pub ca: Vec<PathBuf>,
    /// For pulls without credentials of their own.
    pub username: String,
    /// To the user name.
    pub password: String,
}

impl std::fmt::Debug for RegistryConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("RegistryConfig");
        shown.field("mirrors", &self.mirrors).field("insecure", &self.insecure).field("ca", &self.ca);
        shown.field("username", &self.username).finish_non_exhaustive()
    }
}

/// How long to wait, and how often to ask again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// For a connection.
    pub connect: Duration,
    /// For the beginning of an answer.
    pub answer: Duration,
    /// For the next bytes of a download.
    pub stall: Duration,
    /// How often in a row, without any progress, something is tried.
    pub attempts: u32,
    /// Before the second attempt; doubles from there.
    pub first_wait: Duration,
    /// The longest wait of our own choosing.
    pub most_wait: Duration,
    /// The longest that a registry may ask us to wait (`Retry-After`). If it asks for more, the pull fails.
    pub longest_request: Duration,
    /// Layers downloaded at a time, over all pulls.
    pub parallel: usize,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            answer: Duration::from_secs(30),
            stall: Duration::from_secs(30),
            attempts: 5,
            first_wait: Duration::from_millis(500),
            most_wait: Duration::from_secs(10),
            longest_request: Duration::from_secs(30),
            parallel: 4,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_counts_as_it_is_now() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("registries.yaml");
        let registries = Registries { file: Some(file.clone()), ..Registries::default() };
        assert!(registries.now().unwrap().hosts.is_empty());
        for (text, hosts) in [
            ("", Some(vec![])),
            ("# none yet\n", Some(vec![])),
            ("a.io:5000: {insecure: true}\nb.io:\n  mirrors: [c.io]\n", Some(vec!["a.io:5000", "b.io"])),
            (r#"{"d.io": {"ca": ["/x"]}}"#, Some(vec!["d.io"])),
            ("a.io: {secure: no}\n", None),
            ("- a.io\n", None),
        ] {
            std::fs::write(&file, text).unwrap();
            match (registries.now(), hosts) {
                (Ok(now), Some(hosts)) => assert_eq!(now.hosts.keys().collect::<Vec<_>>(), hosts, "{text}"),
                (Err(e), None) => assert!(e.to_string().contains("registries.yaml"), "{e}"),
                (now, hosts) => panic!("{text}: {now:?}, not {hosts:?}"),
            }
        }
        std::fs::write(&file, "a.io: {insecure: true}\n").unwrap();
        assert!(registries.now().unwrap().hosts["a.io"].insecure);
    }
}
