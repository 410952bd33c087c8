//! What is mounted into a container, and the devices it gets.

use super::container::Setting;
use super::expand::expand;
use crate::Shared;
use corten_api::core::v1::{Container, Pod, Volume, VolumeMount};
use corten_node_api::cri::{Device, ImageSpec, Mount, MountPropagation};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The mounts of a container: its volumes, `/etc/hosts` and the file for its last words.
pub fn mounts(
    shared: &Shared,
    pod: &Pod,
    c: &Container,
    setting: &Setting,
    words: &Path,
    lookup: &impl Fn(&str) -> Option<String>,
) -> Result<Vec<Mount>, String> {
    let mut out = Vec::new();
    for (index, m) in c.volume_mounts.iter().enumerate() {
        let sub = sub_path(m, lookup)?;
        if let Some(image) = setting.images.get(&m.name) {
            out.push(Mount {
                image: Some(ImageSpec {
                    image: image.id.clone(),
                    user_specified_image: image_of(pod, &m.name).unwrap_or_default().to_string(),
                    ..ImageSpec::default()
                }),
                image_sub_path: sub,
                container_path: absolute(&m.mount_path),
                readonly: true,
                ..Mount::default()
            });
            continue;
        }
        let Some(volume) = setting.volumes.get(&m.name) else {
            return Err(format!("cannot find volume \"{}\" to mount into container \"{}\"", m.name, c.name));
        };
        let source = match sub.as_str() {
            "" => volume.clone(),
            sub => shared
                .volumes
                .bind_subpath(&pod.metadata.uid, &m.name, &c.name, index, volume, sub)
                .map_err(|e| format!("failed to prepare subPath for volumeMount \"{}\": {e}", m.name))?,
        };
        let recursive = recursive_read_only(m, setting.recursive_read_only)
            .map_err(|why| format!("failed to resolve recursive read-only mode: {why}"))?;
        out.push(Mount {
            propagation: propagation(m) as i32,
            recursive_read_only: recursive,
            ..plain(&source, &absolute(&m.mount_path), m.read_only || whole_read_only(pod, &m.name))
        });
    }
    let own = |path: &str| c.volume_mounts.iter().any(|m| m.mount_path == path);
    if !pod.spec.host_network && !own("/etc/hosts") {
        out.push(plain(&shared.places.hosts(&pod.metadata.uid), "/etc/hosts", false));
    }
    let path = match c.termination_message_path.as_str() {
        "" => "/dev/termination-log",
        path => path,
    };
    out.push(plain(words, path, false));
    for m in &mut out {
        // What a pod writes is its own users', on the disk as in the pod.
        m.uid_mappings = setting.users.uids.clone();
        m.gid_mappings = setting.users.gids.clone();
    }
    Ok(out)
}

/// The devices that are volumes of the pod.
pub fn devices(pod: &Pod, c: &Container, volumes: &BTreeMap<String, PathBuf>) -> Result<Vec<Device>, String> {
    let one = |d: &corten_api::core::v1::VolumeDevice| {
        let host = volumes.get(&d.name).ok_or_else(|| {
            format!("cannot find volume \"{}\" to pass into container \"{}\"", d.name, c.name)
        })?;
        let permissions = if whole_read_only(pod, &d.name) { "r" } else { "mrw" };
        Ok(Device {
            container_path: d.device_path.clone(),
            host_path: host.to_string_lossy().into_owned(),
            permissions: permissions.into(),
        })
    };
    c.volume_devices.iter().map(one).collect()
}

/// Whether the volume is read-only, whatever its mounts say.
fn whole_read_only(pod: &Pod, name: &str) -> bool {
    volume(pod, name).is_some_and(crate::volumes::is_read_only)
}

fn volume<'a>(pod: &'a Pod, name: &str) -> Option<&'a Volume> {
    pod.spec.volumes.iter().find(|v| v.name == name)
}

/// The image that a volume shows.
pub fn image_of<'a>(pod: &'a Pod, name: &str) -> Option<&'a str> {
    volume(pod, name).and_then(|v| v.volume_source.image.as_deref()).map(|i| i.reference.as_str())
}

