//! The form objects are stored in: JSON without a resource version, which only the store knows. Readers get
//! it spliced in.

use super::decode::decode_struct;
use super::encode::Encoder;
use super::reader::{Reader, Token};
use crate::{DecodeError, Problems};
use bytes::Bytes;
use corten_api::Object;
use corten_api::meta::v1::ObjectMeta;
use std::collections::BTreeMap;

/// The object as it is stored.
pub fn encode_stored(object: &dyn Object) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    Encoder { out: &mut out, keep_resource_version: false }.root(object.as_struct());
    out
}

/// The stored object as a client sees it at `revision`, in one copy.
pub fn splice_resource_version(stored: &[u8], revision: u64) -> Result<Bytes, DecodeError> {
    let gap = find_gap(stored)?;
    let mut digits = itoa::Buffer::new();
    let digits = digits.format(revision);
    let mut out = Vec::with_capacity(stored.len() + digits.len() + 40);
    out.extend_from_slice(&stored[..gap.at]);
    out.extend_from_slice(gap.before.as_bytes());
    out.extend_from_slice(b"\"resourceVersion\":\"");
    out.extend_from_slice(digits.as_bytes());
    out.push(b'"');
    out.extend_from_slice(gap.behind.as_bytes());
    out.extend_from_slice(&stored[gap.at..]);
    Ok(Bytes::from(out))
}

/// Where the resource version goes, and what must stand around it.
struct Gap {
    at: usize,
    before: &'static str,
    behind: &'static str,
}

/// Reads the first keys only: in what [`encode_stored`] writes, metadata is third and the place is behind the
/// names and the UID.
fn find_gap(stored: &[u8]) -> Result<Gap, DecodeError> {
    let text = std::str::from_utf8(stored).map_err(|e| DecodeError::Syntax(format!("stored object: {e}")))?;
    let mut reader = Reader::new(text);
    if reader.peek()? != Token::Object {
        return Err(DecodeError::Syntax("stored object: not a JSON object".to_string()));
    }
    reader.open();
    let start = reader.position();
    let mut first = true;
    while let Some(key) = reader.key(&mut first)? {
        if key == "metadata" && reader.peek()? == Token::Object {
            return in_metadata(&mut reader);
        }
        reader.skip()?;
    }
    let behind = if text[start..].trim_start().starts_with('}') { "}" } else { "}," };
    Ok(Gap { at: start, before: "\"metadata\":{", behind })
}

fn in_metadata(reader: &mut Reader<'_>) -> Result<Gap, DecodeError> {
    reader.open();
    let mut at = reader.position();
    let mut first = true;
    let mut empty = true;
    while let Some(key) = reader.key(&mut first)? {
        if !matches!(&*key, "name" | "generateName" | "namespace" | "selfLink" | "uid") {
            // In front of this key, or behind the names before it.
            let (before, behind) = if empty { ("", ",") } else { (",", "") };
            return Ok(Gap { at, before, behind });
        }
        reader.skip()?;
        at = reader.position();
        empty = false;
    }
    Ok(Gap { at, before: if empty { "" } else { "," }, behind: "" })
}

/// The object as it was at another revision: its resource version replaced. An error where it has none.
pub fn replace_resource_version(json: &[u8], revision: u64) -> Result<Bytes, DecodeError> {
    let text = text_of(json)?;
    let mut found = None;
    each_of_metadata(text, &mut |key, value| {
        if key == "resourceVersion" {
            // A slice of the same text.
            let at = value.as_ptr() as usize - text.as_ptr() as usize;
            found = Some(at..at + value.len());
        }
        Ok(found.is_none())
    })?;
    let Some(range) = found else {
        return Err(DecodeError::Syntax("stored object: no resource version".to_string()));
    };
    let mut out = Vec::with_capacity(json.len() + 24);
    out.extend_from_slice(&json[..range.start]);
    out.extend_from_slice(format!("\"{revision}\"").as_bytes());
    out.extend_from_slice(&json[range.end..]);
    Ok(Bytes::from(out))
}

/// An object's metadata, without its managed fields. What stands behind it is not looked at.
pub fn decode_metadata(json: &[u8]) -> Result<ObjectMeta, DecodeError> {
    let mut picked = String::with_capacity(512);
    each_of_metadata(text_of(json)?, &mut |key, value| {
        if key != "managedFields" {
            picked.push_str(if picked.is_empty() { "{\"" } else { ",\"" });
            picked.push_str(key);
            picked.push_str("\":");
            picked.push_str(value);
        }
        Ok(true)
    })?;
    picked.push_str(if picked.is_empty() { "{}" } else { "}" });
    let mut metadata = ObjectMeta::default();
    decode_struct(picked.as_bytes(), &mut metadata, &mut Problems::ignore())?;
    Ok(metadata)
}

