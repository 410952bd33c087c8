//! Devices: nodes in the container's `/dev`, and what its control group allows.

use std::path::{Path, PathBuf};

use corten_node_api::cri;
use corten_pod::protocol::{Device, Mount, Source};
use corten_sys::cgroups::{DeviceAccess, DeviceKind, DeviceRule};
use nix::libc::S_IFCHR;

use super::refusal::{invalid, missing};
use super::{DeviceNode, Files, Refusal};

/// Nodes that every container has, all for everybody to read and write.
const DEFAULT: [(&str, u32, u32); 6] = [
    ("/dev/null", 1, 3),
    ("/dev/zero", 1, 5),
    ("/dev/full", 1, 7),
    ("/dev/random", 1, 8),
    ("/dev/urandom", 1, 9),
    ("/dev/tty", 5, 0),
];

/// Links that every container has.
const LINKS: [(&str, &str); 6] = [
    ("/dev/ptmx", "pts/ptmx"),
    ("/dev/fd", "/proc/self/fd"),
    ("/dev/stdin", "/proc/self/fd/0"),
    ("/dev/stdout", "/proc/self/fd/1"),
    ("/dev/stderr", "/proc/self/fd/2"),
    ("/dev/core", "/proc/kcore"),
];

/// What a container may use beside its nodes: consoles and terminals.
const TERMINALS: [(u32, Option<u32>); 3] = [(5, Some(1)), (5, Some(2)), (136, None)];

/// Entries of `/dev` that are no devices of the machine's, or the container's own.
const SKIPPED: [&str; 9] = ["pts", "shm", "fd", "mqueue", ".lxc", ".lxd-mounts", ".udev", "console", "ptmx"];

/// How deep directories of devices are looked through.
const MAX_DEPTH: usize = 16;

/// A container's devices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Devices {
    pub nodes: Vec<Device>,
    pub rules: Vec<DeviceRule>,
}

impl Devices {
    /// The devices of every container: nodes, terminals, and the making of any node.
    pub(super) fn default_ones() -> Devices {
        let mut out = Devices::default();
        for kind in [DeviceKind::Char, DeviceKind::Block] {
            out.rules.push(DeviceRule { kind, major: None, minor: None, access: DeviceAccess::MKNOD });
        }
        for (path, major, minor) in DEFAULT {
            let node =
                DeviceNode { path: path.to_owned(), mode: S_IFCHR | 0o666, major, minor, uid: 0, gid: 0 };
            out.add(&node, path.to_owned(), DeviceAccess::ALL);
        }
        out.rules.extend(TERMINALS.map(|(major, minor)| DeviceRule {
            kind: DeviceKind::Char,
            major: Some(major),
            minor,
            access: DeviceAccess::ALL,
        }));
        out
    }

    /// Adds a node and the right to use it; one that is there already is replaced.
    pub(super) fn add(&mut self, node: &DeviceNode, path: String, access: DeviceAccess) {
        let device = Device {
            path: path.clone(),
            host_path: node.path.clone(),
            mode: node.mode,
            major: node.major,
            minor: node.minor,
            uid: node.uid,
            gid: node.gid,
        };
        let kind = if node.is_block() { DeviceKind::Block } else { DeviceKind::Char };
        let rule = DeviceRule { kind, major: Some(node.major), minor: Some(node.minor), access };
        match self.nodes.iter_mut().find(|d| d.path == path) {
            Some(place) => *place = device,
            None => self.nodes.push(device),
        }
        if !self.rules.contains(&rule) {
            self.rules.push(rule);
        }
    }

    /// Adds a device of the configuration: a node, or all nodes of a directory.
    pub(super) fn add_configured(&mut self, device: &cri::Device, files: &dyn Files) -> Result<(), Refusal> {
        let access = DeviceAccess::parse(&device.permissions).ok_or_else(|| {
            invalid(format!(
                "device {:?}: permissions {:?} are not of r, w, m",
                device.host_path, device.permissions
            ))
        })?;
        let target =
            if device.container_path.is_empty() { &device.host_path } else { &device.container_path };
        if !target.starts_with('/') || target.split('/').any(|part| part == "..") {
            return Err(invalid(format!("device path {target:?} is not absolute")));
        }
        let found = found(files, Path::new(&device.host_path))?;
        if let [(path, node)] = found.as_slice()
            && path.as_os_str().is_empty()
        {
            self.add(node, target.clone(), access);
            return Ok(());
        }
        for (path, node) in found {
            self.add(&node, Path::new(target).join(path).display().to_string(), access);
        }
        Ok(())
    }

    /// Gives it all devices of the machine.
    pub(super) fn add_all(&mut self, files: &dyn Files) -> Result<(), Refusal> {
        for (_, node) in found(files, Path::new("/dev"))? {
            self.add(&node, node.path.clone(), DeviceAccess::ALL);
        }
        self.rules = vec![DeviceRule::ALL];
        Ok(())
    }
}

