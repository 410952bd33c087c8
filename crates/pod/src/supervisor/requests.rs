//! What the runtime asks, request by request.

use super::{Supervisor, Watch};
use crate::cgroups;
use crate::connection::Role;
use crate::container::Phase;
use crate::kernel::events::READABLE;
use crate::kernel::process;
use crate::sandbox::Pod;
use crate::trouble::{Tell, refused};
use corten_pod::protocol::{Cause, Failure, Hello, Ready, Reply, Request, Sandbox, Signal, VERSION};
use corten_pod::wire::Wire;

impl Supervisor {
    /// Carries one request out, or begins to.
    pub(super) fn request(&mut self, token: u64, frame: &[u8]) {
        let request = match Request::from_bytes(frame) {
            Ok(request) => request,
            Err(error) => return self.fail(token, refused(Cause::Invalid, error.to_string())),
        };
        if self.connections.get(&token).is_none_or(|connection| connection.role != Role::Plain) {
            return self.fail(token, refused(Cause::Invalid, "the connection is in use"));
        }
        let descriptors = self.connections.get_mut(&token).map(|it| std::mem::take(&mut it.descriptors));
        let descriptors = descriptors.unwrap_or_default();
        let large = frame.len() > 4096;
        let answer = match request {
            Request::Sandbox(sandbox) => self.sandbox(token, sandbox),
            Request::Hello => Ok(Some(Reply::Hello(self.hello()))),
            Request::Launch(launch) => self.launch(token, *launch, descriptors).map(|()| None),
            Request::Exec(exec) => self.exec(token, *exec, descriptors).map(|()| None),
            Request::Attach(attach) => self.attach(token, &attach, descriptors).map(|()| None),
            Request::Signal(signal) => self.signal(&signal).map(|()| Some(Reply::Done)),
            Request::Connect(port) => self.dial(token, port).map(|()| None),
            Request::ReopenLog(id) => self.reopen_log(&id).map(|()| Some(Reply::Done)),
            Request::Subscribe => self.subscribe(token).map(|()| None),
            Request::Forget(id) => self.forget(&id).map(|()| Some(Reply::Done)),
            Request::Shutdown => self.shutdown(token),
        };
        match answer {
            Ok(Some(reply)) => self.reply(token, &reply, Vec::new()),
            Ok(None) => {}
            Err(failure) => self.fail(token, failure),
        }
        if large {
            process::trim_memory();
        }
    }

    fn sandbox(&mut self, token: u64, sandbox: Sandbox) -> Result<Option<Reply>, Failure> {
        if self.pod.is_some() {
            return Err(refused(Cause::Invalid, "the sandbox is there already"));
        }
        let pod = Pod::make(sandbox)?;
        let listener = self.token(Watch::Listener);
        self.events.add(&pod.listener, listener, READABLE).tell(|| "wait for connections")?;
        self.reply(token, &Reply::Ready(Ready { pid: process::own_id() }), Vec::new());
        pod.join_cgroup_later();
        self.pod = Some(pod);
        Ok(None)
    }

    fn hello(&self) -> Hello {
        let sandbox = self.pod.as_ref().map(|pod| pod.sandbox.id.clone()).unwrap_or_default();
        Hello { version: VERSION, pid: process::own_id(), sandbox }
    }

    fn signal(&mut self, signal: &Signal) -> Result<(), Failure> {
        let container = self.running(&signal.container)?;
        if signal.all && container.shares_processes() {
            cgroups::signal_all(&container.cgroups, signal.number);
        }
        container.signal(signal.number).tell(|| format!("send signal {}", signal.number))
    }

    fn reopen_log(&mut self, id: &str) -> Result<(), Failure> {
        let container = self.containers.get_mut(id).ok_or_else(|| none(id))?;
        container.log.reopen().tell(|| "open the log")
    }

    fn subscribe(&mut self, token: u64) -> Result<(), Failure> {
        if let Some(connection) = self.connections.get_mut(&token) {
            connection.role = Role::Subscriber;
        }
        let states: Vec<_> = self
            .containers
            .values()
            .filter(|container| container.phase != Phase::Starting)
            .map(|container| container.state())
            .collect();
        for state in states {
            self.reply(token, &Reply::Event(state), Vec::new());
        }
        self.reply(token, &Reply::Done, Vec::new());
        Ok(())
    }

    fn forget(&mut self, id: &str) -> Result<(), Failure> {
        match self.containers.get(id).map(|container| container.phase) {
            None => Ok(()),
            Some(Phase::Ended) => {
                self.containers.remove(id);
                Ok(())
            }
            Some(_) => Err(refused(Cause::Invalid, format!("container {id} has not ended"))),
        }
    }

    /// Tells all who listen what a container is now.
    pub(super) fn announce(&mut self, id: &str) {
        let Some(container) = self.containers.get(id) else { return };
        let event = Reply::Event(container.state());
        let subscribers: Vec<u64> = self
            .connections
            .iter()
            .filter(|(_, connection)| connection.role == Role::Subscriber)
            .map(|(token, _)| *token)
            .collect();
        for token in subscribers {
            self.reply(token, &event, Vec::new());
        }
    }
}

/// There is no such container, or it does not run.
pub(super) fn none(id: &str) -> Failure {
    refused(Cause::NoContainer, format!("container {id} is not running"))
}
