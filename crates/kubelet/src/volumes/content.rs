//! Volumes whose files come from the API.

use super::{Place, atomic, ownership};
use corten_api::core::v1::KeyToPath;
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

/// The mode of files for which none is given.
pub const DEFAULT_MODE: u32 = 0o644;

/// One file to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    pub data: Vec<u8>,
    pub mode: u32,
    /// The user to own it; root when `None`.
    pub owner: Option<u32>,
}

impl File {
    /// A file of root's.
    pub fn new(data: impl Into<Vec<u8>>, mode: u32) -> Self {
        File { data: data.into(), mode, owner: None }
    }
}

/// Files by their path within the volume.
pub type Files = BTreeMap<String, File>;

/// The mode given, or the usual one.
pub fn mode(given: Option<i32>, default: u32) -> u32 {
    given.and_then(|m| u32::try_from(m).ok()).map_or(default, |m| m & 0o777)
}

/// The files that `items` choose among `data`: all when there are none. `kind` is `config` or `secret`, for
/// the error's text.
pub fn choose(
    data: &BTreeMap<String, Vec<u8>>,
    items: &[KeyToPath],
    optional: bool,
    default: u32,
    kind: &str,
) -> Result<Files, String> {
    if items.is_empty() {
        return Ok(data.iter().map(|(key, v)| (key.clone(), File::new(v.clone(), default))).collect());
    }
    let mut files = Files::new();
    for item in items {
        match data.get(&item.key) {
            Some(value) => {
                files.insert(item.path.clone(), File::new(value.clone(), mode(item.mode, default)));
            }
            None if optional => {}
            None => return Err(format!("references non-existent {kind} key: {}", item.key)),
        }
    }
    Ok(files)
}

/// Makes the volume hold exactly `files`: on the node's disk, or in memory when they are secret.
pub async fn publish(place: &Place<'_>, mut files: Files, in_memory: bool) -> Result<PathBuf, String> {
    for path in files.keys() {
        check(path)?;
    }
    let group = place.group();
    for file in files.values_mut().filter(|_| group.is_some()) {
        file.mode |= ownership::READ;
    }
    let volumes = place.volumes;
    if !volumes.ready.lock().contains(&place.dir) {
        prepare(place, in_memory).map_err(|e| format!("{}: {e}", place.dir.display()))?;
        volumes.ready.lock().insert(place.dir.clone());
    }
    let now = volumes.clock.now();
    atomic::write(&place.dir, &files, group, now).map_err(|e| format!("write files: {e}"))?;
    Ok(place.dir.clone())
}

fn prepare(place: &Place<'_>, in_memory: bool) -> Result<(), String> {
    let text = |e: std::io::Error| e.to_string();
    std::fs::create_dir_all(&place.dir).map_err(text)?;
    let mounts = &place.volumes.mounts;
    if in_memory && !mounts.is_mounted(&place.dir).map_err(|e| e.to_string())? {
        mounts.tmpfs(&place.dir, None).map_err(|e| e.to_string())?;
    }
    ownership::set_mode(&place.dir, 0o777).map_err(text)?;
    place.group().map_or(Ok(()), |group| ownership::give(&place.dir, group, ownership::READ)).map_err(text)
}

/// A path must stay within the volume, and out of the way of its bookkeeping.
fn check(path: &str) -> Result<(), String> {
    let plain = |c: Component<'_>| matches!(c, Component::Normal(_));
    if path.is_empty() || path.starts_with("..") || !Path::new(path).components().all(plain) {
        return Err(format!("invalid path {path:?}: must stay within the volume and not start with '..'"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_within_the_volume() {
        for (path, good) in
            [("a", true), ("a/b", true), ("", false), ("/a", false), ("a/../../b", false), ("..data", false)]
        {
            assert_eq!(check(path).is_ok(), good, "{path}");
        }
    }

    #[test]
    fn items_choose_keys() {
        let data = BTreeMap::from([("k".to_string(), b"v".to_vec()), ("l".to_string(), Vec::new())]);
        let item = |key: &str| KeyToPath { key: key.into(), path: "p/q".into(), mode: Some(0o400) };
        assert_eq!(choose(&data, &[], false, 0o644, "config").map(|f| f.len()), Ok(2));
        let files = choose(&data, &[item("k")], false, 0o644, "config");
        assert_eq!(files, Ok(Files::from([("p/q".into(), File::new("v", 0o400))])));
        let missing = choose(&data, &[item("x")], false, 0o644, "secret");
        assert_eq!(missing, Err("references non-existent secret key: x".into()));
        assert_eq!(choose(&data, &[item("x")], true, 0o644, "secret"), Ok(Files::new()));
    }
}
