//! YAML, by way of JSON as upstream does it: a body is converted first, with the meaning that plain scalars have
//! there (`no` is a truth, `0644` is octal), and then read as JSON.

mod plain;
mod scalar;
mod to_json;
mod tree;
mod write;

use crate::json::{self, encode_struct};
use crate::{DecodeError, Problems};
use corten_api::{Object, Struct};
pub use plain::plain_json;
use serde_json::Value;

/// The first document as JSON. Keys that are set twice go to `problems`.
pub fn to_json(bytes: &[u8], problems: &mut Problems) -> Result<Vec<u8>, DecodeError> {
    let mut duplicates = Vec::new();
    let json = match tree::read(text(bytes)?, true)?.first() {
        Some(tree) => to_json::convert(tree, bytes.len(), &mut duplicates)?,
        None => b"null".to_vec(),
    };
    to_json::report(duplicates, problems);
    Ok(json)
}

/// Every document (between lines of `---`) as JSON; empty ones are left out.
pub fn documents_to_json(bytes: &[u8]) -> Result<Vec<Vec<u8>>, DecodeError> {
    let mut documents = Vec::new();
    for tree in tree::read(text(bytes)?, false)? {
        let json = to_json::convert(&tree, bytes.len(), &mut Vec::new())?;
        if json != b"null" {
            documents.push(json);
        }
    }
    Ok(documents)
}

/// JSON as YAML.
pub fn from_json(json: &[u8]) -> Result<String, DecodeError> {
    let value = serde_json::from_slice(json).map_err(|e| DecodeError::Syntax(e.to_string()))?;
    Ok(of_value(&value))
}

/// A value as YAML.
pub(crate) fn of_value(value: &Value) -> String {
    let mut out = String::new();
    write::document(&mut out, value);
    out
}

/// Fills `object` from YAML; see [`json::decode`].
pub fn decode(bytes: &[u8], object: &mut dyn Object, problems: &mut Problems) -> Result<(), DecodeError> {
    decode_struct(bytes, object.as_struct_mut(), problems)
}

/// The same for any struct.
pub fn decode_struct(bytes: &[u8], to: &mut dyn Struct, problems: &mut Problems) -> Result<(), DecodeError> {
    json::decode_struct(&to_json(bytes, problems)?, to, problems)
}

/// An object as YAML, as answers in `application/yaml` are.
pub fn encode(object: &dyn Object) -> Result<String, DecodeError> {
    from_json(&encode_struct(object.as_struct()))
}

fn text(bytes: &[u8]) -> Result<&str, DecodeError> {
    std::str::from_utf8(bytes).map_err(|e| {
        let line = bytes[..e.valid_up_to()].iter().filter(|b| **b == b'\n').count() + 1;
        fault(line, "invalid UTF-8")
    })
}

/// `yaml: line 3: ...`
fn fault(line: usize, text: &str) -> DecodeError {
    DecodeError::Syntax(format!("yaml: line {line}: {text}"))
}

#[cfg(test)]
mod tests;
