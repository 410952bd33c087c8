//! The pod's namespaces. The supervisor is in those for network, names and IPC itself; of the others it holds
//! descriptors, so that nothing of the pod remains in the machine when it ends.

use crate::cgroups;
use crate::child::reaper;
use crate::kernel::process::Side;
use crate::kernel::{files, mounts, process, sockets};
use crate::trouble::{Tell, refused};
use corten_pod::protocol::{Cause, Failure, IdMap, IdRange, SOCKET, Sandbox};
use std::io;
use std::os::fd::OwnedFd;

/// A pod's namespaces.
pub struct Pod {
    /// What was asked for.
    pub sandbox: Sandbox,
    /// The socket that the runtime connects to.
    pub listener: OwnedFd,
    /// The supervisor's PID namespace.
    pub own_pids: OwnedFd,
    /// The machine's mount namespace.
    pub machine_mounts: OwnedFd,
    /// A mount namespace with nothing but the shared memory.
    pub shm: Option<OwnedFd>,
    /// The pod's user namespace.
    pub users: Option<OwnedFd>,
    /// The process that reaps in the shared PID namespace, and that namespace.
    pub shared_pids: Option<(i32, OwnedFd)>,
    /// The OOM score before the supervisor's own.
    pub oom_score_adj: Option<i32>,
}

impl Pod {
    /// Makes them.
    pub fn make(sandbox: Sandbox) -> Result<Pod, Failure> {
        std::env::set_current_dir(&sandbox.dir).tell(|| format!("enter {}", sandbox.dir))?;
        let score = std::fs::read_to_string("/proc/self/oom_score_adj").ok();
        // Where it may not be lowered, it stays.
        let _ = std::fs::write("/proc/self/oom_score_adj", sandbox.oom_score_adj.to_string());
        let later = cgroups::unified(&sandbox.cgroups).map(|(_, directory)| directory);
        for directory in sandbox.cgroups.iter().filter(|it| Some(it.as_str()) != later) {
            cgroups::join_self(directory).tell(|| format!("join the control group {directory}"))?;
        }
        let mut pod = Pod {
            listener: sockets::listen(SOCKET).tell(|| format!("listen on {}/{SOCKET}", sandbox.dir))?,
            own_pids: namespace("self", "pid")?,
            machine_mounts: namespace("self", "mnt")?,
            shm: None,
            users: None,
            shared_pids: None,
            oom_score_adj: score.and_then(|score| score.trim().parse().ok()),
            sandbox,
        };
        pod.make_namespaces()?;
        if !pod.sandbox.host_ipc {
            pod.shm = Some(make_shm(&pod.sandbox.dir, pod.sandbox.shm_size, &pod.machine_mounts)?);
            std::env::set_current_dir(&pod.sandbox.dir).tell(|| format!("enter {}", pod.sandbox.dir))?;
        }
        pod.configure()?;
        if pod.sandbox.shared_pid {
            let pid = reaper::start(pod.users.as_ref(), pod.shm.as_ref())?;
            pod.shared_pids = Some((pid, namespace(&pid.to_string(), "pid")?));
        }
        Ok(pod)
    }

    fn flags(&self) -> i32 {
        let sandbox = &self.sandbox;
        let mut flags = 0;
        if !sandbox.host_network {
            flags |= libc::CLONE_NEWNET;
        }
        if !sandbox.host_ipc {
            flags |= libc::CLONE_NEWIPC;
        }
        if sandbox.hostname.is_some() {
            flags |= libc::CLONE_NEWUTS;
        }
        flags
    }

    fn make_namespaces(&mut self) -> Result<(), Failure> {
        let flags = self.flags();
        match &self.sandbox.id_map {
            None => mounts::unshare(flags).tell(|| "make the pod's namespaces"),
            Some(map) => {
                self.users = Some(make_users(map, flags)?);
                Ok(())
            }
        }
    }

    fn configure(&self) -> Result<(), Failure> {
        if let Some(name) = &self.sandbox.hostname {
            mounts::set_hostname(name).tell(|| format!("set the host name {name}"))?;
        }
        if !self.sandbox.host_network {
            sockets::loopback_up().tell(|| "bring the loopback up")?;
        }
        for (name, value) in &self.sandbox.sysctls {
            let path = sysctl_path(name)
                .ok_or_else(|| refused(Cause::Invalid, format!("{name:?} names no sysctl")))?;
            std::fs::write(&path, value).tell(|| format!("set the sysctl {name} to {value}"))?;
        }
        Ok(())
    }

