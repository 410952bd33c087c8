//! Joining a container's streams.

use super::Supervisor;
use super::requests::none;
use crate::connection::Role;
use corten_pod::protocol::{Attach, Failure, Reply};
use std::os::fd::OwnedFd;

impl Supervisor {
    /// Joins the streams that are asked for.
    pub(super) fn attach(
        &mut self,
        token: u64,
        attach: &Attach,
        descriptors: Vec<OwnedFd>,
    ) -> Result<(), Failure> {
        let id = attach.container.as_str();
        self.running(id)?;
        let container = self.containers.get_mut(id).ok_or_else(|| none(id))?;
        let input = container.input(attach.stdin);
        let has_terminal = container.has_terminal;
        self.set_role(token, Role::Attach(id.to_owned()));
        let mut sinks = descriptors.into_iter();
        for (index, wanted) in [attach.stdout, attach.stderr].into_iter().enumerate() {
            // A terminal's one stream is its stdout.
            if let Some(sink) = sinks.next_if(wanted)
                && (index == 0 || !has_terminal)
            {
                self.add_tap(id, index, token, sink);
            }
        }
        self.reply(token, &Reply::Attached(has_terminal), input.into_iter().collect());
        Ok(())
    }

    /// Whoever attached is gone.
    pub(super) fn detach(&mut self, _id: &str, connection: u64) {
        self.drop_taps(|tap| tap.connection == connection);
    }
}

/// The next of an iterator, if it is wanted.
trait NextIf: Iterator {
    fn next_if(&mut self, wanted: bool) -> Option<Self::Item> {
        if wanted { self.next() } else { None }
    }
}

impl<I: Iterator> NextIf for I {}
