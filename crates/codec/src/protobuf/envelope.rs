//! `runtime.Unknown`, the envelope that tells what a message is: four magic bytes, then
//! `{typeMeta = 1 {apiVersion = 1, kind = 2}, raw = 2, contentEncoding = 3, contentType = 4}`.

use super::wire::{Fields, Value, fault, put_bytes, put_message};
use crate::DecodeError;
use crate::json::TypeMeta;
use std::borrow::Cow;

/// What every enveloped body starts with.
pub const MAGIC: &[u8; 4] = b"k8s\0";

/// An enveloped message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Envelope<'a> {
    pub type_meta: TypeMeta<'a>,
    /// The message itself.
    pub raw: &'a [u8],
}

/// Opens the envelope.
pub fn open(bytes: &[u8]) -> Result<Envelope<'_>, DecodeError> {
    let Some(message) = bytes.strip_prefix(MAGIC) else {
        let foreign =
            "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]";
        return Err(fault(if bytes.is_empty() { "empty data" } else { foreign }.to_string()));
    };
    let mut envelope = Envelope::default();
    let mut input = Fields::new(message);
    while let Some((tag, value)) = input.next()? {
        match (tag, value) {
            (1, Value::Bytes(meta)) => envelope.type_meta = type_meta(meta)?,
            (2, Value::Bytes(raw)) => envelope.raw = raw,
            _ => {}
        }
    }
    Ok(envelope)
}

fn type_meta(message: &[u8]) -> Result<TypeMeta<'_>, DecodeError> {
    let mut meta = TypeMeta::default();
    let mut input = Fields::new(message);
    while let Some((tag, value)) = input.next()? {
        match (tag, value) {
            (1, Value::Bytes(text)) => meta.api_version = String::from_utf8_lossy(text),
            (2, Value::Bytes(text)) => meta.kind = String::from_utf8_lossy(text),
            _ => {}
        }
    }
    Ok(meta)
}

/// Appends an envelope whose message `fill` appends.
pub(super) fn put(out: &mut Vec<u8>, api_version: &str, kind: &str, fill: impl FnOnce(&mut Vec<u8>)) {
    start(out, api_version, kind);
    put_message(out, 2, fill);
    finish(out);
}

/// Appends what comes before the message.
pub(crate) fn start(out: &mut Vec<u8>, api_version: &str, kind: &str) {
    out.extend_from_slice(MAGIC);
    put_message(out, 1, |out| {
        put_bytes(out, 1, api_version.as_bytes());
        put_bytes(out, 2, kind.as_bytes());
    });
}

/// Appends what comes behind it.
pub(crate) fn finish(out: &mut Vec<u8>) {
    put_bytes(out, 3, b"");
    put_bytes(out, 4, b"");
}

/// A message in its envelope.
pub fn close(type_meta: &TypeMeta<'_>, raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len() + 64);
    let (api_version, kind): (&Cow<'_, str>, _) = (&type_meta.api_version, &type_meta.kind);
    put(&mut out, api_version, kind, |out| out.extend_from_slice(raw));
    out
}
