//! What a container sees mounted, in order: the file systems every container has, then the configuration's
//! mounts and the pod's files, by the depth of their places.

use std::path::{Component, Path, PathBuf};

use corten_node_api::cri::{self, MountPropagation, NamespaceMode};
use corten_pod::protocol::{FileSystem, IdMap, Mount, Propagation, Source};
use nix::libc::{MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_RDONLY, MS_RELATIME, MS_STRICTATIME};

use super::refusal::{invalid, missing, unsupported};
use super::{ContainerInput, Refusal, Volume, devices, image_mounts, sandbox, volumes};

/// Where version 1's hierarchies and version 2's tree are.
pub(super) const CGROUPS: &str = "/sys/fs/cgroup";

/// The pod's files, by their names in the sandbox's directory.
const POD_FILES: [(&str, &str); 3] =
    [("/etc/hostname", "hostname"), ("/etc/hosts", "hosts"), ("/etc/resolv.conf", "resolv.conf")];

/// What mounts need.
pub(super) struct Situation<'a> {
    pub input: &'a ContainerInput<'a>,
    pub privileged: bool,
    pub readonly_root: bool,
    /// The pod's users, if it has its own.
    pub id_map: Option<IdMap>,
    pub host_ipc: bool,
    /// The container's control group.
    pub cgroup: &'a str,
}

/// A container's mounts, and what is to be done for them before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Mounts {
    pub mounts: Vec<Mount>,
    pub handles: Vec<PathBuf>,
    pub directories: Vec<PathBuf>,
    pub volumes: Vec<Volume>,
    pub root_propagation: Propagation,
    /// Paths to make read-only once everything is mounted.
    pub readonly_paths: Vec<String>,
    /// Whether `/dev` is the container's own, to be filled with devices.
    pub own_dev: bool,
}

/// All mounts. `extra` are further ones in CRI's terms, of devices.
pub(super) fn all(situation: &Situation<'_>, extra: &[cri::Mount]) -> Result<Mounts, Refusal> {
    let mut given = situation.input.config.mounts.clone();
    for mount in extra.iter().cloned().chain(situation.pod_files()) {
        let place = clean(&mount.container_path);
        if !given.iter().any(|g| clean(&g.container_path) == place) {
            given.push(mount);
        }
    }
    given.sort_by_key(|mount| depth(&clean(&mount.container_path)));
    let places: Vec<String> = given.iter().map(|mount| clean(&mount.container_path)).collect();
    let own_dev = !places.iter().any(|p| p == "/dev");
    let mut out = Mounts { own_dev, ..Mounts::default() };
    let own = |target: &str| !places.iter().any(|p| p == target) && (own_dev || !target.starts_with("/dev/"));
    out.mounts.extend(situation.file_systems().into_iter().filter(|m| own(&m.target)));
    if own(CGROUPS) && own("/sys") {
        situation.cgroups(&mut out);
    }
    if own_dev {
        out.mounts.extend(devices::links().into_iter().filter(|m| own(&m.target)));
    }
    if situation.readonly_root && situation.id_map.is_none() {
        out.volumes = volumes::add(situation.input, &places, &mut out.mounts)?;
    }
    for (mount, place) in given.iter().zip(places) {
        out.add(situation, mount, place)?;
    }
    Ok(out)
}

/// `path` from the root, without `.`, `..` and doubled slashes.
pub(super) fn clean(path: &str) -> String {
    let mut out = PathBuf::from("/");
    for component in Path::new(path).components() {
        match component {
            Component::Normal(name) => out.push(name),
            Component::ParentDir => drop(out.pop()),
            _ => {}
        }
    }
    out.display().to_string()
}

fn depth(path: &str) -> usize {
    path.matches('/').count()
}

fn file_system(kind: &str, target: &str, flags: u64, options: &str) -> Mount {
    Mount {
        source: Source::Type(FileSystem {
            kind: kind.to_owned(),
            device: kind.to_owned(),
            options: options.to_owned(),
        }),
        target: target.to_owned(),
        flags,
        ..Mount::default()
    }
}

