//! The supervisor: one thread that waits for whatever happens next. Nothing here waits for anything else;
//! what may take long is done by a child.

mod attach;
mod dial;
mod endings;
mod exec;
mod launch;
mod output;
mod requests;

use crate::connection::{Came, Connection, Role};
use crate::container::{Container, Phase, Session, Tap};
use crate::kernel::events::{Events, READABLE, WRITABLE};
use crate::kernel::{files, process, sockets, uptime};
use crate::sandbox::Pod;
use corten_pod::protocol::{Failure, Reply};
use dial::Dial;
use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;

/// How much is read at once.
const BUFFER: usize = 32 << 10;

/// How often it is looked for what is left of a container that shares its PID namespace, in nanoseconds.
const RECHECK: i64 = 10_000_000;

/// The runtime's first connection.
const STDIN: i32 = 0;

/// What a number in the event set means.
#[derive(Clone)]
enum Watch {
    Children,
    Listener,
    Connection,
    Launch(String),
    Exec(i32),
    Output(String, usize),
    Tap(String, usize),
    Dial,
}

/// The supervisor's state.
pub struct Supervisor {
    events: Events,
    children: OwnedFd,
    watches: BTreeMap<u64, Watch>,
    next_token: u64,
    pod: Option<Pod>,
    connections: BTreeMap<u64, Connection>,
    containers: BTreeMap<String, Container>,
    sessions: BTreeMap<i32, Session>,
    dials: BTreeMap<u64, Dial>,
    /// Copies of streams that ended before they were taken.
    leftovers: BTreeMap<u64, Tap>,
    buffer: Vec<u8>,
    shutting_down: bool,
    done: bool,
}

impl Supervisor {
    /// One that waits for its first request on standard input.
    pub fn new() -> io::Result<Self> {
        let children = process::child_events()?;
        let first = files::inherited(STDIN)?;
        let null = files::open("/dev/null", libc::O_RDWR, 0)?;
        // What nobody expects is written to standard error, if that is a file: a pipe might end.
        let keeps_errors = files::inherited(2).and_then(files::status).is_ok_and(|it| it.is_file());
        for number in 0..if keeps_errors { 2 } else { 3 } {
            files::place(&null, number)?;
        }
        drop(null);
        files::never_wait(&first);
        process::new_session();
        process::adopt_orphans();
        process::tune_memory();
        files::set_umask(0o022);
        let mut supervisor = Supervisor {
            events: Events::new()?,
            children,
            watches: BTreeMap::new(),
            next_token: 1,
            pod: None,
            connections: BTreeMap::new(),
            containers: BTreeMap::new(),
            sessions: BTreeMap::new(),
            dials: BTreeMap::new(),
            leftovers: BTreeMap::new(),
            buffer: vec![0; BUFFER],
            shutting_down: false,
            done: false,
        };
        let token = supervisor.token(Watch::Children);
        supervisor.events.add(&supervisor.children, token, READABLE)?;
        supervisor.add_connection(first)?;
        Ok(supervisor)
    }

    /// Serves until the pod is over.
    pub fn run(&mut self) {
        while !self.done {
            let timeout = self.timeout();
            for (token, what) in self.events.wait(timeout) {
                self.happened(token, what);
            }
            self.tick();
            // Without a pod there is nothing to wait for when the runtime goes.
            self.done |= self.pod.is_none() && self.connections.is_empty();
            self.finish_shutdown();
        }
    }

    fn token(&mut self, watch: Watch) -> u64 {
        let token = self.next_token;
        self.next_token += 1;
        self.watches.insert(token, watch);
        token
    }

    fn add_connection(&mut self, socket: OwnedFd) -> io::Result<()> {
        let token = self.token(Watch::Connection);
        self.events.add(&socket, token, READABLE)?;
        self.connections.insert(token, Connection::new(socket));
        Ok(())
    }

