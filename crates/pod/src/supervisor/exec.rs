//! Processes beside a container's first.

use super::launch::fork_in;
use super::requests::none;
use super::{Supervisor, Watch};
use crate::cgroups;
use crate::child::exec::{Parts, run};
use crate::child::{Channel, Streams, root_of};
use crate::connection::Role;
use crate::container::{Container, Progress, Session, Start};
use crate::kernel::events::READABLE;
use crate::kernel::process::Side;
use crate::kernel::{files, process, sockets};
use crate::sandbox::{Pod, namespace};
use crate::trouble::{Tell, refused};
use corten_pod::protocol::{Cause, Exec, Failure, PidNamespace, Reply};
use std::io;
use std::os::fd::OwnedFd;

impl Supervisor {
    /// Begins to run a process; answers come when it runs, and when it has ended.
    pub(super) fn exec(
        &mut self,
        token: u64,
        mut exec: Exec,
        descriptors: Vec<OwnedFd>,
    ) -> Result<(), Failure> {
        let pod = self.pod.as_ref().ok_or_else(|| refused(Cause::Invalid, "there is no sandbox yet"))?;
        let container = self.running(&exec.container)?;
        exec.process.oom_score_adj = exec.process.oom_score_adj.or(pod.oom_score_adj);
        let streams = if exec.process.terminal {
            None
        } else {
            Some(streams(descriptors).tell(|| "connect the streams")?)
        };
        let (channel, pid) = make(pod, container, &exec, streams)?;
        let watch = self.token(Watch::Exec(pid));
        files::never_wait(&channel);
        let _ = self.events.add(&channel, watch, READABLE);
        let start =
            Start { channel, token: watch, connection: token, identity: None, terminal: None, pid: None };
        self.set_role(token, Role::Exec(pid));
        let session = Session { connection: token, start: Some(start) };
        self.sessions.insert(pid, session);
        Ok(())
    }

    /// Hears how far a process came.
    pub(super) fn exec_progress(&mut self, pid: i32) {
        let Some(session) = self.sessions.get_mut(&pid) else { return };
        let Some(start) = &mut session.start else { return };
        let progress = start.listen();
        if matches!(progress, Progress::Going) {
            return;
        }
        let connection = session.connection;
        let Some(start) = session.start.take() else { return };
        self.unwatch(start.token, &start.channel);
        match progress {
            Progress::Failed(failure) => {
                self.sessions.remove(&pid);
                self.set_role(connection, Role::Plain);
                self.fail(connection, failure);
            }
            _ => {
                let terminal = start.terminal.into_iter().collect();
                self.reply(connection, &Reply::Started(pid), terminal);
            }
        }
    }

    /// Whoever wanted the process is gone.
    pub(super) fn abandon_exec(&mut self, pid: i32) {
        if let Some(session) = self.sessions.remove(&pid) {
            let _ = process::kill(pid, libc::SIGKILL);
            if let Some(start) = &session.start {
                self.unwatch(start.token, &start.channel);
            }
        }
    }
}

/// What came with the request; what did not is nothing.
fn streams(descriptors: Vec<OwnedFd>) -> io::Result<Streams> {
    let mut descriptors = descriptors.into_iter();
    let mut next = || match descriptors.next() {
        Some(descriptor) => Ok(descriptor),
        None => files::open("/dev/null", libc::O_RDWR, 0),
    };
    Ok([next()?, next()?, next()?])
}

/// Makes the process; the supervisor's end of its channel, and its id.
fn make(
    pod: &Pod,
    container: &Container,
    exec: &Exec,
    streams: Option<Streams>,
) -> Result<(OwnedFd, i32), Failure> {
    let first = container.pid.to_string();
    let (ours, theirs) = sockets::message_pair().tell(|| "make a channel")?;
    let mount_namespace = namespace(&first, "mnt")?;
    let cgroup_namespace = if container.cgroup_namespace { Some(namespace(&first, "cgroup")?) } else { None };
    let pids = match container.pid_namespace {
        PidNamespace::Host => None,
        _ => Some(namespace(&first, "pid")?),
    };
    let unified = cgroups::unified(&container.cgroups);
    let side = match fork_in(pod, pids.as_ref(), 0, unified.as_ref().map(|(fd, _)| fd)) {
        // That PID namespace takes no more processes: its first has ended.
        Err(failure) if failure.errno == libc::ENOMEM => return Err(none(&container.id)),
        side => side?,
    };
    match side {
        Side::Parent(pid) => Ok((ours, pid)),
        Side::Child => run(Parts {
            process: &exec.process,
            channel: Channel(theirs),
            streams,
            size: exec.size,
            mount_namespace,
            cgroup_namespace,
            users: pod.users.as_ref().zip(pod.sandbox.id_map.as_ref().map(root_of)),
            cgroups: &container.cgroups,
            born_in: unified.as_ref().map(|(_, directory)| *directory),
        }),
    }
}
