//! The frames of a watch: a JSON object a line, protobuf messages behind their length, or CBOR, item by item.

use crate::json::reader::{Reader, Token};
use crate::protobuf::wire::{Fields, Value, put_bytes, put_message};
use crate::{DecodeError, cbor};
use std::borrow::Cow;

/// The longest frame that is read, in bytes.
pub const MAX_FRAME: usize = 64 << 20;

/// One event as it came; the object is still encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// `ADDED`, `MODIFIED`, `DELETED`, `BOOKMARK` or `ERROR`.
    pub kind: Cow<'a, str>,
    /// JSON, or enveloped protobuf.
    pub object: &'a [u8],
}

/// A line of JSON with its line end, from an object that is JSON.
pub fn encode_json(kind: &str, object: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(object.len() + 40);
    out.extend_from_slice(b"{\"type\":\"");
    out.extend_from_slice(kind.as_bytes());
    out.extend_from_slice(b"\",\"object\":");
    out.extend_from_slice(object);
    out.extend_from_slice(b"}\n");
    out
}

/// A frame of protobuf with its length, from an object in its envelope.
pub fn encode_protobuf(kind: &str, object: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(object.len() + 40);
    out.extend_from_slice(&[0; 4]);
    put_bytes(&mut out, 1, kind.as_bytes());
    put_message(&mut out, 2, |out| put_bytes(out, 1, object));
    let length = u32::try_from(out.len() - 4).unwrap_or(u32::MAX);
    out[..4].copy_from_slice(&length.to_be_bytes());
    out
}

/// An item of a CBOR sequence, from an object that is CBOR.
pub fn encode_cbor(kind: &str, object: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(object.len() + 40);
    out.extend_from_slice(&cbor::MARK);
    // A map of two; byte strings of four and six bytes are its keys.
    out.extend_from_slice(b"\xa2\x44type");
    cbor::string(kind.as_bytes(), &mut out);
    out.extend_from_slice(b"\x46object");
    out.extend_from_slice(object);
    out
}

/// Reads a line of JSON.
pub fn decode_json(line: &[u8]) -> Result<Event<'_>, DecodeError> {
    let text = std::str::from_utf8(line).map_err(|e| DecodeError::Syntax(format!("watch event: {e}")))?;
    let mut reader = Reader::new(text);
    if reader.peek()? != Token::Object {
        return Err(DecodeError::Syntax("watch event: not a JSON object".to_string()));
    }
    reader.open();
    let mut event = Event { kind: Cow::Borrowed(""), object: b"" };
    let mut first = true;
    while let Some(key) = reader.key(&mut first)? {
        match (&*key, reader.peek()?) {
            ("type", Token::String) => event.kind = reader.string()?,
            ("object", _) => event.object = reader.skip()?.as_bytes(),
            _ => drop(reader.skip()?),
        }
    }
    reader.end()?;
    Ok(event)
}

/// The first whole frame of what has come so far, and how many bytes it takes with its length; `None` when
/// more must come.
pub fn split_frame(buffer: &[u8]) -> Result<Option<(&[u8], usize)>, DecodeError> {
    let Some((length, rest)) = buffer.split_first_chunk() else { return Ok(None) };
    let length = u32::from_be_bytes(*length) as usize;
    if length > MAX_FRAME {
        return Err(DecodeError::Syntax(format!("watch event: a frame of {length} bytes is too long")));
    }
    Ok(rest.get(..length).map(|frame| (frame, length + 4)))
}

/// Reads a frame of protobuf, without its length.
pub fn decode_protobuf(frame: &[u8]) -> Result<Event<'_>, DecodeError> {
    let mut event = Event { kind: Cow::Borrowed(""), object: b"" };
    let mut fields = Fields::new(frame);
    while let Some((tag, value)) = fields.next()? {
        match (tag, value) {
            (1, Value::Bytes(kind)) => event.kind = String::from_utf8_lossy(kind),
            (2, Value::Bytes(extension)) => {
                let mut inner = Fields::new(extension);
                while let Some((tag, value)) = inner.next()? {
                    if let (1, Value::Bytes(raw)) = (tag, value) {
                        event.object = raw;
                    }
                }
            }
            _ => {}
        }
    }
    Ok(event)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_go_to_either_format_and_back() {
        let object = br#"{"kind":"Pod","metadata":{"name":"\"}\n"}}"#;
        let line = encode_json("ADDED", object);
        assert_eq!(line.last(), Some(&b'\n'));
        let want = Event { kind: Cow::Borrowed("ADDED"), object };
        assert_eq!(decode_json(&line).expect("an event"), want);

        let long = vec![7; 300];
        let mut stream = encode_protobuf("ADDED", object);
        let first = stream.len();
        stream.extend(encode_protobuf("DELETED", &long));
        let (frame, taken) = split_frame(&stream).expect("sound").expect("whole");
        assert_eq!((decode_protobuf(frame).expect("an event"), taken), (want, first));
        let (frame, _) = split_frame(&stream[taken..]).expect("sound").expect("whole");
        assert_eq!(decode_protobuf(frame).expect("an event").object, long);
        assert_eq!(split_frame(&stream[..first - 1]).expect("sound"), None);
        assert_eq!(split_frame(&stream[..3]).expect("sound"), None);
    }

    #[test]
    fn broken_events_are_refused() {
        for bad in ["", "[]", "{\"type\":\"ADDED\"", "{\"object\":}", "{} {}"] {
            assert!(decode_json(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(split_frame(&[0xff; 8]).is_err());
        for bad in [&[0x0a][..], &[0x0a, 9, 1], &[0x12, 2, 0x0a, 5], &[0x0c], &[0xff; 12]] {
            assert!(decode_protobuf(bad).is_err(), "{bad:?}");
        }
    }
}