    fn happened(&mut self, token: u64, what: u32) {
        match self.watches.get(&token).cloned() {
            // It was closed by what happened just before.
            None => {}
            Some(Watch::Children) => self.children_ended(),
            Some(Watch::Listener) => self.accept(),
            Some(Watch::Connection) => self.connection_ready(token, what),
            Some(Watch::Launch(id)) => self.launch_progress(&id),
            Some(Watch::Exec(pid)) => self.exec_progress(pid),
            Some(Watch::Output(id, index)) => self.pump(&id, index),
            Some(Watch::Tap(id, index)) => self.tap_ready(&id, index, token, what),
            Some(Watch::Dial) => self.dial_progress(token),
        }
    }

    fn accept(&mut self) {
        let Some(pod) = &self.pod else { return };
        let Ok(socket) = sockets::accept(&pod.listener) else { return };
        // The directory is closed to others already.
        if sockets::peer_uid(&socket).is_ok_and(|uid| uid == 0) {
            let _ = self.add_connection(socket);
        }
    }

    fn connection_ready(&mut self, token: u64, what: u32) {
        let Some(connection) = self.connections.get_mut(&token) else { return };
        if what & WRITABLE != 0 && !connection.flush() {
            return self.close(token);
        }
        if what & !WRITABLE != 0 {
            let mut buffer = std::mem::take(&mut self.buffer);
            let came = connection.read(&mut buffer);
            self.buffer = buffer;
            match came {
                Came::End => return self.close(token),
                Came::Frames(frames) => frames.iter().for_each(|frame| self.request(token, frame)),
            }
        }
        self.update_interest(token);
    }

    fn update_interest(&self, token: u64) {
        if let Some(connection) = self.connections.get(&token) {
            let interest = if connection.waits() { READABLE | WRITABLE } else { READABLE };
            let _ = self.events.change(&connection.socket, token, interest);
        }
    }

    /// Answers; a connection that takes no answers is closed.
    fn reply(&mut self, token: u64, reply: &Reply, descriptors: Vec<OwnedFd>) {
        let Some(connection) = self.connections.get_mut(&token) else { return };
        if connection.send(reply, descriptors) {
            self.update_interest(token);
        } else {
            self.close(token);
        }
    }

    fn fail(&mut self, token: u64, failure: Failure) {
        self.reply(token, &Reply::Failed(failure), Vec::new());
    }

    /// Ends a connection, and what it was there for.
    fn close(&mut self, token: u64) {
        let Some(connection) = self.connections.remove(&token) else { return };
        self.watches.remove(&token);
        self.events.remove(&connection.socket);
        match connection.role {
            Role::Plain | Role::Subscriber => {}
            Role::Launch(id) => self.abandon_launch(&id),
            Role::Exec(pid) => self.abandon_exec(pid),
            Role::Attach(id) => self.detach(&id, token),
        }
        self.dials.retain(|_, dial| dial.connection != token);
    }

    /// How long nothing needs to be done, in milliseconds.
    fn timeout(&self) -> i32 {
        let mut next = i64::MAX;
        for container in self.containers.values() {
            if let Phase::Ending(until) = container.phase {
                next = next.min(if container.shares_processes() { uptime() + RECHECK } else { until });
            }
            for tap in container.outputs.iter().flat_map(|output| &output.taps) {
                if !tap.pending.is_empty() {
                    next = next.min(tap.since + output::PATIENCE);
                }
            }
        }
        for tap in self.leftovers.values() {
            next = next.min(tap.since + output::PATIENCE);
        }
        if self.shutting_down {
            next = next.min(uptime() + 20_000_000);
        }
        if next == i64::MAX {
            return -1;
        }
        i32::try_from((next - uptime()).max(0) / 1_000_000 + 1).unwrap_or(i32::MAX)
    }

    fn tick(&mut self) {
        let now = uptime();
        self.drop_stuck_taps(now);
        let ending: Vec<(String, i64)> = self
            .containers
            .values()
            .filter_map(|container| match container.phase {
                Phase::Ending(until) => Some((container.id.clone(), until)),
                _ => None,
            })
            .collect();
        for (id, until) in ending {
            self.finish_if_silent(&id);
            if until <= now && self.containers.get(&id).is_some_and(|it| it.phase != Phase::Ended) {
                self.finish(&id);
            }
        }
    }
}
