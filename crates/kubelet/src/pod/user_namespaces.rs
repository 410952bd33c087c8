//! The ranges of user ids that pods with `hostUsers: false` get: 65,536 for each pod, noted in the pod's
//! directory, so that they are known again after a restart.

use corten_node_api::cri::{IdMapping, NamespaceMode, UserNamespace};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Ids of one pod.
const LENGTH: u32 = 65_536;
/// Ranges there are for pods; the first belongs to the host.
const MOST: u32 = 1024;
/// The file in a pod's directory that notes its range.
const FILE: &str = "userns";

/// The ranges by pod UID.
#[derive(Debug, Default)]
pub struct UserNamespaces(Mutex<Option<BTreeMap<String, u32>>>);

impl UserNamespaces {
    /// The range of a pod whose directory is in `pods`; one of its own if it has none yet.
    ///
    /// # Errors
    /// All ranges are taken, or the range could not be noted.
    pub fn of(&self, pods: &Path, uid: &str) -> Result<UserNamespace, String> {
        let mut known = self.0.lock();
        let taken = known.get_or_insert_with(|| noted(pods));
        if let Some(range) = taken.get(uid) {
            return Ok(namespace(*range));
        }
        let free = (1..=MOST).find(|r| taken.values().all(|t| t != r));
        let range = free.ok_or("could not find an empty slot to allocate a user namespace")?;
        let dir = pods.join(uid);
        std::fs::create_dir_all(&dir)
            .and_then(|()| std::fs::write(dir.join(FILE), range.to_string()))
            .map_err(|e| format!("note the user namespace in {}: {e}", dir.display()))?;
        taken.insert(uid.to_string(), range);
        Ok(namespace(range))
    }

    /// A pod needs its range no more.
    pub fn release(&self, uid: &str) {
        if let Some(taken) = self.0.lock().as_mut() {
            taken.remove(uid);
        }
    }
}

fn noted(pods: &Path) -> BTreeMap<String, u32> {
    let read = |entry: std::fs::DirEntry| {
        let file: PathBuf = entry.path().join(FILE);
        let range = std::fs::read_to_string(file).ok()?.trim().parse().ok()?;
        Some((entry.file_name().to_string_lossy().into_owned(), range))
    };
    std::fs::read_dir(pods).into_iter().flatten().flatten().filter_map(read).collect()
}

fn namespace(range: u32) -> UserNamespace {
    let mapping = IdMapping { host_id: range * LENGTH, container_id: 0, length: LENGTH };
    UserNamespace { mode: NamespaceMode::Pod as i32, uids: vec![mapping], gids: vec![mapping] }
}

/// Of a pod that runs among the host's users.
pub fn of_host() -> UserNamespace {
    UserNamespace { mode: NamespaceMode::Node as i32, ..UserNamespace::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_kept_over_a_restart_and_never_shared() {
        let dir = tempfile::tempdir().expect("a directory");
        let first = UserNamespaces::default();
        let host = |n: &UserNamespace| n.uids[0].host_id;
        let a = first.of(dir.path(), "a").expect("a range");
        let b = first.of(dir.path(), "b").expect("a range");
        assert_eq!((host(&a), host(&b), a.uids[0].length), (65_536, 131_072, 65_536));
        assert_eq!(first.of(dir.path(), "a").expect("a range"), a);
        let second = UserNamespaces::default();
        assert_eq!(second.of(dir.path(), "b").expect("a range"), b);
        second.release("a");
        std::fs::remove_dir_all(dir.path().join("a")).expect("removed");
        assert_eq!(host(&second.of(dir.path(), "c").expect("a range")), 65_536);
    }
}