fn plain(host: &Path, container: &str, readonly: bool) -> Mount {
    Mount {
        host_path: host.to_string_lossy().into_owned(),
        container_path: container.to_string(),
        readonly,
        ..Mount::default()
    }
}

fn absolute(path: &str) -> String {
    if path.starts_with('/') { path.to_string() } else { format!("/{path}") }
}

fn propagation(m: &VolumeMount) -> MountPropagation {
    match m.mount_propagation.as_deref() {
        Some("HostToContainer") => MountPropagation::PropagationHostToContainer,
        Some("Bidirectional") => MountPropagation::PropagationBidirectional,
        _ => MountPropagation::PropagationPrivate,
    }
}

/// Whether a mount is read-only with all that is mounted below. `able` tells whether the runtime can do that.
pub fn recursive_read_only(m: &VolumeMount, able: bool) -> Result<bool, String> {
    let mode = match m.recursive_read_only.as_deref() {
        None | Some("Disabled") => return Ok(false),
        Some(mode) => mode,
    };
    let refused =
        |why: &str| Err(format!("volume \"{}\" requested recursive read-only mode, but it is {why}", m.name));
    if !m.read_only {
        return refused("not read-only");
    }
    if let Some(with) = m.mount_propagation.as_deref().filter(|p| *p != "None") {
        return refused(&format!("not compatible with propagation \"{with}\""));
    }
    match mode {
        "IfPossible" => Ok(able),
        "Enabled" if able => Ok(true),
        "Enabled" => refused("not supported by the runtime"),
        other => Err(format!("unknown recursive read-only mode \"{other}\"")),
    }
}

/// The path within the volume that a mount asks for; empty for the volume itself.
fn sub_path(m: &VolumeMount, lookup: &impl Fn(&str) -> Option<String>) -> Result<String, String> {
    if m.sub_path_expr.is_empty() {
        return Ok(m.sub_path.clone());
    }
    let path = expand(&m.sub_path_expr, lookup);
    if path.contains("$(") {
        return Err(format!("missing value for \"{}\"", m.sub_path_expr));
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recursive_read_only_needs_a_runtime_that_can() {
        let mount = |mode: &str, read_only, propagation: Option<&str>| VolumeMount {
            name: "v".into(),
            read_only,
            recursive_read_only: Some(mode.into()),
            mount_propagation: propagation.map(str::to_string),
            ..VolumeMount::default()
        };
        for (m, able, want) in [
            (mount("Disabled", true, None), true, Ok(false)),
            (mount("IfPossible", true, None), true, Ok(true)),
            (mount("IfPossible", true, None), false, Ok(false)),
            (mount("Enabled", true, Some("None")), true, Ok(true)),
            (mount("Enabled", true, None), false, Err("not supported by the runtime")),
            (mount("Enabled", false, None), true, Err("not read-only")),
            (
                mount("Enabled", true, Some("HostToContainer")),
                true,
                Err("not compatible with propagation \"HostToContainer\""),
            ),
        ] {
            let why = |w| format!("volume \"v\" requested recursive read-only mode, but it is {w}");
            assert_eq!(recursive_read_only(&m, able), want.map_err(why), "{m:?}");
        }
    }

    #[test]
    fn volumes_that_are_devices_are_passed_on() {
        let mut pod = Pod::default();
        let mut v = Volume { name: "disk".into(), ..Volume::default() };
        v.volume_source.persistent_volume_claim = Some(Default::default());
        pod.spec.volumes = vec![v];
        let mut c = Container { name: "c".into(), ..Container::default() };
        c.volume_devices =
            vec![corten_api::core::v1::VolumeDevice { name: "disk".into(), device_path: "/dev/xvda".into() }];
        assert!(devices(&pod, &c, &BTreeMap::new()).is_err());
        let volumes = BTreeMap::from([("disk".to_string(), PathBuf::from("/dev/loop7"))]);
        let got = devices(&pod, &c, &volumes).expect("found");
        assert_eq!(
            (got[0].host_path.as_str(), got[0].container_path.as_str(), got[0].permissions.as_str()),
            ("/dev/loop7", "/dev/xvda", "mrw")
        );
    }
}
