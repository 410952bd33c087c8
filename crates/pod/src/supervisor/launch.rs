//! Starting containers.

use super::requests::none;
use super::{Supervisor, Watch};
use crate::cgroups;
use crate::child::launch::{Parts, Users, run};
use crate::child::{Channel, Streams};
use crate::connection::Role;
use crate::container::{Container, Output, Phase, Progress, Start};
use crate::kernel::events::READABLE;
use crate::kernel::process::Side;
use crate::kernel::{files, mounts, now, process, sockets};
use crate::lines::Lines;
use crate::log::Log;
use crate::sandbox::{Pod, namespace};
use crate::trouble::{Tell, refused};
use corten_pod::protocol::{Cause, Failure, Launch, Launched, PidNamespace, Reply};
use std::os::fd::{AsFd, OwnedFd};

/// Both ends of a container's streams: the container's, and the supervisor's.
pub(super) struct Pipes {
    streams: Streams,
    stdin: Option<OwnedFd>,
    outputs: [OwnedFd; 2],
}

impl Pipes {
    fn new(keep_stdin: bool) -> std::io::Result<Self> {
        let (stdin, ours) = if keep_stdin {
            let (theirs, ours) = files::pipe()?;
            (theirs, Some(ours))
        } else {
            (files::open("/dev/null", libc::O_RDONLY, 0)?, None)
        };
        let ((stdout, out), (stderr, err)) = {
            let (out, stdout) = files::pipe()?;
            let (err, stderr) = files::pipe()?;
            ((stdout, out), (stderr, err))
        };
        files::never_wait(&out);
        files::never_wait(&err);
        Ok(Pipes { streams: [stdin, stdout, stderr], stdin: ours, outputs: [out, err] })
    }
}

impl Supervisor {
    /// Begins to start a container; the answer comes when it runs.
    pub(super) fn launch(
        &mut self,
        token: u64,
        mut launch: Launch,
        handles: Vec<OwnedFd>,
    ) -> Result<(), Failure> {
        let pod = self.pod.as_ref().ok_or_else(|| refused(Cause::Invalid, "there is no sandbox yet"))?;
        if self.shutting_down || launch.id.is_empty() || self.containers.contains_key(&launch.id) {
            let text = format!("container {:?} cannot be started: it is there already", launch.id);
            return Err(refused(Cause::Invalid, text));
        }
        launch.process.oom_score_adj = launch.process.oom_score_adj.or(pod.oom_score_adj);
        let log = Log::open(launch.log.as_ref())
            .tell(|| format!("open the log {}", launch.log.as_deref().unwrap_or_default()))?;
        let pipes = if launch.process.terminal {
            None
        } else {
            Some(Pipes::new(launch.stdin).tell(|| "make the container's streams")?)
        };
        let (streams, stdin, outputs) = match pipes {
            Some(Pipes { streams, stdin, outputs }) => (Some(streams), stdin, Some(outputs)),
            None => (None, None, None),
        };
        let oom_before = cgroups::oom_kills(launch.oom_file.as_deref());
        let pids = self.pid_namespace(pod, &launch.pid_namespace)?;
        let (channel, pid) = make(pod, &launch, streams, handles, pids)?;
        let watch = self.token(Watch::Launch(launch.id.clone()));
        let start =
            Start { channel, token: watch, connection: token, identity: None, terminal: None, pid: None };
        files::never_wait(&start.channel);
        let _ = self.events.add(&start.channel, watch, READABLE);
        if let Some(connection) = self.connections.get_mut(&token) {
            connection.role = Role::Launch(launch.id.clone());
        }
        let mut container = Container {
            id: launch.id.clone(),
            dir: launch.dir,
            cgroups: launch.cgroups,
            pid_namespace: launch.pid_namespace,
            oom: (launch.oom_file, oom_before),
            cgroup_namespace: launch.cgroup_namespace,
            pid,
            phase: Phase::Starting,
            start: Some(start),
            launched: Launched::default(),
            exit: None,
            outputs: Vec::new(),
            log,
            stdin,
            stdin_once: launch.stdin_once,
            has_terminal: launch.process.terminal,
            terminal: None,
        };
        for (index, source) in outputs.into_iter().flatten().enumerate() {
            self.add_output(&mut container, ["stdout", "stderr"][index], source);
        }
        self.containers.insert(launch.id, container);
        Ok(())
    }

    fn add_output(&mut self, container: &mut Container, name: &'static str, source: OwnedFd) {
        let token = self.token(Watch::Output(container.id.clone(), container.outputs.len()));
        let _ = self.events.add(&source, token, READABLE);
        let (lines, taps) = (Lines::default(), Vec::new());
        container.outputs.push(Output { name, source: Some(source), token, lines, taps });
    }

    /// The PID namespace in which the container's first process is made; `None` for the supervisor's own.
    fn pid_namespace(&self, pod: &Pod, wanted: &PidNamespace) -> Result<Option<OwnedFd>, Failure> {
        match wanted {
            PidNamespace::Own | PidNamespace::Host => Ok(None),
            PidNamespace::Pod => {
                let (_, shared) = pod.shared_pids.as_ref().ok_or_else(|| {
                    refused(Cause::Invalid, "the pod's containers do not share a PID namespace")
                })?;
                files::duplicate(shared).map(Some).tell(|| "join the pod's PID namespace")
            }
            PidNamespace::Container(id) => {
                let target = self.running(id)?;
                namespace(&target.pid.to_string(), "pid").map(Some)
            }
        }
    }

