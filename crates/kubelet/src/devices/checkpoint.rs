//! Who has which devices, written down: containers outlive this process, and so does what they were given.

use super::pool::{Pool, Resource};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use corten_node_api::device_plugin::ContainerAllocateResponse;
use prost::Message;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;

/// The file, of upstream's name.
const FILE: &str = "kubelet_internal_checkpoint";

/// Devices that one container has.
#[derive(Clone, Debug, PartialEq)]
pub struct Given {
    pub uid: String,
    pub container: String,
    pub resource: String,
    pub devices: BTreeSet<String>,
    /// What the plugin said.
    pub response: ContainerAllocateResponse,
}

/// The file's text.
pub fn text(pool: &Pool) -> String {
    let entries: Vec<Value> = pool
        .given
        .iter()
        .map(|g| {
            json!({
                "PodUID": g.uid,
                "ContainerName": g.container,
                "ResourceName": g.resource,
                "DeviceIDs": { "-1": g.devices },
                "AllocResp": STANDARD.encode(g.response.encode_to_vec()),
            })
        })
        .collect();
    let registered: serde_json::Map<String, Value> =
        pool.resources.iter().map(|(name, r)| (name.clone(), r.devices.keys().cloned().collect())).collect();
    json!({ "Data": { "PodDeviceEntries": entries, "RegisteredDevices": registered } }).to_string()
}

/// Writes the file as a whole.
pub fn write(dir: &Path, text: &str) -> std::io::Result<()> {
    std::fs::create_dir_all(dir)?;
    let unfinished = dir.join(format!(".{FILE}"));
    std::fs::write(&unfinished, text)?;
    std::fs::rename(unfinished, dir.join(FILE))
}

/// What the file tells; nothing if there is none, or none that can be read. Devices are there, but no plugin
/// vouches for them yet.
pub fn read(dir: &Path) -> Pool {
    let text = std::fs::read_to_string(dir.join(FILE)).unwrap_or_default();
    parse(&text).unwrap_or_default()
}

fn parse(text: &str) -> Option<Pool> {
    let file: Value = serde_json::from_str(text).ok()?;
    let data = &file["Data"];
    let mut pool = Pool::default();
    for (name, ids) in data["RegisteredDevices"].as_object().into_iter().flatten() {
        let ids =
            ids.as_array().into_iter().flatten().filter_map(|id| Some((id.as_str()?.to_string(), false)));
        let resource = Resource {
            devices: ids.collect(),
            stopped: Some(corten_rt::Instant::now()),
            ..Resource::default()
        };
        pool.resources.insert(name.clone(), resource);
    }
    for entry in data["PodDeviceEntries"].as_array().into_iter().flatten() {
        let of = |name: &str| entry[name].as_str().map(str::to_string);
        let devices =
            entry["DeviceIDs"].as_object()?.values().flat_map(|ids| ids.as_array().into_iter().flatten());
        let response = STANDARD.decode(entry["AllocResp"].as_str().unwrap_or_default()).ok()?;
        pool.given.push(Given {
            uid: of("PodUID")?,
            container: of("ContainerName")?,
            resource: of("ResourceName")?,
            devices: devices.filter_map(|id| Some(id.as_str()?.to_string())).collect(),
            response: ContainerAllocateResponse::decode(response.as_slice()).ok()?,
        });
    }
    Some(pool)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_given_is_found_again() {
        let dir = tempfile::tempdir().expect("directory");
        assert!(read(dir.path()).given.is_empty());
        let mut pool = Pool::default();
        let response = ContainerAllocateResponse {
            envs: [("A".to_string(), "b".to_string())].into(),
            ..ContainerAllocateResponse::default()
        };
        let given = Given {
            uid: "u".into(),
            container: "c".into(),
            resource: "x/r".into(),
            devices: ["d0".to_string()].into(),
            response,
        };
        pool.given.push(given.clone());
        let devices = [("d0".to_string(), true), ("d1".to_string(), true)].into();
        pool.resources.insert("x/r".into(), Resource { devices, ..Resource::default() });
        write(dir.path(), &text(&pool)).expect("written");
        let mut found = read(dir.path());
        assert_eq!(found.given, [given]);
        assert_eq!(found.amounts(), (vec![("x/r".into(), 2)], vec![("x/r".into(), 0)]));
        std::fs::write(dir.path().join(FILE), "{broken").expect("written");
        assert!(read(dir.path()).given.is_empty());
    }
}
