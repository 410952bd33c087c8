//! Which pod has which address, remembered over restarts: one file per address, named after it, that holds
//! the pod's identifier.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use corten_sys::Cidr;
use parking_lot::Mutex;

use crate::{Error, Result};

/// The network's own address and the gateway's come first and are no pod's.
const FIRST: u64 = 2;

/// The addresses of one range, and who holds them.
#[derive(Debug)]
pub struct Addresses {
    dir: PathBuf,
    range: Cidr,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    pods: BTreeMap<IpAddr, String>,
    /// Where the search for a free address goes on, so that a freed one rests before it is used again.
    next: u64,
}

impl Addresses {
    /// Reads the record in `dir` (made if missing). Files for addresses outside `range` are left alone.
    pub fn open(dir: &Path, range: Cidr) -> Result<Self> {
        if range.size() < 4 {
            return Err(Error::TooSmall(range));
        }
        let failed = |source| Error::Record { path: dir.display().to_string(), source };
        std::fs::create_dir_all(dir).map_err(failed)?;
        let mut held = Held { pods: BTreeMap::new(), next: FIRST };
        for entry in std::fs::read_dir(dir).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let Some(address) = name.parse::<IpAddr>().ok().filter(|a| range.contains(*a)) else { continue };
            let pod = std::fs::read_to_string(entry.path()).map_err(failed)?;
            if pod.is_empty() {
                // Written halfway when the machine stopped: no pod got to use it.
                std::fs::remove_file(entry.path()).map_err(failed)?;
                continue;
            }
            held.pods.insert(address, pod);
        }
        Ok(Addresses { dir: dir.to_owned(), range, held: Mutex::new(held) })
    }

    /// The range that addresses are taken from.
    pub fn range(&self) -> Cidr {
        self.range
    }

    /// The gateway's address.
    pub fn gateway(&self) -> IpAddr {
        self.range.at(1)
    }

    /// The pod's address: the one it has, or a free one from now on.
    pub fn allocate(&self, pod: &str) -> Result<IpAddr> {
        let mut held = self.held.lock();
        if let Some((address, _)) = held.pods.iter().find(|(_, p)| *p == pod) {
            return Ok(*address);
        }
        // The last address of a version 4 network is its broadcast's.
        let count = self.range.size() - FIRST - u64::from(!self.range.is_v6());
        let candidates = (0..count.min(1 << 20)).map(|step| FIRST + (held.next - FIRST + step) % count);
        let free = candidates.map(|i| (i, self.range.at(i))).find(|(_, a)| !held.pods.contains_key(a));
        let (index, address) = free.ok_or(Error::Exhausted(self.range))?;
        self.record(address, pod)?;
        held.next = FIRST + (index + 1 - FIRST) % count;
        held.pods.insert(address, pod.to_owned());
        Ok(address)
    }

    /// The pod's address, if it has one.
    pub fn of(&self, pod: &str) -> Option<IpAddr> {
        self.held.lock().pods.iter().find(|(_, p)| *p == pod).map(|(a, _)| *a)
    }

    /// All pods that hold an address.
    pub fn pods(&self) -> Vec<String> {
        self.held.lock().pods.values().cloned().collect()
    }

    /// Gives the pod's address back; having none is fine.
    pub fn release(&self, pod: &str) -> Result<()> {
        let mut held = self.held.lock();
        let Some(address) = held.pods.iter().find(|(_, p)| *p == pod).map(|(a, _)| *a) else {
            return Ok(());
        };
        let path = self.dir.join(address.to_string());
        match std::fs::remove_file(&path) {
            Err(source) if source.kind() != ErrorKind::NotFound => {
                return Err(Error::Record { path: path.display().to_string(), source });
            }
            _ => {}
        }
        held.pods.remove(&address);
        Ok(())
    }

    fn record(&self, address: IpAddr, pod: &str) -> Result<()> {
        let path = self.dir.join(address.to_string());
        let write = || File::create(&path)?.write_all(pod.as_bytes());
        write().map_err(|source| Error::Record { path: path.display().to_string(), source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(dir: &Path, range: &str) -> Addresses {
        Addresses::open(dir, range.parse().expect("range")).expect("open")
    }

    #[test]
    fn a_pod_keeps_its_address_over_a_restart() {
        let dir = tempfile::tempdir().expect("directory");
        let addresses = open(dir.path(), "10.244.1.0/24");
        let a = addresses.allocate("a").expect("address");
        assert_eq!(a.to_string(), "10.244.1.2");
        assert_eq!(addresses.allocate("a").expect("again"), a);
        let again = open(dir.path(), "10.244.1.0/24");
        assert_eq!(again.allocate("b").expect("address").to_string(), "10.244.1.3");
        assert_eq!((again.of("a"), again.pods()), (Some(a), vec!["a".to_owned(), "b".to_owned()]));
    }

    #[test]
    fn freed_addresses_rest_and_the_range_ends() {
        let dir = tempfile::tempdir().expect("directory");
        let addresses = open(dir.path(), "10.244.1.8/29");
        let take = |pod: &str| addresses.allocate(pod).map(|a| a.to_string());
        let given: Vec<_> = ["a", "b", "c", "d", "e"].iter().map(|p| take(p).expect("free")).collect();
        assert_eq!(given, (10..15).map(|n| format!("10.244.1.{n}")).collect::<Vec<_>>());
        assert!(matches!(take("f"), Err(Error::Exhausted(_))));
        addresses.release("b").expect("release");
        addresses.release("b").expect("releasing twice is fine");
        addresses.release("d").expect("release");
        assert_eq!(take("f").expect("free"), "10.244.1.11");
        addresses.release("f").expect("release");
        assert_eq!(take("g").expect("free"), "10.244.1.13", "the other free one comes first");
    }

    #[test]
    fn half_written_files_free_their_address_and_strangers_stay() {
        let dir = tempfile::tempdir().expect("directory");
        std::fs::write(dir.path().join("10.244.1.2"), "").expect("write");
        std::fs::write(dir.path().join("10.9.0.2"), "other").expect("write");
        let addresses = open(dir.path(), "10.244.1.0/24");
        assert!(addresses.pods().is_empty());
        assert!(!dir.path().join("10.244.1.2").exists() && dir.path().join("10.9.0.2").exists());
    }

    #[test]
    fn version_six_and_ranges_too_small() {
        let dir = tempfile::tempdir().expect("directory");
        assert_eq!(open(dir.path(), "fd00:1::/64").allocate("a").expect("free").to_string(), "fd00:1::2");
        let small = Addresses::open(dir.path(), "10.0.0.0/31".parse().expect("range"));
        assert!(matches!(small, Err(Error::TooSmall(_))));
    }
}
