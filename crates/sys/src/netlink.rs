//! The kernel's netlink protocol: messages, and sockets that carry them. Interfaces, packet rules and
//! tracked connections are all spoken of in it; one synchronous encoder serves the three.

mod message;
mod socket;

pub(crate) use message::{Attributes, Message, find};
pub(crate) use socket::{Protocol, Socket};
