//! Varints, tags and lengths.

use crate::DecodeError;

pub(crate) const VARINT: u8 = 0;
pub(crate) const FIXED64: u8 = 1;
pub(crate) const BYTES: u8 = 2;
const START_GROUP: u8 = 3;
const END_GROUP: u8 = 4;
const FIXED32: u8 = 5;

pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(crate) fn put_tag(out: &mut Vec<u8>, tag: u32, wire: u8) {
    put_varint(out, u64::from(tag) << 3 | u64::from(wire));
}

pub(crate) fn put_bytes(out: &mut Vec<u8>, tag: u32, bytes: &[u8]) {
    put_tag(out, tag, BYTES);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Writes a field whose content `fill` appends. The length is put in front afterwards: one byte is kept for
/// it, and the content moves when it needs more.
pub(crate) fn put_message(out: &mut Vec<u8>, tag: u32, fill: impl FnOnce(&mut Vec<u8>)) {
    put_tag(out, tag, BYTES);
    let start = out.len();
    out.push(0);
    fill(out);
    let length = out.len() - start - 1;
    if length < 0x80 {
        out[start] = length as u8;
        return;
    }
    let mut prefix = Vec::with_capacity(5);
    put_varint(&mut prefix, length as u64);
    out.splice(start..=start, prefix);
}

/// What a field holds on the wire.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    /// Of a wire type that no field of ours has.
    Other,
}

/// The fields of one message.
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub fn new(message: &'a [u8]) -> Self {
        Fields { rest: message }
    }

    /// The next field's tag and value; `None` at the end.
    pub fn next(&mut self) -> Result<Option<(u32, Value<'a>)>, DecodeError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let wire = (key & 7) as u8;
        let tag = u32::try_from(key >> 3).ok().filter(|tag| *tag > 0 && *tag < 1 << 29);
        let Some(tag) = tag else {
            return Err(fault(format!("proto: illegal tag {} (wire type {wire})", key >> 3)));
        };
        let value = match wire {
            VARINT => Value::Varint(self.varint()?),
            FIXED64 => Value::Fixed64(u64::from_le_bytes(self.array()?)),
            BYTES => Value::Bytes(self.bytes()?),
            START_GROUP => {
                self.skip_group()?;
                Value::Other
            }
            FIXED32 => {
                self.array::<4>()?;
                Value::Other
            }
            END_GROUP => return Err(fault("proto: wiretype end group for non-group".to_string())),
            _ => return Err(fault(format!("proto: illegal wireType {wire}"))),
        };
        Ok(Some((tag, value)))
    }

    /// A varint where a packed list is read.
    pub fn packed(&mut self) -> Result<Option<u64>, DecodeError> {
        if self.rest.is_empty() { Ok(None) } else { self.varint().map(Some) }
    }

    fn varint(&mut self) -> Result<u64, DecodeError> {
        let mut value = 0u64;
        for (at, byte) in self.rest.iter().enumerate() {
            if at == 10 {
                break;
            }
            value |= u64::from(byte & 0x7f).checked_shl(at as u32 * 7).unwrap_or(0);
            if byte & 0x80 == 0 {
                self.rest = &self.rest[at + 1..];
                return Ok(value);
            }
        }
        if self.rest.len() >= 10 { Err(fault("proto: integer overflow".to_string())) } else { Err(short()) }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (array, rest) = self.rest.split_first_chunk().ok_or_else(short)?;
        self.rest = rest;
        Ok(*array)
    }

    fn bytes(&mut self) -> Result<&'a [u8], DecodeError> {
        let length = self.varint()?;
        if length > i64::MAX as u64 {
            return Err(fault("proto: negative length found during unmarshaling".to_string()));
        }
        let length = usize::try_from(length).map_err(|_| short())?;
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or_else(short)?;
        self.rest = rest;
        Ok(bytes)
    }

    fn skip_group(&mut self) -> Result<(), DecodeError> {
        let mut open = 1usize;
        while open > 0 {
            match (self.varint()? & 7) as u8 {
                VARINT => drop(self.varint()?),
                FIXED64 => drop(self.array::<8>()?),
                BYTES => drop(self.bytes()?),
                START_GROUP => open += 1,
                END_GROUP => open -= 1,
                FIXED32 => drop(self.array::<4>()?),
                wire => return Err(fault(format!("proto: illegal wireType {wire}"))),
            }
        }
        Ok(())
    }
}

pub(crate) fn fault(text: String) -> DecodeError {
    DecodeError::Syntax(text)
}

#[cold]
fn short() -> DecodeError {
    fault("unexpected EOF".to_string())
}
