//! What happens when processes end.

use super::{Supervisor, Watch};
use crate::cgroups;
use crate::connection::Role;
use crate::container::Phase;
use crate::kernel::process::Ended;
use crate::kernel::{files, now, process, uptime};
use corten_pod::protocol::{Exit, Failure, Reply};

/// How long the rest of a container's output is waited for when something else than the container holds its
/// streams open.
const GRACE: i64 = 200_000_000;

impl Supervisor {
    /// Reaps whatever has ended.
    pub(super) fn children_ended(&mut self) {
        let mut buffer = [0; 128];
        while files::read(&self.children, &mut buffer).is_ok_and(|count| count > 0) {}
        while let Some(ended) = process::reap(-1, false) {
            self.process_ended(&ended);
        }
    }

    fn process_ended(&mut self, ended: &Ended) {
        if self.sessions.contains_key(&ended.pid) {
            return self.session_ended(ended);
        }
        let found = self.containers.values().find(|container| container.pid == ended.pid);
        let Some(id) = found.map(|container| container.id.clone()) else { return };
        // It may have said something just before.
        self.launch_progress(&id);
        let Some(container) = self.containers.get_mut(&id) else { return };
        if container.pid != ended.pid || container.phase != Phase::Running {
            return;
        }
        let (file, before) = &container.oom;
        container.exit = Some(Exit {
            code: ended.code,
            signal: ended.signal,
            out_of_memory: cgroups::oom_kills(file.as_deref()) > *before,
            finished_at: now(),
        });
        container.phase = Phase::Ending(uptime() + GRACE);
        self.drain(&id);
        self.finish_if_silent(&id);
    }

    fn session_ended(&mut self, ended: &Ended) {
        // It may have said something just before.
        self.exec_progress(ended.pid);
        let Some(session) = self.sessions.remove(&ended.pid) else { return };
        if let Some(start) = &session.start {
            self.unwatch(start.token, &start.channel);
        }
        self.set_role(session.connection, Role::Plain);
        let exit = Exit { code: ended.code, signal: ended.signal, out_of_memory: false, finished_at: now() };
        self.reply(session.connection, &Reply::Exited(exit), Vec::new());
    }

    /// Ends a container whose streams are all at their end and of which no process is left; those that are
    /// get killed.
    pub(super) fn finish_if_silent(&mut self, id: &str) {
        let over = self.containers.get(id).is_some_and(|container| {
            matches!(container.phase, Phase::Ending(_))
                && (!container.shares_processes() || cgroups::clear(&container.cgroups))
                && container.outputs.iter().all(|output| output.source.is_none())
        });
        if over {
            self.finish(id);
        }
    }

    /// Ends a container: its end is on disk before anybody hears of it.
    pub(super) fn finish(&mut self, id: &str) {
        let Some(mut container) = self.containers.remove(id) else { return };
        let outputs = std::mem::take(&mut container.outputs);
        for mut output in outputs {
            self.end_output(&mut container, &mut output);
            for tap in output.taps.drain(..) {
                self.leave_tap(tap);
            }
        }
        container.phase = Phase::Ended;
        (container.stdin, container.terminal) = (None, None);
        container.log = crate::log::Log::default();
        container.record_exit();
        let exit = container.exit.clone().unwrap_or_default();
        self.containers.insert(id.to_owned(), container);
        let attached: Vec<u64> = self
            .connections
            .iter()
            .filter(|(_, connection)| connection.role == Role::Attach(id.to_owned()))
            .map(|(token, _)| *token)
            .collect();
        for token in attached {
            self.set_role(token, Role::Plain);
            self.reply(token, &Reply::Exited(exit.clone()), Vec::new());
        }
        self.announce(id);
    }

    /// Begins to end everything.
    pub(super) fn shutdown(&mut self, token: u64) -> Result<Option<Reply>, Failure> {
        self.reply(token, &Reply::Done, Vec::new());
        self.shutting_down = true;
        // Nobody who comes now is heard.
        let listeners: Vec<u64> = self
            .watches
            .iter()
            .filter(|(_, watch)| matches!(watch, Watch::Listener))
            .map(|(token, _)| *token)
            .collect();
        for listener in listeners {
            if let Some(pod) = &self.pod {
                self.events.remove(&pod.listener);
            }
            self.watches.remove(&listener);
        }
        Ok(None)
    }

    /// Kills what is left, and is done when nothing is.
    pub(super) fn finish_shutdown(&mut self) {
        if !self.shutting_down {
            return;
        }
        let starting: Vec<String> = self
            .containers
            .values()
            .filter(|container| container.phase == Phase::Starting)
            .map(|container| container.id.clone())
            .collect();
        starting.iter().for_each(|id| self.drop_container(id));
        for container in self.containers.values().filter(|container| container.is_running()) {
            let _ = container.signal(libc::SIGKILL);
        }
        for pid in self.sessions.keys() {
            let _ = process::kill(*pid, libc::SIGKILL);
        }
        let over = self.containers.values().all(|container| container.phase == Phase::Ended);
        if over && self.sessions.is_empty() {
            if let Some((pid, _)) = self.pod.as_ref().and_then(|pod| pod.shared_pids.as_ref()) {
                let _ = process::kill(*pid, libc::SIGKILL);
                process::reap(*pid, true);
            }
            let _ = std::fs::remove_file(corten_pod::protocol::SOCKET);
            self.done = true;
        }
    }
}