impl Situation<'_> {
    /// The file systems every container has.
    fn file_systems(&self) -> Vec<Mount> {
        let safe = MS_NOSUID | MS_NOEXEC | MS_NODEV;
        let sys = if self.privileged { safe } else { safe | MS_RDONLY };
        // The group `tty` is 5 everywhere; a pod without that group cannot give terminals to it.
        let tty = self
            .id_map
            .as_ref()
            .is_none_or(|map| map.groups.iter().any(|g| g.inside <= 5 && 5 - g.inside < g.count));
        let pts = format!("newinstance,ptmxmode=0666,mode=0620{}", if tty { ",gid=5" } else { "" });
        let shm = match self.host_ipc {
            true => Mount { source: Source::Bind("/dev/shm".to_owned()), ..Mount::default() },
            false => Mount { source: Source::Shm, flags: safe, ..Mount::default() },
        };
        vec![
            file_system("proc", "/proc", safe, ""),
            file_system("tmpfs", "/dev", MS_NOSUID | MS_STRICTATIME, "mode=755,size=65536k"),
            file_system("devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC, &pts),
            file_system("mqueue", "/dev/mqueue", safe, ""),
            Mount { target: "/dev/shm".to_owned(), ..shm },
            file_system("sysfs", "/sys", sys, ""),
        ]
    }

    /// Version 2: the tree, which begins at the container's group where it has a namespace of its own, and is
    /// the machine's for a privileged one. Version 1: each hierarchy's group of the container.
    fn cgroups(&self, out: &mut Mounts) {
        let layout = &self.input.machine.cgroups;
        let flags = MS_NOSUID | MS_NOEXEC | MS_NODEV | MS_RELATIME;
        let readonly = if self.privileged { 0 } else { MS_RDONLY };
        let bind = |from: &Path, target: String| Mount {
            source: Source::Bind(from.display().to_string()),
            target,
            flags: flags | readonly,
            ..Mount::default()
        };
        if layout.is_unified() {
            let tree = layout.hierarchies.iter().find(|h| h.unified);
            out.mounts.push(match tree.filter(|_| self.privileged) {
                Some(tree) => bind(&tree.dir, CGROUPS.to_owned()),
                None => file_system("cgroup2", CGROUPS, flags | readonly, ""),
            });
            return;
        }
        // Read-only later: the places of the hierarchies are made in it.
        out.mounts.push(file_system("tmpfs", CGROUPS, MS_NOSUID | MS_NOEXEC | MS_NODEV, "mode=755"));
        for hierarchy in layout.hierarchies.iter().filter(|h| !h.unified) {
            let Some(name) = hierarchy.dir.file_name().map(|n| n.to_string_lossy().into_owned()) else {
                continue;
            };
            let group = hierarchy.dir.join(self.cgroup.trim_start_matches('/'));
            out.mounts.push(bind(&group, format!("{CGROUPS}/{name}")));
            let links = hierarchy.controllers.iter().filter(|c| **c != name);
            out.mounts.extend(links.map(|controller| Mount {
                source: Source::Symlink(name.clone()),
                target: format!("{CGROUPS}/{controller}"),
                ..Mount::default()
            }));
        }
        if !self.privileged {
            out.readonly_paths.push(CGROUPS.to_owned());
        }
    }

    /// The pod's own files, unless the configuration has them.
    fn pod_files(&self) -> Vec<cri::Mount> {
        let context = self.input.config.linux.as_ref().and_then(|l| l.security_context.as_ref());
        let users =
            context.and_then(|c| c.namespace_options.as_ref()?.userns_options.clone()).unwrap_or_default();
        let file = |(target, name): (&str, &str)| cri::Mount {
            container_path: target.to_owned(),
            host_path: self.input.sandbox_dir.join(name).display().to_string(),
            readonly: self.readonly_root,
            uid_mappings: users.uids.clone(),
            gid_mappings: users.gids.clone(),
            ..Default::default()
        };
        POD_FILES.map(file).to_vec()
    }

    /// Whether a mount's ids are mapped; they can only be as the pod's are.
    fn id_mapped(&self, mount: &cri::Mount) -> Result<bool, Refusal> {
        if mount.uid_mappings.is_empty() && mount.gid_mappings.is_empty() {
            return Ok(false);
        }
        let users = sandbox::ranges(&mount.uid_mappings, "UID")?;
        let groups = sandbox::ranges(&mount.gid_mappings, "GID")?;
        if self.id_map.as_ref() != Some(&IdMap { users, groups }) {
            return Err(invalid(format!(
                "mount {:?}: its id mappings are not those of the pod's user namespace",
                mount.container_path
            )));
        }
        Ok(true)
    }
}

