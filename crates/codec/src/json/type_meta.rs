//! What a body says it is, before it is read.

use super::reader::{Reader, Token};
use crate::DecodeError;
use std::borrow::Cow;

/// `apiVersion` and `kind` of a body; empty when absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TypeMeta<'a> {
    pub api_version: Cow<'a, str>,
    pub kind: Cow<'a, str>,
}

impl TypeMeta<'_> {
    /// Group (empty for the core group) and version.
    pub fn group_version(&self) -> (&str, &str) {
        self.api_version.split_once('/').unwrap_or(("", &self.api_version))
    }
}

/// Reads a JSON body up to the place where both are known. Errors are upstream's:
/// `couldn't get version/kind; json parse error: ...`.
pub fn type_meta(bytes: &[u8]) -> Result<TypeMeta<'_>, DecodeError> {
    let text = std::str::from_utf8(bytes).or_else(|e| {
        // What stands before the fault may be enough.
        std::str::from_utf8(&bytes[..e.valid_up_to()])
    });
    let fault =
        |e: DecodeError| DecodeError::Syntax(format!("couldn't get version/kind; json parse error: {e}"));
    read(Reader::new(text.unwrap_or_default())).map_err(fault)
}

fn read(mut reader: Reader<'_>) -> Result<TypeMeta<'_>, DecodeError> {
    let (mut kind, mut api_version) = (None, None);
    match reader.peek()? {
        Token::Object => reader.open(),
        Token::Null => return Ok(TypeMeta::default()),
        token => {
            reader.skip()?;
            return Err(mismatch(
                token,
                "Go value of type struct { APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string \"json:\\\"kind,omitempty\\\"\" }",
            ));
        }
    }
    let mut first = true;
    while let Some(key) = reader.key(&mut first)? {
        let slot = match &*key {
            "kind" => &mut kind,
            "apiVersion" => &mut api_version,
            _ => {
                reader.skip()?;
                continue;
            }
        };
        match reader.peek()? {
            Token::String => *slot = Some(reader.string()?),
            Token::Null => reader.null()?,
            token => return Err(mismatch(token, &format!("Go struct field .{key} of type string"))),
        }
        if kind.is_some() && api_version.is_some() {
            break;
        }
    }
    Ok(TypeMeta { api_version: api_version.unwrap_or_default(), kind: kind.unwrap_or_default() })
}

fn mismatch(token: Token, place: &str) -> DecodeError {
    let value = match token {
        Token::Null => "null",
        Token::Bool => "bool",
        Token::Number => "number",
        Token::String => "string",
        Token::Array => "array",
        Token::Object => "object",
    };
    DecodeError::Value(format!("json: cannot unmarshal {value} into {place}"))
}
