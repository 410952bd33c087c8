//! From a copy of the supervisor to a container's first process.

use super::process::{self, Stdio};
use super::{
    Channel, Note, Streams, join_cgroups, mounts as container_mounts, rootfs, set_oom_score, within,
};
use crate::kernel::process::Side;
use crate::kernel::{files, mounts, process as kernel_process};
use crate::trouble::Tell;
use container_mounts::Machine;
use corten_pod::protocol::{Device, Failure, IdMap, Launch, PidNamespace, Propagation, Source};
use std::convert::Infallible;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// The pod's user namespace.
pub struct Users<'a> {
    /// The namespace.
    pub namespace: &'a OwnedFd,
    /// What it maps.
    pub map: &'a IdMap,
    /// The PID namespace for the container, unless it gets its own.
    pub pid_namespace: Option<OwnedFd>,
}

/// What a container is made of, beside its plan.
pub struct Parts<'a> {
    /// The plan.
    pub launch: &'a Launch,
    /// The child's end of the channel.
    pub channel: Channel,
    /// Its streams; `None` with a terminal.
    pub streams: Option<Streams>,
    /// What came with the request.
    pub handles: Vec<OwnedFd>,
    /// A mount namespace whose root is the pod's shared memory, and the machine's.
    pub shm: Option<(&'a OwnedFd, &'a OwnedFd)>,
    /// The pod's user namespace.
    pub users: Option<Users<'a>>,
    /// The control group that it was made in.
    pub born_in: Option<&'a str>,
}

/// Becomes the container, or says why not.
pub fn run(mut parts: Parts<'_>) -> ! {
    let Err(failure) = make(&mut parts);
    let _ = parts.channel.say(&Note::Failed(failure));
    kernel_process::exit(1)
}

fn make(parts: &mut Parts<'_>) -> Result<Infallible, Failure> {
    isolate(parts);
    let launch = parts.launch;
    set_oom_score(launch.process.oom_score_adj);
    join_cgroups(&launch.cgroups, parts.born_in)?;
    let apparmor = process::apparmor_file(&launch.process)?;
    let user_namespace = parts.users.as_ref().map(|users| users.namespace.as_fd());
    let handles = std::mem::take(&mut parts.handles).into_iter().map(Some).collect();
    let mut machine = Machine { handles, shm: take_shm(parts)?, user_namespace };
    let taken = launch.mounts.iter().map(|mount| machine.take(mount)).collect::<Result<Vec<_>, Failure>>()?;
    drop(machine);
    mounts::unshare(libc::CLONE_NEWNS).tell(|| "make a mount namespace")?;
    mounts::mount("", "/", "", libc::MS_REC | libc::MS_PRIVATE, "").tell(|| "make mounts private")?;
    let (root, devices) = match parts.users.take() {
        None => (rootfs::mount(&launch.root)?, Vec::new()),
        Some(users) => enter_user_namespace(parts, &users)?,
    };
    furnish(launch, root.as_fd(), taken, devices)?;
    rootfs::pivot(root.as_fd())?;
    drop(root);
    finish_root(launch)?;
    let stdio = match parts.streams.take() {
        Some(streams) => Stdio::Streams(streams),
        None => Stdio::Terminal { size: (0, 0), console: true },
    };
    process::run(&launch.process, stdio, &parts.channel, apparmor)
}

/// Forgets the supervisor: its descriptors, its session, its readable `/proc` files.
fn isolate(parts: &Parts<'_>) {
    let mut keep = vec![parts.channel.0.as_raw_fd()];
    keep.extend(parts.streams.iter().flatten().map(AsRawFd::as_raw_fd));
    keep.extend(parts.handles.iter().map(AsRawFd::as_raw_fd));
    keep.extend(parts.shm.iter().flat_map(|(pod, machine)| [pod.as_raw_fd(), machine.as_raw_fd()]));
    if let Some(users) = &parts.users {
        keep.push(users.namespace.as_raw_fd());
        keep.extend(users.pid_namespace.iter().map(AsRawFd::as_raw_fd));
    }
    files::close_all_but(&keep);
    kernel_process::hide();
    kernel_process::new_session();
    files::set_umask(0);
}

/// The pod's shared memory as a mount of its own: taken in the namespace that holds it.
fn take_shm(parts: &Parts<'_>) -> Result<Option<OwnedFd>, Failure> {
    let wanted = parts.launch.mounts.iter().any(|mount| mount.source == Source::Shm);
    let Some((pod, machine)) = parts.shm.filter(|_| wanted) else { return Ok(None) };
    let what = || "take the shared memory";
    mounts::join(pod, libc::CLONE_NEWNS).tell(what)?;
    let tree = mounts::open_tree(files::here(), "/", false).tell(what)?;
    mounts::join(machine, libc::CLONE_NEWNS).tell(what)?;
    Ok(Some(tree))
}

