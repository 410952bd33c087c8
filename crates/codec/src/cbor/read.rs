//! From CBOR to JSON text. The limits are upstream's.

use super::BASE64;
use super::head::{self, Head, Major, ended, half, syntax};
use crate::DecodeError;
use crate::json::text::write_string;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use std::borrow::Cow;
use std::collections::HashSet;

/// How deep arrays, maps and tags may nest.
const MAX_DEPTH: usize = 64;
/// How many items an array, or pairs a map, may have.
const MAX_ITEMS: usize = 1024;

/// One data item as JSON text.
///
/// # Errors
/// When it is malformed, goes beyond a limit, has a key twice, or says what JSON cannot; the texts are upstream's.
pub fn to_json(bytes: &[u8]) -> Result<Vec<u8>, DecodeError> {
    if bytes.is_empty() {
        return Err(syntax("EOF"));
    }
    let mut reader = Reader { bytes, at: 0, out: Vec::with_capacity(bytes.len() + bytes.len() / 2) };
    reader.item(0, Later::Text)?;
    match bytes.len() - reader.at {
        0 => Ok(reader.out),
        left => {
            let at = reader.at;
            Err(syntax(format!("cbor: {left} bytes of extraneous data starting at index {at}")))
        }
    }
}

/// What byte strings become.
#[derive(Clone, Copy)]
enum Later {
    Text,
    Base64Url,
    Base64,
    Base16,
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    out: Vec<u8>,
}

impl<'a> Reader<'a> {
    fn head(&mut self) -> Result<Head, DecodeError> {
        let (head, length) = head::read(&self.bytes[self.at..])?;
        self.at += length;
        Ok(head)
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], DecodeError> {
        let rest = &self.bytes[self.at..];
        let length = usize::try_from(length).ok().filter(|l| *l <= rest.len()).ok_or_else(ended)?;
        self.at += length;
        Ok(&rest[..length])
    }

    /// Whether the open item ends here; its end is consumed.
    fn closes(&mut self) -> Result<bool, DecodeError> {
        let closes = *self.bytes.get(self.at).ok_or_else(ended)? == 0xff;
        self.at += usize::from(closes);
        Ok(closes)
    }

    fn item(&mut self, depth: usize, later: Later) -> Result<(), DecodeError> {
        let head = self.head()?;
        self.rest_of_item(&head, depth, later)
    }

    fn rest_of_item(&mut self, head: &Head, depth: usize, later: Later) -> Result<(), DecodeError> {
        match head.major {
            Major::Positive | Major::Negative => self.integer(head),
            Major::Bytes => {
                let bytes = self.string(head)?;
                let text = match later {
                    Later::Text => String::from_utf8_lossy(&bytes).into_owned(),
                    Later::Base64Url => URL_SAFE_NO_PAD.encode(&bytes),
                    Later::Base64 => STANDARD.encode(&bytes),
                    Later::Base16 => bytes.iter().map(|b| format!("{b:02x}")).collect(),
                };
                write_string(&mut self.out, &text);
                Ok(())
            }
            Major::Text => {
                let bytes = self.string(head)?;
                write_string(&mut self.out, utf8(&bytes)?);
                Ok(())
            }
            Major::Array => self.array(head, deeper(depth)?, later),
            Major::Map => self.map(head, deeper(depth)?, later),
            Major::Tag => self.tagged(head.value, depth, later),
            Major::Primitive => self.primitive(head),
        }
    }

    fn integer(&mut self, head: &Head) -> Result<(), DecodeError> {
        let value = i128::from(head.value);
        let value = if head.major == Major::Negative { -1 - value } else { value };
        if i64::try_from(value).is_err() {
            let name = head.major.name();
            return Err(syntax(format!(
                "cbor: cannot unmarshal {name} into Go value of type int64 ({value} overflows Go's int64)"
            )));
        }
        self.out.extend_from_slice(value.to_string().as_bytes());
        Ok(())
    }

