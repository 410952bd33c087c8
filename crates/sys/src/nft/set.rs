//! Sets and maps, and what is in them.

use std::net::IpAddr;
use std::time::Duration;

use super::Verdict;
use crate::address_bytes;

/// A part of a key or of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// A version 4 address.
    V4,
    /// A version 6 address.
    V6,
    /// A transport protocol's number.
    Protocol,
    /// A port.
    Port,
    /// A number in the machine's byte order (a packet mark's type).
    Number,
}

impl Field {
    /// How nft(8) numbers the type.
    pub(super) fn type_id(self) -> u32 {
        match self {
            Field::V4 => 7,
            Field::V6 => 8,
            Field::Protocol => 12,
            Field::Port => 13,
            Field::Number => 19,
        }
    }

    /// Bytes it takes, filled up to whole registers.
    pub fn width(self) -> u32 {
        if self == Field::V6 { 16 } else { 4 }
    }

    /// Bytes of the value itself; only a set of this field alone is that narrow.
    fn narrow(self) -> u32 {
        match self {
            Field::V4 | Field::Number => 4,
            Field::V6 => 16,
            Field::Protocol => 1,
            Field::Port => 2,
        }
    }
}

/// Width in bytes of a value of these fields.
pub(super) fn width(fields: &[Field]) -> u32 {
    match fields {
        [single] => single.narrow(),
        many => many.iter().map(|f| f.width()).sum(),
    }
}

/// How nft(8) numbers a value of these fields: six bits each.
pub(super) fn type_id(fields: &[Field]) -> u32 {
    fields.iter().fold(0, |id, field| id << 6 | field.type_id())
}

/// What a set gives for a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataType {
    /// Nothing but its presence.
    None,
    /// Where the packet goes next.
    Verdict,
    /// A value.
    Fields(Vec<Field>),
}

/// A set, or a map when it has data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set {
    /// Its name, unique in its table.
    pub name: String,
    /// What its keys are made of.
    pub key: Vec<Field>,
    /// What it gives for a key.
    pub data: DataType,
    /// Whether rules add elements, which then end after this time by default; of these it holds 65,535.
    pub dynamic: Option<Duration>,
}

/// The bytes of a key or value: its fields, each filled up to whole registers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(pub Vec<u8>);

impl Key {
    /// Appends an address.
    pub fn address(mut self, address: IpAddr) -> Self {
        self.0.extend(address_bytes(address));
        self
    }

    /// Appends a protocol's number.
    pub fn protocol(mut self, number: u8) -> Self {
        self.0.extend([number, 0, 0, 0]);
        self
    }

    /// Appends a port.
    pub fn port(mut self, port: u16) -> Self {
        let [high, low] = port.to_be_bytes();
        self.0.extend([high, low, 0, 0]);
        self
    }

    /// Appends a number.
    pub fn number(mut self, number: u32) -> Self {
        self.0.extend(number.to_ne_bytes());
        self
    }
}

/// What a map holds for a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// A set's element has none.
    None,
    /// Where the packet goes next.
    Verdict(Verdict),
    /// A value.
    Value(Key),
}

/// A key with what it leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    /// The key.
    pub key: Key,
    /// What it leads to.
    pub data: Data,
}