    /// Joins the supervisor's own control group, where that was left for later: in the unified hierarchy the
    /// kernel waits for all processors, and another process can do the waiting.
    pub fn join_cgroup_later(&self) {
        let Some((_, directory)) = cgroups::unified(&self.sandbox.cgroups) else { return };
        let own = process::own_id();
        if let Ok(Side::Child) = process::fork(0, None) {
            files::close_all_but(&[]);
            let _ = std::fs::write(format!("{directory}/cgroup.procs"), own.to_string());
            process::exit(0);
        }
    }
}

/// Opens a process' namespace.
pub fn namespace(process: &str, kind: &str) -> Result<OwnedFd, Failure> {
    let path = format!("/proc/{process}/ns/{kind}");
    files::open(&path, libc::O_RDONLY, 0).tell(|| format!("open {path}"))
}

/// Where a setting is: dots divide, and a slash stands for a dot, as in an interface's name.
fn sysctl_path(name: &str) -> Option<String> {
    let swapped: String = name
        .chars()
        .map(|sign| match sign {
            '.' => '/',
            '/' => '.',
            other => other,
        })
        .collect();
    let fine = swapped.split('/').all(|part| !part.is_empty() && part != "." && part != "..");
    fine.then(|| format!("/proc/sys/{swapped}"))
}

/// Makes a mount namespace with nothing but a file system in memory.
fn make_shm(dir: &str, size: u64, machine: &OwnedFd) -> Result<OwnedFd, Failure> {
    let make = || -> io::Result<OwnedFd> {
        mounts::unshare(libc::CLONE_NEWNS)?;
        let own = files::open("/proc/self/ns/mnt", libc::O_RDONLY, 0)?;
        mounts::mount("", "/", "", libc::MS_REC | libc::MS_PRIVATE, "")?;
        let flags = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
        mounts::mount("shm", ".", "tmpfs", flags, &format!("mode=1777,size={size}"))?;
        // By its path, which leads onto what has just been mounted.
        std::env::set_current_dir(dir)?;
        mounts::pivot_here()?;
        mounts::detach(".")?;
        Ok(own)
    };
    let made = make();
    mounts::join(machine, libc::CLONE_NEWNS).tell(|| "come back to the machine's mounts")?;
    made.tell(|| "make the shared memory")
}

/// Makes a user namespace with `flags`' namespaces in it, and joins those.
fn make_users(map: &IdMap, flags: i32) -> Result<OwnedFd, Failure> {
    let what = || "make the user namespace";
    let (wait, go) = files::pipe().tell(what)?;
    let holder = match process::fork(libc::CLONE_NEWUSER | flags, None).tell(what)? {
        Side::Parent(pid) => pid,
        Side::Child => {
            drop(go);
            let _ = files::read(&wait, &mut [0]);
            process::exit(0);
        }
    };
    drop(wait);
    let made = adopt(holder, map, flags);
    drop(go);
    process::reap(holder, true);
    made
}

fn adopt(holder: i32, map: &IdMap, flags: i32) -> Result<OwnedFd, Failure> {
    for (file, ranges) in [("uid_map", &map.users), ("gid_map", &map.groups)] {
        std::fs::write(format!("/proc/{holder}/{file}"), map_text(ranges))
            .tell(|| format!("write the user namespace's {file}"))?;
    }
    let holder = holder.to_string();
    for (flag, kind) in
        [(libc::CLONE_NEWNET, "net"), (libc::CLONE_NEWIPC, "ipc"), (libc::CLONE_NEWUTS, "uts")]
    {
        if flags & flag != 0 {
            mounts::join(namespace(&holder, kind)?, flag).tell(|| format!("join the {kind} namespace"))?;
        }
    }
    namespace(&holder, "user")
}

fn map_text(ranges: &[IdRange]) -> String {
    ranges.iter().map(|range| format!("{} {} {}\n", range.inside, range.outside, range.count)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_have_paths() {
        for (name, path) in [
            ("net.core.somaxconn", Some("/proc/sys/net/core/somaxconn")),
            ("net.ipv4.conf.eth0/1.rp_filter", Some("/proc/sys/net/ipv4/conf/eth0.1/rp_filter")),
            ("net.//.x", None),
            ("net..x", None),
            ("", None),
        ] {
            assert_eq!(sysctl_path(name).as_deref(), path, "{name}");
        }
    }

    #[test]
    fn maps_are_written() {
        let range = IdRange { inside: 0, outside: 65536, count: 65536 };
        assert_eq!(map_text(&[range.clone(), range]), "0 65536 65536\n0 65536 65536\n");
    }
}