    /// The bytes of a string, in one piece or in several.
    fn string(&mut self, head: &Head) -> Result<Cow<'a, [u8]>, DecodeError> {
        if !head.is_open() {
            return self.take(head.value).map(Cow::Borrowed);
        }
        let name = head.major.name();
        let mut all = Vec::new();
        while !self.closes()? {
            let piece = self.head()?;
            if piece.major != head.major {
                let other = piece.major.name();
                return Err(syntax(format!("cbor: wrong element type {other} for indefinite-length {name}")));
            }
            if piece.is_open() {
                return Err(syntax(format!("cbor: indefinite-length {name} chunk is not definite-length")));
            }
            let bytes = self.take(piece.value)?;
            if head.major == Major::Text {
                utf8(bytes)?;
            }
            all.extend_from_slice(bytes);
        }
        Ok(all.into())
    }

    fn array(&mut self, head: &Head, depth: usize, later: Later) -> Result<(), DecodeError> {
        let too_many = || syntax(format!("cbor: exceeded max number of elements {MAX_ITEMS} for CBOR array"));
        let length = length(head, too_many)?;
        self.out.push(b'[');
        let mut count = 0;
        while !self.is_over(length, count)? {
            if count == MAX_ITEMS {
                return Err(too_many());
            }
            if count > 0 {
                self.out.push(b',');
            }
            self.item(depth, later)?;
            count += 1;
        }
        self.out.push(b']');
        Ok(())
    }

    fn map(&mut self, head: &Head, depth: usize, later: Later) -> Result<(), DecodeError> {
        let too_many =
            || syntax(format!("cbor: exceeded max number of key-value pairs {MAX_ITEMS} for CBOR map"));
        let length = length(head, too_many)?;
        let mut keys = HashSet::new();
        self.out.push(b'{');
        while !self.is_over(length, keys.len())? {
            let count = keys.len();
            if count == MAX_ITEMS {
                return Err(too_many());
            }
            if count > 0 {
                self.out.push(b',');
            }
            let key = self.key()?;
            write_string(&mut self.out, &key);
            self.out.push(b':');
            if keys.contains(&key) {
                return Err(syntax(format!(
                    "cbor: found duplicate map key {key:?} at map element index {count}"
                )));
            }
            keys.insert(key);
            self.item(depth, later)?;
        }
        self.out.push(b'}');
        Ok(())
    }

    fn is_over(&mut self, length: Option<usize>, count: usize) -> Result<bool, DecodeError> {
        match length {
            Some(length) => Ok(count == length),
            None => self.closes(),
        }
    }

    fn key(&mut self) -> Result<String, DecodeError> {
        let mut head = self.head()?;
        for _ in 0..MAX_DEPTH {
            if head.major != Major::Tag {
                break;
            }
            head = self.head()?;
        }
        match head.major {
            Major::Text => {
                let bytes = self.string(&head)?;
                utf8(&bytes).map(String::from)
            }
            Major::Bytes => {
                let bytes = self.string(&head)?;
                Ok(String::from_utf8_lossy(&bytes).into_owned())
            }
            other => {
                Err(syntax(format!("cbor: cannot unmarshal {} into Go value of type string", other.name())))
            }
        }
    }

    fn tagged(&mut self, tag: u64, depth: usize, later: Later) -> Result<(), DecodeError> {
        let content = self.head()?;
        match tag {
            0 => self.time(&content),
            1 => self.epoch(&content),
            2 | 3 => Err(unacceptable("tag", "bignum")),
            _ => {
                let depth = if content.major == Major::Tag { deeper(depth)? } else { depth };
                let later = match tag {
                    21 => Later::Base64Url,
                    BASE64 => Later::Base64,
                    23 => Later::Base16,
                    _ => later,
                };
                self.rest_of_item(&content, depth, later)
            }
        }
    }

    /// A time as text.
    fn time(&mut self, content: &Head) -> Result<(), DecodeError> {
        if content.major != Major::Text {
            return Err(inadmissible(0, "text string", content.major));
        }
        let bytes = self.string(content)?;
        let text = utf8(&bytes)?;
        if text.parse::<Timestamp>().is_err() {
            return Err(syntax(format!("cbor: cannot set {text} for time.Time")));
        }
        write_string(&mut self.out, text);
        Ok(())
    }

    /// A time as seconds since 1970.
    fn epoch(&mut self, content: &Head) -> Result<(), DecodeError> {
        let time = match content.major {
            Major::Positive => i64::try_from(content.value).ok().and_then(|s| Timestamp::from_second(s).ok()),
            Major::Negative => {
                i64::try_from(content.value).ok().and_then(|s| Timestamp::from_second(-1 - s).ok())
            }
            Major::Primitive if (25..=27).contains(&content.info) => {
                let since = SignedDuration::try_from_secs_f64(float(content)?).ok();
                since.and_then(|since| Timestamp::from_duration(since).ok())
            }
            other => return Err(inadmissible(1, "integer or floating-point number", other)),
        };
        let time = time.ok_or_else(|| {
            syntax("cbor: decoded time cannot be represented in RFC3339 format with sub-second precision")
        })?;
        write_string(&mut self.out, &time.to_string());
        Ok(())
    }

    fn primitive(&mut self, head: &Head) -> Result<(), DecodeError> {
        match (head.info, head.value) {
            (20, _) => self.out.extend_from_slice(b"false"),
            (21, _) => self.out.extend_from_slice(b"true"),
            (22, _) => self.out.extend_from_slice(b"null"),
            (25..=27, _) => {
                let number = serde_json::Number::from_f64(float(head)?);
                let number = number.ok_or_else(|| unacceptable("primitives", "floating-point NaN"))?;
                self.out.extend_from_slice(number.to_string().as_bytes());
            }
            (_, value) => {
                return Err(unacceptable("primitives", &format!("simple value {value} is not recognized")));
            }
        }
        Ok(())
    }
}