/// Prepares what only the machine's root may do; goes on as another process, within the user namespace.
fn enter_user_namespace(parts: &Parts<'_>, users: &Users<'_>) -> Result<(OwnedFd, Vec<OwnedFd>), Failure> {
    let launch = parts.launch;
    rootfs::map_owners(&launch.root, users.map, users.namespace.as_fd())?;
    let overlay = rootfs::mount(&launch.root)?;
    let tree = mounts::open_tree(overlay.as_fd(), "", true).tell(|| "take the root file system")?;
    let device = |device: &Device| {
        mounts::open_tree(files::here(), &device.host_path, false)
            .tell(|| format!("take the device {}", device.host_path))
    };
    let devices = launch.devices.iter().map(device).collect::<Result<Vec<_>, Failure>>()?;
    let (uid, gid) = rootfs::root_of(users.map);
    for stream in parts.streams.iter().flatten() {
        process::own_stream(stream, uid, Some(gid));
    }
    // The machine's directories are closed to the namespace's root, but for this one.
    let place = "/proc";
    rootfs::become_mapped_root(users.namespace.as_fd())?;
    let mut namespaces = libc::CLONE_NEWNS;
    match (&launch.pid_namespace, &users.pid_namespace) {
        (PidNamespace::Own, _) => namespaces |= libc::CLONE_NEWPID,
        (_, Some(namespace)) => {
            mounts::join(namespace, libc::CLONE_NEWPID).tell(|| "join the PID namespace")?;
        }
        (_, None) => {}
    }
    match kernel_process::fork_sibling(namespaces).tell(|| "make the container's process")? {
        Side::Parent(pid) => {
            parts.channel.say(&Note::Pid(pid))?;
            kernel_process::exit(0)
        }
        Side::Child => kernel_process::new_session(),
    }
    let target = files::open(place, libc::O_PATH, 0).tell(|| "open a place for the root")?;
    mounts::move_mount(tree.as_fd(), target.as_fd()).tell(|| "place the root file system")?;
    let root = files::open(place, libc::O_PATH | libc::O_DIRECTORY, 0).tell(|| "open the root")?;
    Ok((root, devices))
}

/// Mounts, devices, and what is hidden.
fn furnish(
    launch: &Launch,
    root: BorrowedFd<'_>,
    taken: Vec<Option<OwnedFd>>,
    devices: Vec<OwnedFd>,
) -> Result<(), Failure> {
    if launch.cgroup_namespace {
        mounts::unshare(libc::CLONE_NEWCGROUP).tell(|| "make a cgroup namespace")?;
    }
    for (mount, tree) in launch.mounts.iter().zip(taken) {
        container_mounts::place(root, mount, tree)?;
    }
    let mut trees = devices.into_iter();
    for device in &launch.devices {
        make_device(root, device, trees.next()).tell(|| format!("make the device {}", device.path))?;
    }
    if launch.process.terminal {
        within::file(root, "/dev/console").tell(|| "make /dev/console")?;
    }
    let cwd = &launch.process.cwd;
    if !cwd.is_empty() {
        // What cannot be made is reported when it is entered.
        let _ = within::directory(root, cwd);
    }
    for path in &launch.masked_paths {
        container_mounts::mask(root, path)?;
    }
    for path in &launch.readonly_paths {
        container_mounts::protect(root, path)?;
    }
    Ok(())
}

fn make_device(root: BorrowedFd<'_>, device: &Device, tree: Option<OwnedFd>) -> io::Result<()> {
    if let Some(tree) = tree {
        return container_mounts::place_tree(root, &device.path, tree.as_fd());
    }
    let (parent, name) = within::parent(root, &device.path)?;
    match files::make_node(parent.as_fd(), name, device.mode, device.major, device.minor) {
        // The machine's own `/dev` may be there.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        made => made?,
    }
    files::own_at(parent.as_fd(), name, device.uid, device.gid)
}

/// How the root as a whole behaves, once all is in it.
fn finish_root(launch: &Launch) -> Result<(), Failure> {
    if launch.root_propagation == Propagation::Shared {
        mounts::mount("", "/", "", libc::MS_SHARED, "").tell(|| "share the root")?;
    }
    if launch.root.readonly {
        let flags = libc::MS_REMOUNT | libc::MS_BIND | libc::MS_RDONLY;
        mounts::mount("", "/", "", flags, "").tell(|| "make the root read-only")?;
    }
    Ok(())
}
