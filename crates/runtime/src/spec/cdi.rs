//! Devices of vendors (Container Device Interface): files of `/etc/cdi` and `/var/run/cdi` say which nodes,
//! mounts and variables a device named `vendor/class=name` brings.

use std::collections::BTreeMap;
use std::path::Path;

use corten_node_api::cri;
use corten_sys::cgroups::DeviceAccess;
use serde::Deserialize;

use super::devices::Devices;
use super::refusal::{invalid, missing, unsupported};
use super::{DeviceNode, Files, Refusal};

/// Where they are; a later directory goes before an earlier one.
const DIRECTORIES: [&str; 2] = ["/etc/cdi", "/var/run/cdi"];

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Specification {
    kind: String,
    devices: Vec<Named>,
    container_edits: Edits,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Named {
    name: String,
    container_edits: Edits,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Edits {
    env: Vec<String>,
    device_nodes: Vec<Node>,
    mounts: Vec<MountEdit>,
    hooks: Vec<serde::de::IgnoredAny>,
    net_devices: Vec<serde::de::IgnoredAny>,
    intel_rdt: Option<serde::de::IgnoredAny>,
    #[serde(rename = "additionalGids")]
    additional_gids: Vec<u32>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Node {
    path: String,
    host_path: String,
    file_mode: Option<u32>,
    permissions: String,
    uid: Option<u32>,
    gid: Option<u32>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct MountEdit {
    host_path: String,
    container_path: String,
    options: Vec<String>,
}

/// What devices bring beside their nodes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Brought {
    pub env: Vec<String>,
    pub mounts: Vec<cri::Mount>,
    pub groups: Vec<u32>,
}

/// Adds the named devices.
pub(super) fn add(
    names: &[cri::CdiDevice],
    files: &dyn Files,
    devices: &mut Devices,
) -> Result<Brought, Refusal> {
    let mut brought = Brought::default();
    if names.is_empty() {
        return Ok(brought);
    }
    let known = specifications(files);
    let mut used: Vec<&str> = Vec::new();
    let mut unknown: Vec<&str> = Vec::new();
    for name in names {
        match known.get(&name.name) {
            None => unknown.push(&name.name),
            Some(_) if used.contains(&name.name.as_str()) => {}
            Some((of_all, path, of_one)) => {
                // What a file says for all its devices counts once.
                if !used.iter().any(|u| known.get(*u).is_some_and(|(_, other, _)| other == path)) {
                    of_all.apply(&name.name, files, devices, &mut brought)?;
                }
                of_one.apply(&name.name, files, devices, &mut brought)?;
                used.push(&name.name);
            }
        }
    }
    match unknown.is_empty() {
        true => Ok(brought),
        false => Err(missing(format!(
            "CDI device injection failed: unresolvable CDI devices {}: no valid file in {} describes them",
            unknown.join(", "),
            DIRECTORIES.join(" or ")
        ))),
    }
}

/// All devices by their full names: the edits of their file, its path, and their own. A file that cannot be
/// read or understood describes nothing.
fn specifications(files: &dyn Files) -> BTreeMap<String, (Edits, String, Edits)> {
    let mut out = BTreeMap::new();
    for directory in DIRECTORIES {
        for path in files.list(Path::new(directory)).unwrap_or_default() {
            let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
            let Ok(bytes) = files.read(&path) else { continue };
            let text = String::from_utf8_lossy(&bytes);
            let parsed: Result<Specification, String> = match extension {
                "json" => serde_json::from_str(&text).map_err(|e| e.to_string()),
                "yaml" | "yml" => serde_saphyr::from_str(&text).map_err(|e| e.to_string()),
                _ => continue,
            };
            match parsed {
                Ok(spec) => {
                    let path = path.display().to_string();
                    for device in spec.devices {
                        let name = format!("{}={}", spec.kind, device.name);
                        out.insert(
                            name,
                            (spec.container_edits.clone(), path.clone(), device.container_edits),
                        );
                    }
                }
                Err(error) => {
                    tracing::warn!(path = %path.display(), error, "a CDI specification cannot be read");
                }
            }
        }
    }
    out
}

impl Edits {
    fn apply(
        &self,
        name: &str,
        files: &dyn Files,
        devices: &mut Devices,
        brought: &mut Brought,
    ) -> Result<(), Refusal> {
        let refused = [
            (!self.hooks.is_empty(), "hooks, which this runtime does not run"),
            (!self.net_devices.is_empty(), "network devices"),
            (self.intel_rdt.is_some(), "Intel RDT"),
        ];
        if let Some((_, what)) = refused.into_iter().find(|(given, _)| *given) {
            return Err(unsupported(format!("CDI device {name} needs {what}")));
        }
        brought.env.extend(self.env.iter().cloned());
        brought.groups.extend(self.additional_gids.iter().filter(|gid| **gid != 0));
        for node in &self.device_nodes {
            node.add(name, files, devices)?;
        }
        brought.mounts.extend(self.mounts.iter().map(|mount| cri::Mount {
            container_path: mount.container_path.clone(),
            host_path: mount.host_path.clone(),
            readonly: mount.options.iter().any(|o| o == "ro"),
            ..Default::default()
        }));
        Ok(())
    }
}

impl Node {
    fn add(&self, name: &str, files: &dyn Files, devices: &mut Devices) -> Result<(), Refusal> {
        let host = if self.host_path.is_empty() { &self.path } else { &self.host_path };
        let found =
            files.device(Path::new(host)).map_err(|e| missing(format!("CDI device {name}: {host}: {e}")))?;
        let found =
            found.ok_or_else(|| invalid(format!("CDI device {name}: {host} is not a device node")))?;
        let permissions = if self.permissions.is_empty() { "rwm" } else { &self.permissions };
        let access = DeviceAccess::parse(permissions).ok_or_else(|| {
            invalid(format!("CDI device {name}: permissions {permissions:?} are not of r, w, m"))
        })?;
        let kind = found.mode & nix::libc::S_IFMT;
        let mode = self.file_mode.map_or(found.mode, |mode| kind | mode & 0o7777);
        let (uid, gid) = (self.uid.unwrap_or(found.uid), self.gid.unwrap_or(found.gid));
        devices.add(&DeviceNode { mode, uid, gid, ..found }, self.path.clone(), access);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::FakeFiles;
    use super::*;

    const JSON: &str = r#"{"cdiVersion":"0.6.0","kind":"corten.example/gpu","devices":[
        {"name":"0","containerEdits":{"deviceNodes":[{"path":"/dev/gpu","hostPath":"/dev/gpu0","permissions":"rw"}],
         "env":["GPU=0"]}},
        {"name":"1","containerEdits":{"env":["GPU1=1"]}}],
        "containerEdits":{"mounts":[{"hostPath":"/lib/gpu","containerPath":"/lib/gpu","options":["ro","bind"]}],
         "additionalGids":[0,44]}}"#;
    const YAML: &str = "cdiVersion: 0.5.0\nkind: corten.example/nic\ndevices:\n- name: hooked\n  containerEdits:\n    \
        hooks:\n    - hookName: createContainer\n      path: /bin/true\n- name: plain\n  containerEdits:\n    env:\n    - NIC=1\n";

    fn files() -> FakeFiles {
        let gpu = DeviceNode {
            path: "/dev/gpu0".into(),
            mode: nix::libc::S_IFCHR | 0o660,
            major: 195,
            minor: 0,
            uid: 0,
            gid: 44,
        };
        FakeFiles {
            files: [
                ("/etc/cdi/gpu.json".into(), JSON.into()),
                ("/var/run/cdi/nic.yaml".into(), YAML.into()),
                ("/var/run/cdi/broken.json".into(), b"{".to_vec()),
                ("/var/run/cdi/README".into(), b"text".to_vec()),
            ]
            .into(),
            devices: vec![gpu],
            ..FakeFiles::default()
        }
    }

    fn names(names: &[&str]) -> Vec<cri::CdiDevice> {
        names.iter().map(|n| cri::CdiDevice { name: (*n).to_owned() }).collect()
    }

    #[test]
    fn devices_bring_nodes_mounts_variables_and_groups() {
        let mut devices = Devices::default();
        let asked = [
            "corten.example/gpu=0",
            "corten.example/gpu=1",
            "corten.example/gpu=0",
            "corten.example/nic=plain",
        ];
        let brought = add(&names(&asked), &files(), &mut devices).expect("known");
        assert_eq!(brought.env, ["GPU=0", "GPU1=1", "NIC=1"]);
        assert_eq!(brought.groups, [44]);
        let mounts: Vec<_> = brought.mounts.iter().map(|m| (m.container_path.as_str(), m.readonly)).collect();
        assert_eq!(mounts, [("/lib/gpu", true)]);
        let node = &devices.nodes[0];
        assert_eq!((node.path.as_str(), node.host_path.as_str(), node.major), ("/dev/gpu", "/dev/gpu0", 195));
        assert_eq!(devices.rules[0].access, DeviceAccess::parse("rw").expect("letters"));
    }

    #[test]
    fn unknown_devices_and_hooks_are_refused() {
        for (name, text) in [
            ("corten.example/gpu=7", "unresolvable CDI devices corten.example/gpu=7"),
            ("corten.example/nic=hooked", "CDI device corten.example/nic=hooked needs hooks"),
        ] {
            let message =
                add(&names(&[name]), &files(), &mut Devices::default()).expect_err(name).to_string();
            assert!(message.contains(text), "{message}");
        }
    }
}