/// A finite number.
fn float(head: &Head) -> Result<f64, DecodeError> {
    let value = match (head.info, u16::try_from(head.value), u32::try_from(head.value)) {
        (25, Ok(bits), _) => half(bits),
        (26, _, Ok(bits)) => f64::from(f32::from_bits(bits)),
        _ => f64::from_bits(head.value),
    };
    match value {
        value if value.is_nan() => Err(unacceptable("primitives", "floating-point NaN")),
        value if value.is_infinite() => Err(unacceptable("primitives", "floating-point infinity")),
        value => Ok(value),
    }
}

/// How many items there are, when that is told beforehand.
fn length(head: &Head, too_many: impl Fn() -> DecodeError) -> Result<Option<usize>, DecodeError> {
    if head.is_open() {
        return Ok(None);
    }
    match usize::try_from(head.value) {
        Ok(length) if length <= MAX_ITEMS => Ok(Some(length)),
        _ => Err(too_many()),
    }
}

fn deeper(depth: usize) -> Result<usize, DecodeError> {
    if depth < MAX_DEPTH {
        return Ok(depth + 1);
    }
    Err(syntax(format!("cbor: exceeded max nested level {MAX_DEPTH}")))
}

fn utf8(bytes: &[u8]) -> Result<&str, DecodeError> {
    std::str::from_utf8(bytes).map_err(|_| syntax("cbor: invalid UTF-8 string"))
}

fn unacceptable(kind: &str, what: &str) -> DecodeError {
    syntax(format!("cbor: data item of cbor type {kind} is not accepted by protocol: {what}"))
}

fn inadmissible(tag: u8, wanted: &str, got: Major) -> DecodeError {
    syntax(format!("cbor: tag number {tag} must be followed by {wanted}, got {}", got.name()))
}