/// An object's labels; nothing else is looked at.
pub fn decode_labels(json: &[u8]) -> Result<BTreeMap<String, String>, DecodeError> {
    let mut labels = BTreeMap::new();
    each_of_metadata(text_of(json)?, &mut |key, value| {
        if key == "labels" && value.starts_with('{') {
            let mut reader = Reader::new(value);
            reader.peek()?;
            reader.open();
            let mut first = true;
            while let Some(key) = reader.key(&mut first)? {
                if reader.peek()? != Token::String {
                    return Err(DecodeError::Syntax("stored object: a label is no text".to_string()));
                }
                labels.insert(key.into_owned(), reader.string()?.into_owned());
            }
        }
        Ok(key != "labels")
    })?;
    Ok(labels)
}

fn text_of(json: &[u8]) -> Result<&str, DecodeError> {
    std::str::from_utf8(json).map_err(|e| DecodeError::Syntax(format!("stored object: {e}")))
}

/// Hands out the keys of the metadata with their values as they stand, until `look` has seen enough.
fn each_of_metadata<'a>(
    text: &'a str,
    look: &mut dyn FnMut(&str, &'a str) -> Result<bool, DecodeError>,
) -> Result<(), DecodeError> {
    let mut reader = Reader::new(text);
    if reader.peek()? != Token::Object {
        return Err(DecodeError::Syntax("stored object: not a JSON object".to_string()));
    }
    reader.open();
    let mut first = true;
    while let Some(key) = reader.key(&mut first)? {
        if key != "metadata" || reader.peek()? != Token::Object {
            reader.skip()?;
            continue;
        }
        reader.open();
        let mut first = true;
        while let Some(key) = reader.key(&mut first)? {
            let value = reader.skip()?;
            if !look(&key, value)? {
                return Ok(());
            }
        }
        return Ok(());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_spliced_where_go_writes_it() {
        for (stored, want) in [
            (
                r#"{"metadata":{"name":"a","uid":"u","labels":{}}}"#,
                r#"{"metadata":{"name":"a","uid":"u","resourceVersion":"7","labels":{}}}"#,
            ),
            (
                r#"{"kind":"\"metadata\":{","metadata":{"labels":{}}}"#,
                r#"{"kind":"\"metadata\":{","metadata":{"resourceVersion":"7","labels":{}}}"#,
            ),
            (
                r#"{"data":{"metadata":{}},"metadata":{"name":"a"}}"#,
                r#"{"data":{"metadata":{}},"metadata":{"name":"a","resourceVersion":"7"}}"#,
            ),
            (r#"{"metadata":{},"x":1}"#, r#"{"metadata":{"resourceVersion":"7"},"x":1}"#),
            (r#"{"x":1}"#, r#"{"metadata":{"resourceVersion":"7"},"x":1}"#),
            ("{}", r#"{"metadata":{"resourceVersion":"7"}}"#),
        ] {
            let got = splice_resource_version(stored.as_bytes(), 7).expect(stored);
            assert_eq!(String::from_utf8_lossy(&got), want);
        }
        for bad in ["", "[]", "{", "{\"metadata\":", "\u{1}"] {
            assert!(splice_resource_version(bad.as_bytes(), 7).is_err(), "{bad}");
        }
    }

    #[test]
    fn parts_of_metadata_are_read_alone() {
        let text = r#"{"kind":"X","metadata":{"name":"a\"b","resourceVersion":"7","labels":{"k":"v\n"},"finalizers":["f"],"managedFields":[{"manager":"m"}]},"data":"#;
        let text = format!("{text}{{}}}}");
        let metadata = decode_metadata(text.as_bytes()).expect("metadata");
        assert_eq!(
            (&*metadata.name, metadata.labels["k"].as_str(), metadata.finalizers.len()),
            ("a\"b", "v\n", 1)
        );
        assert!(metadata.managed_fields.is_empty());
        assert_eq!(decode_labels(text.as_bytes()).expect("labels"), metadata.labels);
        let moved = replace_resource_version(text.as_bytes(), 12).expect("a version");
        assert_eq!(String::from_utf8_lossy(&moved), text.replace(r#""7""#, r#""12""#));
        for bare in ["{}", r#"{"metadata":null}"#, r#"{"metadata":{}}"#, r#"{"metadata":{"labels":null}}"#] {
            assert!(decode_labels(bare.as_bytes()).expect("none").is_empty(), "{bare}");
            assert_eq!(decode_metadata(bare.as_bytes()).expect("none"), ObjectMeta::default(), "{bare}");
            assert!(replace_resource_version(bare.as_bytes(), 1).is_err(), "{bare}");
        }
        for bad in ["", "[]", "{", r#"{"metadata":{"labels":{"a":1}}}"#] {
            assert!(decode_labels(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
