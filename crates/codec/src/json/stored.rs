//! The form objects are stored in: JSON without a resource version, which only the store knows. Readers get
//! it spliced in.

use super::encode::Encoder;
use super::reader::{Reader, Token};
use crate::DecodeError;
use bytes::Bytes;
use corten_api::Object;

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
}