    /// A container that runs.
    pub(super) fn running(&self, id: &str) -> Result<&Container, Failure> {
        self.containers.get(id).filter(|container| container.is_running()).ok_or_else(|| none(id))
    }

    /// Hears how far a container's first process came.
    pub(super) fn launch_progress(&mut self, id: &str) {
        let Some(container) = self.containers.get_mut(id) else { return };
        let Some(start) = &mut container.start else { return };
        let progress = start.listen();
        if let Some(pid) = start.pid {
            container.pid = pid;
        }
        match progress {
            Progress::Going => {}
            Progress::Running => self.launched(id),
            Progress::Failed(failure) => {
                let connection = start.connection;
                self.set_role(connection, Role::Plain);
                self.drop_container(id);
                self.fail(connection, failure);
            }
        }
    }

    pub(super) fn set_role(&mut self, connection: u64, role: Role) {
        if let Some(connection) = self.connections.get_mut(&connection) {
            connection.role = role;
        }
    }

    fn launched(&mut self, id: &str) {
        let Some(mut container) = self.containers.remove(id) else { return };
        let Some(start) = container.start.take() else { return };
        self.unwatch(start.token, &start.channel);
        container.phase = Phase::Running;
        container.launched =
            Launched { pid: container.pid, started_at: now(), ..start.identity.unwrap_or_default() };
        if let Some(terminal) = start.terminal {
            files::never_wait(&terminal);
            if let Ok(source) = files::duplicate(&terminal) {
                self.add_output(&mut container, "stdout", source);
            }
            container.terminal = Some(terminal);
        }
        let answer = Reply::Launched(container.launched.clone());
        self.containers.insert(id.to_owned(), container);
        self.set_role(start.connection, Role::Plain);
        self.reply(start.connection, &answer, Vec::new());
        self.announce(id);
    }

    pub(super) fn unwatch(&mut self, token: u64, fd: impl AsFd) {
        self.events.remove(fd);
        self.watches.remove(&token);
    }

    /// Forgets a container that did not come to be, and kills what there is of it.
    pub(super) fn drop_container(&mut self, id: &str) {
        let Some(container) = self.containers.remove(id) else { return };
        let _ = container.signal(libc::SIGKILL);
        if let Some(start) = &container.start {
            self.unwatch(start.token, &start.channel);
        }
        for output in &container.outputs {
            if let Some(source) = &output.source {
                self.unwatch(output.token, source);
            }
        }
    }

    /// Whoever wanted the container is gone.
    pub(super) fn abandon_launch(&mut self, id: &str) {
        if self.containers.get(id).is_some_and(|container| container.phase == Phase::Starting) {
            self.drop_container(id);
        }
    }
}

/// Makes the process that becomes the container; the supervisor's end of its channel, and its id.
fn make(
    pod: &Pod,
    launch: &Launch,
    streams: Option<Streams>,
    handles: Vec<OwnedFd>,
    pids: Option<OwnedFd>,
) -> Result<(OwnedFd, i32), Failure> {
    let (ours, theirs) = sockets::message_pair().tell(|| "make a channel")?;
    let unified = cgroups::unified(&launch.cgroups);
    let users = pod.users.as_ref().zip(pod.sandbox.id_map.as_ref());
    // In a user namespace the PID namespace is made, or joined, within.
    let own = users.is_none() && launch.pid_namespace == PidNamespace::Own;
    let flags = if own { libc::CLONE_NEWPID } else { 0 };
    let (before, within) = if users.is_some() { (None, pids) } else { (pids, None) };
    let side = fork_in(pod, before.as_ref(), flags, unified.as_ref().map(|(fd, _)| fd))?;
    match side {
        Side::Parent(pid) => Ok((ours, pid)),
        Side::Child => run(Parts {
            launch,
            channel: Channel(theirs),
            streams,
            handles,
            shm: pod.shm.as_ref().map(|shm| (shm, &pod.machine_mounts)),
            users: users.map(|(namespace, map)| Users { namespace, map, pid_namespace: within }),
            born_in: unified.as_ref().map(|(_, directory)| *directory),
        }),
    }
}

/// Makes a process in a PID namespace, which only children can be in.
pub(super) fn fork_in(
    pod: &Pod,
    pids: Option<&OwnedFd>,
    flags: i32,
    cgroup: Option<&OwnedFd>,
) -> Result<Side, Failure> {
    if let Some(pids) = pids {
        mounts::join(pids, libc::CLONE_NEWPID).tell(|| "join the PID namespace")?;
    }
    let side = process::fork(flags, cgroup.map(AsFd::as_fd));
    if matches!(side, Ok(Side::Child)) {
        return Ok(Side::Child);
    }
    if pids.is_some() {
        mounts::join(&pod.own_pids, libc::CLONE_NEWPID).tell(|| "leave the PID namespace")?;
    }
    side.tell(|| "make a process")
}
