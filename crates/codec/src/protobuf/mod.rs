//! Protobuf as upstream's generated code writes and reads it, driven by the schema's tags.

mod envelope;
mod read;
pub(crate) mod wire;
mod write;

use crate::DecodeError;
use corten_api::{Object, Struct};

pub use envelope::{Envelope, MAGIC, close, open};
pub(crate) use envelope::{finish as close_envelope, start as open_envelope};

/// An object in its envelope, as answers and stored bytes are.
pub fn encode(object: &dyn Object) -> Vec<u8> {
    encode_struct(object.as_struct())
}

/// Any struct in an envelope; without a kind the envelope names none.
pub fn encode_struct(value: &dyn Struct) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    let (api_version, kind) =
        value.schema().kind.map_or_else(Default::default, |info| (info.api_version(), info.kind));
    envelope::put(&mut out, &api_version, kind, |out| write::message(out, value));
    out
}

/// The message alone, as items of a list are.
pub fn encode_message(value: &dyn Struct) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    write::message(&mut out, value);
    out
}

/// Fills `object` from an enveloped message; the caller has looked at [`open`] for what it is.
pub fn decode(bytes: &[u8], object: &mut dyn Object) -> Result<(), DecodeError> {
    decode_message(open(bytes)?.raw, object.as_struct_mut())
}

/// Fills a struct from its message.
pub fn decode_message(message: &[u8], to: &mut dyn Struct) -> Result<(), DecodeError> {
    read::decode(message, to)
}

#[cfg(test)]
mod tests;
