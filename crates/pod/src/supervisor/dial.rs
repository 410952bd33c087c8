//! Connections to the pod's ports.

use super::{Supervisor, Watch};
use crate::kernel::events::WRITABLE;
use crate::kernel::sockets;
use crate::trouble::failed;
use corten_pod::protocol::{Failure, Reply};
use std::io;
use std::os::fd::OwnedFd;

/// A connection on its way.
pub(super) struct Dial {
    /// Who wants it.
    pub(super) connection: u64,
    socket: OwnedFd,
    port: u16,
    ipv6: bool,
}

impl Supervisor {
    /// Begins to connect to a port of the loopback, of IPv4 first.
    pub(super) fn dial(&mut self, connection: u64, port: u16) -> Result<(), Failure> {
        match self.begin(connection, port, false) {
            Ok(()) => Ok(()),
            Err(error) => self.begin(connection, port, true).map_err(|_| refusal(port, &error)),
        }
    }

    fn begin(&mut self, connection: u64, port: u16, ipv6: bool) -> io::Result<()> {
        let socket = sockets::dial(port, ipv6)?;
        let token = self.token(Watch::Dial);
        self.events.add(&socket, token, WRITABLE)?;
        self.dials.insert(token, Dial { connection, socket, port, ipv6 });
        Ok(())
    }

    /// Hears how a connection came out.
    pub(super) fn dial_progress(&mut self, token: u64) {
        let Some(dial) = self.dials.remove(&token) else { return };
        self.unwatch(token, &dial.socket);
        match sockets::outcome(&dial.socket) {
            Ok(()) => self.reply(dial.connection, &Reply::Done, vec![dial.socket]),
            Err(_) if !dial.ipv6 && self.begin(dial.connection, dial.port, true).is_ok() => {}
            Err(error) => self.fail(dial.connection, refusal(dial.port, &error)),
        }
    }
}

fn refusal(port: u16, error: &io::Error) -> Failure {
    failed(format!("dial tcp 127.0.0.1:{port}: connect"), error)
}
