//! The values without fields: how each type is read from JSON.

use super::decode::Decoder;
use super::reader::Token;
use super::time::{self, Layout};
use crate::DecodeError;
use base64::Engine;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use corten_api::{IntOrString, Quantity, Raw};
use std::borrow::Cow;

/// Standard base64 that, as Go, does not mind stray bits at the end.
static BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);

impl<'a> Decoder<'a, '_> {
    /// A number's text; the type error is saved if the value is something else.
    fn number(&mut self, token: Token, ty: &str) -> Result<Option<&'a str>, DecodeError> {
        if token == Token::Number {
            return self.reader.number().map(Some);
        }
        self.mismatch(token, ty)?;
        Ok(None)
    }

    pub(super) fn bool(&mut self, token: Token, to: &mut bool) -> Result<(), DecodeError> {
        if token != Token::Bool {
            return self.mismatch(token, "bool");
        }
        *to = self.reader.bool()?;
        Ok(())
    }

    pub(super) fn int32(&mut self, token: Token, to: &mut i32) -> Result<(), DecodeError> {
        if let Some(text) = self.number(token, "int32")? {
            match text.parse() {
                Ok(value) => *to = value,
                Err(_) => self.type_error(&format!("number {text}"), "int32"),
            }
        }
        Ok(())
    }

    pub(super) fn int64(&mut self, token: Token, to: &mut i64) -> Result<(), DecodeError> {
        if let Some(text) = self.number(token, "int64")? {
            match text.parse() {
                Ok(value) => *to = value,
                Err(_) => self.type_error(&format!("number {text}"), "int64"),
            }
        }
        Ok(())
    }

    pub(super) fn float(&mut self, token: Token, to: &mut f64) -> Result<(), DecodeError> {
        if let Some(text) = self.number(token, "float64")? {
            match text.parse::<f64>() {
                Ok(value) if value.is_finite() => *to = value,
                _ => self.type_error(&format!("number {text}"), "float64"),
            }
        }
        Ok(())
    }

    /// A string; the type error is saved if the value is something else.
    pub(super) fn text(&mut self, token: Token) -> Result<Option<Cow<'a, str>>, DecodeError> {
        if token == Token::String {
            return self.reader.string().map(Some);
        }
        self.mismatch(token, "string")?;
        Ok(None)
    }

    pub(super) fn bytes(&mut self, token: Token, to: &mut Vec<u8>) -> Result<(), DecodeError> {
        match token {
            Token::String => {
                let text = self.reader.string()?;
                match from_base64(&text) {
                    Ok(bytes) => *to = bytes,
                    Err(at) => {
                        let text = format!("illegal base64 data at input byte {at}");
                        self.save(DecodeError::Value(text));
                    }
                }
                Ok(())
            }
            Token::Array => self.byte_list(to),
            _ => self.mismatch(token, "[]uint8"),
        }
    }

    /// Bytes as a list of numbers, which Go reads too.
    fn byte_list(&mut self, to: &mut Vec<u8>) -> Result<(), DecodeError> {
        to.clear();
        self.reader.open();
        let mut first = true;
        while self.reader.item(&mut first)? {
            let token = self.reader.peek()?;
            if let Some(text) = self.number(token, "uint8")? {
                match text.parse() {
                    Ok(byte) => to.push(byte),
                    Err(_) => self.type_error(&format!("number {text}"), "uint8"),
                }
            }
        }
        Ok(())
    }

    /// Text or number; upstream looks at the text of either.
    pub(super) fn quantity(&mut self, token: Token, to: &mut Quantity) -> Result<(), DecodeError> {
        let text = match token {
            Token::String => self.reader.string()?,
            _ => Cow::Borrowed(self.reader.skip()?),
        };
        *to = text.trim().parse().map_err(|e| DecodeError::Value(format!("{e}")))?;
        Ok(())
    }

    pub(super) fn time(
        &mut self,
        token: Token,
        layout: Layout,
    ) -> Result<Option<jiff::Timestamp>, DecodeError> {
        match self.text(token)? {
            Some(text) => time::parse(&text, layout).map(Some),
            None => Ok(None),
        }
    }

    pub(super) fn int_or_string(&mut self, token: Token, to: &mut IntOrString) -> Result<(), DecodeError> {
        if token == Token::String {
            *to = IntOrString::String(self.reader.string()?.into_owned());
            return Ok(());
        }
        let mut value = 0;
        self.int32(token, &mut value)?;
        *to = IntOrString::Int(value);
        Ok(())
    }

    pub(super) fn raw(&mut self, to: &mut Raw) -> Result<(), DecodeError> {
        to.0 = compact(self.reader.skip()?);
        Ok(())
    }
}

/// The bytes, or where the text goes wrong. Line ends are passed over.
fn from_base64(text: &str) -> Result<Vec<u8>, usize> {
    let without_lines = match text.contains(['\r', '\n']) {
        true => Cow::Owned(text.replace(['\r', '\n'], "")),
        false => Cow::Borrowed(text),
    };
    BASE64.decode(without_lines.as_bytes()).map_err(|_| base64_fault(text.as_bytes()))
}

/// The place that Go names in a text that is no base64: the odd character, or the start of a group that is
/// not full.
fn base64_fault(text: &[u8]) -> usize {
    let letters: Vec<(usize, u8)> =
        text.iter().copied().enumerate().filter(|(_, b)| !matches!(b, b'\r' | b'\n')).collect();
    for group in letters.chunks(4) {
        for (j, (at, byte)) in group.iter().enumerate() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' => continue,
                b'=' if j == 2 => match group.get(3) {
                    // Padded well, so what is wrong comes behind.
                    Some((end, b'=')) => return end + 1,
                    Some((next, _)) => return next - 1,
                    None => return text.len(),
                },
                b'=' if j == 3 => return at + 1,
                _ => return *at,
            }
        }
        if group.len() < 4 {
            return group[0].0;
        }
    }
    text.len()
}

/// JSON without the white space between its tokens.
pub(crate) fn compact(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let (mut inside, mut escaped) = (false, false);
    for &b in text.as_bytes() {
        if inside {
            inside = escaped || b != b'"';
            escaped = !escaped && b == b'\\';
        } else if b == b'"' {
            inside = true;
        } else if matches!(b, b' ' | b'\n' | b'\t' | b'\r') {
            continue;
        }
        out.push(b);
    }
    out
}
