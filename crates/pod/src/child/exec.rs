//! From a copy of the supervisor to one more process in a container.

use super::process::{self, Stdio};
use super::{Channel, Note, Streams, join_cgroups, rootfs, set_oom_score};
use crate::kernel::{files, mounts, process as kernel_process};
use crate::trouble::Tell;
use corten_pod::protocol::{Failure, Process};
use std::convert::Infallible;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

/// What the process is made of. It was made in the container's PID namespace.
pub struct Parts<'a> {
    /// What to run.
    pub process: &'a Process,
    /// The child's end of the channel.
    pub channel: Channel,
    /// Its streams; `None` with a terminal.
    pub streams: Option<Streams>,
    /// The terminal's columns and rows.
    pub size: (u16, u16),
    /// The container's mount namespace.
    pub mount_namespace: OwnedFd,
    /// The container's cgroup namespace.
    pub cgroup_namespace: Option<OwnedFd>,
    /// The pod's user namespace, and the machine's ids of its root.
    pub users: Option<(&'a OwnedFd, (u32, u32))>,
    /// The container's control groups.
    pub cgroups: &'a [String],
    /// The one of them that it was made in.
    pub born_in: Option<&'a str>,
}

/// Becomes the process, or says why not.
pub fn run(mut parts: Parts<'_>) -> ! {
    let Err(failure) = make(&mut parts);
    let _ = parts.channel.say(&Note::Failed(failure));
    kernel_process::exit(1)
}

fn make(parts: &mut Parts<'_>) -> Result<Infallible, Failure> {
    let mut keep = vec![parts.channel.0.as_raw_fd(), parts.mount_namespace.as_raw_fd()];
    keep.extend(parts.streams.iter().flatten().map(AsRawFd::as_raw_fd));
    keep.extend(parts.cgroup_namespace.iter().map(AsRawFd::as_raw_fd));
    keep.extend(parts.users.iter().map(|(namespace, _)| namespace.as_raw_fd()));
    files::close_all_but(&keep);
    kernel_process::hide();
    kernel_process::new_session();
    set_oom_score(parts.process.oom_score_adj);
    join_cgroups(parts.cgroups, parts.born_in)?;
    let apparmor = process::apparmor_file(parts.process)?;
    if let Some(namespace) = &parts.cgroup_namespace {
        mounts::join(namespace, libc::CLONE_NEWCGROUP).tell(|| "join the cgroup namespace")?;
    }
    mounts::join(&parts.mount_namespace, libc::CLONE_NEWNS).tell(|| "join the mount namespace")?;
    if let Some((namespace, (uid, gid))) = &parts.users {
        for stream in parts.streams.iter().flatten() {
            process::own_stream(stream, *uid, Some(*gid));
        }
        rootfs::become_mapped_root(namespace.as_fd())?;
    }
    let stdio = match parts.streams.take() {
        Some(streams) => Stdio::Streams(streams),
        None => Stdio::Terminal { size: parts.size, console: false },
    };
    process::run(parts.process, stdio, &parts.channel, apparmor)
}