impl Mounts {
    fn add(&mut self, situation: &Situation<'_>, mount: &cri::Mount, target: String) -> Result<(), Refusal> {
        if target == "/" {
            return Err(invalid(format!("mount destination {:?} is the root itself", mount.container_path)));
        }
        let image = mount.image.as_ref().filter(|i| !i.image.is_empty());
        if let Some(image) = image {
            let layers = situation.input.image_mounts.get(&image.image);
            let layers = layers
                .ok_or_else(|| missing(format!("image {:?} of a mount is not present", image.image)))?;
            let source = image_mounts::source(layers, &mount.image_sub_path, situation.input.files)?;
            let id_mapped = situation.id_mapped(mount)?;
            if situation.id_map.is_some() && matches!(source, Source::Type(_)) {
                return Err(unsupported(format!(
                    "image {:?} has several layers, which cannot be mounted in a user namespace; use one of a \
                    single layer, or hostUsers: true",
                    image.image
                )));
            }
            let flags = MS_RDONLY;
            self.mounts.push(Mount { source, target, flags, id_mapped, ..Mount::default() });
            return Ok(());
        }
        let (host, source) = self.source(situation, mount)?;
        let propagation = propagation(situation, mount, &host)?;
        match propagation {
            Propagation::Shared => self.root_propagation = Propagation::Shared,
            Propagation::Slave if self.root_propagation != Propagation::Shared => {
                self.root_propagation = Propagation::Slave;
            }
            _ => {}
        }
        let source = match propagation {
            // A copy of the machine's mount: within the container's namespace there is nothing left to share.
            Propagation::Shared => {
                self.handles.push(host);
                Source::Handle(self.handles.len() as u32 - 1)
            }
            _ => source,
        };
        self.mounts.push(Mount {
            source,
            target,
            flags: if mount.readonly { MS_RDONLY } else { 0 },
            propagation,
            recursive_readonly: recursive_readonly(situation, mount)?,
            id_mapped: situation.id_mapped(mount)?,
            optional: false,
        });
        Ok(())
    }

    /// The path on the machine, links resolved; where there is nothing, a directory is made as containerd
    /// does.
    fn source(
        &mut self,
        situation: &Situation<'_>,
        mount: &cri::Mount,
    ) -> Result<(PathBuf, Source), Refusal> {
        if !mount.host_path.starts_with('/') {
            return Err(invalid(format!(
                "mount {:?}: host path {:?} is not absolute",
                mount.container_path, mount.host_path
            )));
        }
        let path = Path::new(&mount.host_path);
        let path = match situation.input.files.resolve(path) {
            Ok(resolved) => resolved,
            // The pod's own files are written when the pod is made.
            Err(_) if path.parent() == Some(situation.input.sandbox_dir) => path.to_owned(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                self.directories.push(path.to_owned());
                path.to_owned()
            }
            Err(error) => return Err(missing(format!("failed to stat {:?}: {error}", mount.host_path))),
        };
        let source = Source::Bind(path.display().to_string());
        Ok((path, source))
    }
}

/// How mounts travel, if the machine's mount lets them.
fn propagation(situation: &Situation<'_>, mount: &cri::Mount, host: &Path) -> Result<Propagation, Refusal> {
    let wanted = match MountPropagation::try_from(mount.propagation) {
        Ok(MountPropagation::PropagationPrivate) => return Ok(Propagation::Private),
        Ok(MountPropagation::PropagationHostToContainer) => Propagation::Slave,
        Ok(MountPropagation::PropagationBidirectional) => Propagation::Shared,
        Err(_) => return Err(invalid(format!("unknown mount propagation {}", mount.propagation))),
    };
    // What does not exist yet will be held by what holds the nearest directory that does.
    let peers = host.ancestors().find_map(|path| situation.input.files.peers(path).ok());
    let peers = peers.ok_or_else(|| missing(format!("failed to find the mount of {:?}", mount.host_path)))?;
    let possible = peers.shared || (wanted == Propagation::Slave && peers.slave);
    if possible {
        return Ok(wanted);
    }
    let kind = if wanted == Propagation::Shared { "shared" } else { "shared or slave" };
    Err(invalid(format!(
        "path {:?} is mounted on {:?} but it is not a {kind} mount",
        host.display().to_string(),
        peers.mountpoint.display().to_string()
    )))
}

fn recursive_readonly(situation: &Situation<'_>, mount: &cri::Mount) -> Result<bool, Refusal> {
    if !mount.recursive_read_only {
        return Ok(false);
    }
    let host = &mount.host_path;
    if !mount.readonly {
        return Err(invalid(format!(
            "recursive read-only mount conflicts with RW mount (hostPath={host:?})"
        )));
    }
    if mount.propagation != MountPropagation::PropagationPrivate as i32 {
        let given = mount.propagation().as_str_name();
        return Err(invalid(format!(
            "recursive read-only mount needs private propagation, got {given:?} (hostPath={host:?})"
        )));
    }
    if !situation.input.machine.has_mount_attributes() {
        return Err(unsupported(format!(
            "runtime handler does not support recursive read-only mounts (hostPath={host:?})"
        )));
    }
    Ok(true)
}

/// Whether a container of this pod uses the machine's IPC namespace.
pub(super) fn host_ipc(config: &cri::PodSandboxConfig) -> bool {
    let context = config.linux.as_ref().and_then(|l| l.security_context.as_ref());
    context.and_then(|c| c.namespace_options.as_ref()).is_some_and(|o| o.ipc() == NamespaceMode::Node)
}
