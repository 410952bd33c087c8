//! What rules are made of.

use std::time::Duration;

use super::Family;

/// One of sixteen registers of four bytes; a wider value takes the next ones too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reg(pub u32);

impl Reg {
    /// The kernel's number: after the verdict and the four wide registers.
    pub(super) fn number(self) -> u32 {
        8 + self.0
    }
}

/// Where the packet goes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// On its way.
    Accept,
    /// Nowhere.
    Drop,
    /// Back to where this chain was called.
    Return,
    /// Through another chain, then on here.
    Jump(String),
    /// Through another chain, and not back.
    Goto(String),
}

/// Which header of the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayloadBase {
    /// That of the internet protocol.
    Network,
    /// That of TCP, UDP or SCTP.
    Transport,
}

/// What is known about a packet besides its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetaKey {
    /// Its mark.
    Mark,
    /// The number of the interface it came by.
    InIndex,
    /// The name of the interface it came by, 16 bytes.
    InName,
    /// The name of the interface it leaves by, 16 bytes.
    OutName,
    /// Its transport protocol.
    L4Proto,
}

/// What is known about a packet's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CtKey {
    /// Bits: invalid 1, established 2, related 4, new 8.
    State,
    /// Bits, of which 32 says that its destination was changed.
    Status,
}

/// How the sender is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// By a TCP reset.
    TcpReset,
    /// By ICMP: port unreachable.
    PortUnreachable,
}

/// What a rule does to a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dynamic {
    /// Adds an element if there is none.
    Add,
    /// Adds it, or begins its time anew.
    Update,
    /// Removes it if it is there.
    Delete,
}

/// A step of a rule. A comparison or lookup that fails ends the rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expr {
    /// Loads bytes of a header.
    Payload { base: PayloadBase, offset: u32, length: u32, into: Reg },
    /// Loads what is known about the packet.
    Meta { key: MetaKey, into: Reg },
    /// Sets the packet's mark.
    SetMark { from: Reg },
    /// Loads what is known about the connection.
    Ct { key: CtKey, into: Reg },
    /// Loads the type of the destination's (or source's) address; 2 is one of this machine's own.
    AddressType { source: bool, into: Reg },
    /// Goes on if the register holds (or, if `not`, does not hold) these bytes.
    Cmp { reg: Reg, not: bool, value: Vec<u8> },
    /// `into = from & mask ^ xor`.
    Bitwise { from: Reg, into: Reg, mask: Vec<u8>, xor: Vec<u8> },
    /// Goes on if the key is in (or, if `not`, is not in) the set.
    Lookup { set: String, key: Reg, not: bool },
    /// Loads a map's value for the key, or ends the rule.
    Map { map: String, key: Reg, into: Reg },
    /// Takes the verdict that the map has for the key.
    VerdictMap { map: String, key: Reg },
    /// Loads a number from 0 below the modulus, at random.
    Random { modulus: u32, into: Reg },
    /// Loads these bytes.
    Load { value: Vec<u8>, into: Reg },
    /// Takes a verdict.
    Verdict(Verdict),
    /// Sends the connection to the address and port in the registers.
    Dnat { family: Family, address: Reg, port: Reg },
    /// Gives the connection this machine's address and a random free port as its source.
    Masquerade,
    /// Tells the sender that there is nothing here.
    Reject(Rejection),
    /// Changes a set from within a rule; with `data` for maps.
    Dynset { how: Dynamic, set: String, key: Reg, data: Option<Reg>, timeout: Option<Duration> },
}
