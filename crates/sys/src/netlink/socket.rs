//! A socket to one part of the kernel, used by one caller at a time.

use std::io;

use netlink_sys::SocketAddr;
use netlink_sys::protocols::{NETLINK_NETFILTER, NETLINK_ROUTE};
use nix::sys::socket::{setsockopt, sockopt};

use super::message::{HEADER, Message, find};
use crate::error::Context;
use crate::{Error, Result};

/// The part of the kernel that is spoken to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Protocol {
    Route,
    Netfilter,
}

/// Bytes for answers: a dump of many connections or routes comes in bursts.
const RECEIVE_BUFFER: usize = 1 << 20;
/// The kernel counts its own book-keeping against the send buffer.
const SEND_SLACK: usize = 64 << 10;
const ERROR_TEXT: u16 = 1;

pub(crate) struct Socket {
    socket: netlink_sys::Socket,
    sequence: u32,
}

/// A received message without its header.
struct Received {
    kind: u16,
    flags: u16,
    sequence: u32,
    body: Vec<u8>,
}

impl Socket {
    /// Opens a socket in the calling thread's network namespace, where it stays.
    pub fn open(protocol: Protocol) -> Result<Self> {
        let number = match protocol {
            Protocol::Route => NETLINK_ROUTE,
            Protocol::Netfilter => NETLINK_NETFILTER,
        };
        let open = || -> io::Result<netlink_sys::Socket> {
            let mut socket = netlink_sys::Socket::new(number)?;
            socket.bind_auto()?;
            socket.connect(&SocketAddr::new(0, 0))?;
            socket.set_cap_ack(true)?;
            socket.set_ext_ack(true)?;
            socket.set_rx_buf_sz(RECEIVE_BUFFER as libc::c_int)?;
            Ok(socket)
        };
        let socket = open().context("open a netlink socket for", format!("{protocol:?}"))?;
        Ok(Socket { socket, sequence: 1 })
    }

    /// Sends one request and waits until the kernel has done it. `what` names it in an error.
    pub fn request(&mut self, message: Message, what: &str) -> Result<()> {
        let sequence = self.next_sequence();
        self.send(&message.encode(sequence, true), what)?;
        loop {
            for received in self.receive(what)? {
                if received.sequence == sequence && i32::from(received.kind) == libc::NLMSG_ERROR {
                    return outcome(&received, what);
                }
            }
        }
    }

    /// Asks for a list and gives the body of each message to `each`.
    pub fn dump(&mut self, message: Message, what: &str, mut each: impl FnMut(&[u8])) -> Result<()> {
        let sequence = self.next_sequence();
        self.send(&message.encode(sequence, false), what)?;
        loop {
            for received in self.receive(what)? {
                if received.sequence != sequence {
                    continue;
                }
                match i32::from(received.kind) {
                    libc::NLMSG_ERROR | libc::NLMSG_DONE => return outcome(&received, what),
                    _ => each(&received.body),
                }
            }
        }
    }

    /// Sends several messages at once; the kernel does all or none of them. `begin` and `end` frame them.
    /// All errors that the kernel reports are joined into one.
    pub fn batch(mut self, begin: Message, messages: Vec<Message>, end: Message, what: &str) -> Result<()> {
        let first = self.next_sequence();
        let count = messages.len() as u32;
        if count == 0 {
            return Ok(());
        }
        let mut bytes = begin.encode(first, false);
        bytes.reserve(messages.iter().map(Message::len).sum());
        for (sequence, message) in (first + 1..).zip(messages) {
            bytes.extend(message.encode(sequence, sequence == first + count));
        }
        bytes.extend(end.encode(first + count + 1, false));
        setsockopt(&self.socket, sockopt::SndBufForce, &(bytes.len() + SEND_SLACK))
            .context("enlarge the send buffer for", what)?;
        self.send(&bytes, what)?;
        self.batch_outcome(first, first + count, what)
    }

    /// Waits for the answer to a batch's last message, or for an error of the batch as a whole.
    fn batch_outcome(&mut self, first: u32, last: u32, what: &str) -> Result<()> {
        loop {
            let mut answered = false;
            let mut result = Ok(());
            for received in self.receive(what)? {
                let subject = match received.sequence.checked_sub(first) {
                    None | Some(0) => what.to_owned(),
                    Some(number) => format!("{what} (message {number})"),
                };
                result = result.and(outcome(&received, &subject));
                answered |= received.sequence == last;
            }
            if answered || result.is_err() {
                return result;
            }
        }
    }

    fn next_sequence(&mut self) -> u32 {
        self.sequence = self.sequence.wrapping_add(1);
        self.sequence
    }

    fn send(&self, bytes: &[u8], what: &str) -> Result<()> {
        let sent = self.socket.send(bytes, 0).context("send a request for", what)?;
        if sent == bytes.len() {
            return Ok(());
        }
        Err(Error::new("send a request for", what, io::Error::from(io::ErrorKind::WriteZero)))
    }

    fn receive(&self, what: &str) -> Result<Vec<Received>> {
        let datagram = loop {
            match self.socket.recv_from_full() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                result => break result.context("receive the answer for", what)?.0,
            }
        };
        Ok(split(&datagram))
    }
}

/// The messages of a datagram.
fn split(mut rest: &[u8]) -> Vec<Received> {
    let mut out = Vec::new();
    let u16_at = |b: &[u8], at: usize| u16::from_ne_bytes([b[at], b[at + 1]]);
    let u32_at = |b: &[u8], at: usize| u32::from_ne_bytes([b[at], b[at + 1], b[at + 2], b[at + 3]]);
    while rest.len() >= HEADER {
        let length = u32_at(rest, 0) as usize;
        let Some(body) = rest.get(HEADER..length) else { break };
        out.push(Received {
            kind: u16_at(rest, 4),
            flags: u16_at(rest, 6),
            sequence: u32_at(rest, 8),
            body: body.to_vec(),
        });
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    out
}

/// What an error message (of which an acknowledgement is one, with number 0) or an end of a list says.
fn outcome(received: &Received, what: &str) -> Result<()> {
    let kind = i32::from(received.kind);
    let number = received.body.get(0..4).and_then(|b| b.try_into().ok()).map_or(0, i32::from_ne_bytes);
    if number == 0 || !(kind == libc::NLMSG_ERROR || kind == libc::NLMSG_DONE) {
        return Ok(());
    }
    let explained = i32::from(received.flags) & libc::NLM_F_ACK_TLVS != 0;
    let text = received.body.get(4 + HEADER..).filter(|_| explained).and_then(|a| find(a, ERROR_TEXT));
    let subject = match text.map(|t| String::from_utf8_lossy(t).trim_end_matches('\0').to_owned()) {
        Some(text) => format!("{what}, {text}"),
        None => what.to_owned(),
    };
    Err(Error::new("the kernel refused:", subject, io::Error::from_raw_os_error(-number)))
}
