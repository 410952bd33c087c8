//! Volumes that another machine exports by NFS. `mount.nfs` mounts them where it is installed; without it the
//! kernel is asked for version 4 directly.

use super::{Place, Trouble, VolumeKind, format};
use async_trait::async_trait;
use corten_api::core::v1::NFSVolumeSource;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use tokio::process::Command;

/// Names the directories in which they lie.
pub(super) const PLUGIN: &str = "kubernetes.io~nfs";
const PROGRAM: &str = "/sbin/mount.nfs";

#[async_trait]
impl VolumeKind for NFSVolumeSource {
    fn plugin(&self) -> &'static str {
        PLUGIN
    }

    async fn set_up(&self, place: &Place<'_>) -> Result<PathBuf, Trouble> {
        let mounts = &place.volumes.mounts;
        if place.is_ready() || mounts.is_mounted(&place.dir).map_err(|e| e.to_string())? {
            place.now_ready();
            return Ok(place.dir.clone());
        }
        std::fs::create_dir_all(&place.dir).map_err(|e| format!("{}: {e}", place.dir.display()))?;
        let source = source(&self.server, &self.path);
        let mut options = place.mount_options();
        if place.read_only || self.read_only {
            options.push("ro".into());
        }
        let mounted = match Path::new(PROGRAM).exists() {
            true => by_program(&source, &place.dir, &options).await,
            false => by_kernel(self, &source, place, options).await,
        };
        if let Err(error) = mounted {
            // An empty directory would be taken for the volume by whoever looks.
            let _ = std::fs::remove_dir(&place.dir);
            return Err(Trouble::SetUp(format!("mount failed: {error}")));
        }
        place.now_ready();
        Ok(place.dir.clone())
    }
}

/// What is mounted, as mount(8) writes it.
fn source(server: &str, path: &str) -> String {
    match server.contains(':') && !server.starts_with('[') {
        true => format!("[{server}]:{path}"),
        false => format!("{server}:{path}"),
    }
}

async fn by_program(source: &str, target: &Path, options: &[String]) -> Result<(), String> {
    let mut command = Command::new("mount");
    command.args(["-t", "nfs"]);
    if !options.is_empty() {
        command.arg("-o").arg(options.join(","));
    }
    let done = format::run(command.arg(source).arg(target)).await?;
    if done.status.success() { Ok(()) } else { Err(format::words(&done)) }
}

async fn by_kernel(
    nfs: &NFSVolumeSource,
    source: &str,
    place: &Place<'_>,
    mut options: Vec<String>,
) -> Result<(), String> {
    options.extend(kernel_options(&options, address(&nfs.server).await?));
    let (mounts, target, source) = (place.volumes.mounts.clone(), place.dir.clone(), source.to_string());
    // The server may take its time.
    let mounting = tokio::task::spawn_blocking(move || mounts.mount(&source, &target, "nfs4", &options));
    mounting.await.map_err(|e| e.to_string())?.map_err(|e| {
        format!("{e}; if the server has no version 4, install mount.nfs (package nfs-common) on the node")
    })
}

/// What the kernel must be told besides what the user has said.
fn kernel_options(given: &[String], server: IpAddr) -> Vec<String> {
    let mut options = vec![format!("addr={server}")];
    let says_version = |o: &String| o.starts_with("vers=") || o.starts_with("nfsvers=");
    if !given.iter().any(says_version) {
        options.push("vers=4.2".into());
    }
    options
}

async fn address(server: &str) -> Result<IpAddr, String> {
    let name = server.trim_start_matches('[').trim_end_matches(']');
    let mut found = tokio::net::lookup_host((name, 2049)).await.map_err(|e| format!("{server}: {e}"))?;
    found.next().map(|a| a.ip()).ok_or_else(|| format!("{server} has no address"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_is_told() {
        assert_eq!(source("10.0.0.1", "/a"), "10.0.0.1:/a");
        assert_eq!(source("fd00::1", "/a"), "[fd00::1]:/a");
        let server = IpAddr::from([10, 0, 0, 1]);
        assert_eq!(kernel_options(&[], server), ["addr=10.0.0.1", "vers=4.2"]);
        assert_eq!(kernel_options(&["nfsvers=4.1".into()], server), ["addr=10.0.0.1"]);
    }

    #[tokio::test]
    async fn names_that_are_addresses_need_no_lookup() {
        for (name, want) in [("127.0.0.1", "127.0.0.1"), ("[::1]", "::1"), ("::1", "::1")] {
            assert_eq!(address(name).await.map(|a| a.to_string()), Ok(want.to_string()));
        }
    }
}
