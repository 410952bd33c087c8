//! What the supervisor knows of a container and of what runs in it.

use crate::child::Note;
use crate::kernel::{files, process};
use crate::lines::Lines;
use crate::log::Log;
use crate::trouble::refused;
use corten_pod::protocol::{Cause, EXIT_FILE, Exit, Failure, Launched, PidNamespace, State};
use corten_pod::wire::Wire;
use std::io;
use std::os::fd::OwnedFd;

/// A process that is on its way to become an executable.
pub struct Start {
    /// The supervisor's end of the channel.
    pub channel: OwnedFd,
    /// Its number in the event set.
    pub token: u64,
    /// The connection that waits for it.
    pub connection: u64,
    /// As whom it runs.
    pub identity: Option<Launched>,
    /// Its terminal's other side.
    pub terminal: Option<OwnedFd>,
    /// The process' id, where it is another than the one that was made first.
    pub pid: Option<i32>,
}

/// How far a process came.
pub enum Progress {
    /// It is on its way.
    Going,
    /// It runs.
    Running,
    /// It could not be started.
    Failed(Failure),
}

impl Start {
    /// Hears what the child says.
    pub fn listen(&mut self) -> Progress {
        loop {
            match Note::receive(&self.channel) {
                Ok(Some((Note::Pid(pid), _))) => self.pid = Some(pid),
                Ok(Some((Note::Identity(identity), _))) => self.identity = Some(identity),
                Ok(Some((Note::Terminal, descriptors))) => self.terminal = descriptors.into_iter().next(),
                Ok(Some((Note::Failed(failure), _))) => return Progress::Failed(failure),
                Ok(None) if self.identity.is_some() => return Progress::Running,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Progress::Going,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(None) | Err(_) => {
                    let text = "the process ended before it could be started";
                    return Progress::Failed(refused(Cause::Kernel, text));
                }
            }
        }
    }
}

/// Somebody who gets a copy of a stream.
pub struct Tap {
    /// The connection it belongs to.
    pub connection: u64,
    /// Where the copy goes.
    pub sink: OwnedFd,
    /// Its number in the event set.
    pub token: u64,
    /// What it has not taken yet, and since when.
    pub pending: Vec<u8>,
    /// When it last took something, in nanoseconds of uptime.
    pub since: i64,
}

/// A stream that the container writes.
pub struct Output {
    /// `stdout` or `stderr`.
    pub name: &'static str,
    /// Where it is read; `None` after its end.
    pub source: Option<OwnedFd>,
    /// Its number in the event set.
    pub token: u64,
    /// Its lines.
    pub lines: Lines,
    /// Who gets a copy.
    pub taps: Vec<Tap>,
}

/// Where a container is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Its first process is being made.
    Starting,
    /// It runs.
    Running,
    /// Its first process has ended; until the given uptime the rest of its output is waited for.
    Ending(i64),
    /// All is over and recorded.
    Ended,
}

/// A container.
pub struct Container {
    /// Its id.
    pub id: String,
    /// Its directory.
    pub dir: String,
    /// Its control groups.
    pub cgroups: Vec<String>,
    /// Whose processes it sees.
    pub pid_namespace: PidNamespace,
    /// Where the kernel counts its kills, and how many there were before.
    pub oom: (Option<String>, u64),
    /// Whether it has a cgroup namespace of its own.
    pub cgroup_namespace: bool,
    /// Its first process.
    pub pid: i32,
    /// Where it is in its life.
    pub phase: Phase,
    /// Its first process while it is being made.
    pub start: Option<Start>,
    /// How it was started.
    pub launched: Launched,
    /// How it ended.
    pub exit: Option<Exit>,
    /// Its streams.
    pub outputs: Vec<Output>,
    /// Where they are written to.
    pub log: Log,
    /// Its stdin's other end.
    pub stdin: Option<OwnedFd>,
    /// Whether its stdin goes to the first who attaches, for good.
    pub stdin_once: bool,
    /// Whether it has a terminal.
    pub has_terminal: bool,
    /// Its terminal's other side.
    pub terminal: Option<OwnedFd>,
}

impl Container {
    /// Whether it can be signalled, joined and attached to.
    pub fn is_running(&self) -> bool {
        self.phase == Phase::Running
    }

    /// Its state, once it has been started.
    pub fn state(&self) -> State {
        State { container: self.id.clone(), launched: self.launched.clone(), exit: self.exit.clone() }
    }

    /// Whether processes of it may outlive its first.
    pub fn shares_processes(&self) -> bool {
        self.pid_namespace != PidNamespace::Own
    }

    /// Sends a signal to its first process.
    pub fn signal(&self, number: i32) -> io::Result<()> {
        process::kill(self.pid, number)
    }

    /// Records its end on disk: either all of it is there, or nothing.
    pub fn record_exit(&self) {
        let Some(exit) = &self.exit else { return };
        let mut bytes = Vec::new();
        exit.put(&mut bytes);
        let path = format!("{}/{EXIT_FILE}", self.dir);
        let new = format!("{path}.new");
        // Without room it is only told, and asked for again by who subscribes.
        if std::fs::write(&new, &bytes).is_ok() {
            let _ = std::fs::rename(&new, &path);
        } else {
            let _ = std::fs::remove_file(&new);
        }
    }

    /// What somebody who attaches writes to: the terminal, or its stdin, if that is asked for and there.
    pub fn input(&mut self, stdin: bool) -> Option<OwnedFd> {
        if let Some(terminal) = &self.terminal {
            return files::duplicate(terminal).ok();
        }
        match (stdin, self.stdin_once) {
            (false, _) => None,
            // Were an end kept here, the container would not see the end that the other makes.
            (true, true) => self.stdin.take(),
            (true, false) => self.stdin.as_ref().and_then(|stdin| files::duplicate(stdin).ok()),
        }
    }
}

/// A process that runs in a container beside its first.
pub struct Session {
    /// The connection it belongs to.
    pub connection: u64,
    /// The process while it is being made.
    pub start: Option<Start>,
}