/// The device at a path, or all below it, with their paths relative to it.
fn found(files: &dyn Files, path: &Path) -> Result<Vec<(PathBuf, DeviceNode)>, Refusal> {
    let failed = |e: std::io::Error| missing(format!("error stating device path: {}: {e}", path.display()));
    if let Some(node) = files.device(path).map_err(failed)? {
        return Ok(vec![(PathBuf::new(), node)]);
    }
    if files.kind(path, true).map_err(failed)? != super::FileKind::Directory {
        return Err(invalid(format!("{} is not a device node", path.display())));
    }
    let mut out = Vec::new();
    collect(files, path, Path::new(""), 0, &mut out);
    Ok(out)
}

/// Passes over what is gone meanwhile, and over links, whose devices are elsewhere.
fn collect(files: &dyn Files, top: &Path, below: &Path, depth: usize, out: &mut Vec<(PathBuf, DeviceNode)>) {
    for path in files.list(&top.join(below)).unwrap_or_default() {
        let Some(name) = path.file_name() else { continue };
        let relative = below.join(name);
        if SKIPPED.iter().any(|skipped| *skipped == name) || depth > MAX_DEPTH {
            continue;
        }
        match files.kind(&path, false) {
            Ok(super::FileKind::Directory) => collect(files, top, &relative, depth + 1, out),
            Ok(super::FileKind::Symlink) | Err(_) => {}
            Ok(_) => out.extend(files.device(&path).ok().flatten().map(|node| (relative, node))),
        }
    }
}

/// The links in `/dev`.
pub(super) fn links() -> Vec<Mount> {
    let link = |(target, to): (&str, &str)| Mount {
        source: Source::Symlink(to.to_owned()),
        target: target.to_owned(),
        ..Mount::default()
    };
    LINKS.map(link).to_vec()
}

#[cfg(test)]
mod tests {
    use super::super::FakeFiles;
    use super::*;

    fn node(path: &str, block: bool, major: u32, minor: u32) -> DeviceNode {
        let kind = if block { nix::libc::S_IFBLK } else { S_IFCHR };
        DeviceNode { path: path.into(), mode: kind | 0o660, major, minor, uid: 0, gid: 6 }
    }

    fn files() -> FakeFiles {
        FakeFiles {
            devices: vec![
                node("/dev/sda", true, 8, 0),
                node("/dev/snd/pcm", false, 116, 2),
                node("/dev/snd/by/control", false, 116, 3),
                node("/dev/pts/0", false, 136, 0),
                node("/dev/console", false, 5, 1),
                node("/dev/null", false, 1, 3),
            ],
            links: [("/dev/disk".into(), "/dev/sda".into())].into(),
            files: [("/dev/file".into(), Vec::new())].into(),
            ..FakeFiles::default()
        }
    }

    fn configured(host: &str, container: &str, permissions: &str) -> Result<Devices, Refusal> {
        let mut devices = Devices::default();
        let device = cri::Device {
            host_path: host.into(),
            container_path: container.into(),
            permissions: permissions.into(),
        };
        devices.add_configured(&device, &files()).map(|()| devices)
    }

    #[test]
    fn nodes_links_and_directories_of_devices() {
        for (host, container, expected) in [
            ("/dev/sda", "/dev/xvda", vec!["/dev/xvda 8:0"]),
            ("/dev/disk", "/dev/disk", vec!["/dev/disk 8:0"]),
            ("/dev/sda", "", vec!["/dev/sda 8:0"]),
            ("/dev/snd", "/dev/sound", vec!["/dev/sound/by/control 116:3", "/dev/sound/pcm 116:2"]),
        ] {
            let devices = configured(host, container, "rw").expect(host);
            let got: Vec<_> =
                devices.nodes.iter().map(|d| format!("{} {}:{}", d.path, d.major, d.minor)).collect();
            assert_eq!(got, expected, "{host}");
            assert!(devices.rules.iter().all(|r| r.access == DeviceAccess::parse("rw").expect("letters")));
            assert_eq!(devices.rules.len(), expected.len());
        }
        assert_eq!(configured("/dev/sda", "", "r").expect("one").rules[0].kind, DeviceKind::Block);
    }

    #[test]
    fn what_is_no_device_is_refused() {
        for (host, container, permissions, text) in [
            ("/dev/gone", "", "rw", "error stating device path: /dev/gone"),
            ("/dev/file", "", "rw", "is not a device node"),
            ("/dev/sda", "", "rx", "permissions \"rx\""),
            ("/dev/sda", "dev/x", "r", "not absolute"),
            ("/dev/sda", "/dev/../x", "r", "not absolute"),
        ] {
            let message = configured(host, container, permissions).expect_err(host).to_string();
            assert!(message.contains(text), "{message}");
        }
    }

    #[test]
    fn privilege_brings_every_device_but_terminals() {
        let mut devices = Devices::default_ones();
        devices.add_all(&files()).expect("all");
        let paths: Vec<_> = devices.nodes.iter().map(|d| d.path.as_str()).collect();
        assert_eq!(&paths[..6], DEFAULT.map(|(path, ..)| path));
        assert_eq!(&paths[6..], ["/dev/sda", "/dev/snd/by/control", "/dev/snd/pcm"]);
        assert_eq!(devices.rules, [DeviceRule::ALL]);
    }
}
