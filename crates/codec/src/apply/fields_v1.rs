//! Sets of fields as JSON (`FieldsV1`): keys are steps, `f:` a field, `k:` keys, `v:` a value, `i:` a place;
//! `.` says that the node itself is a member, too.

use super::element::{Element, Name};
use super::set::Set;
use crate::DecodeError;
use crate::json::reader::{Reader, Token, too_deep};
use crate::json::text::write_string;
use serde_json::Value;

/// How deep a set may be.
const MAX_DEPTH: usize = 1000;

/// The set as text.
pub fn write(set: &Set) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    level(&mut out, set, false);
    out
}

fn level(out: &mut Vec<u8>, set: &Set, own: bool) {
    out.push(b'{');
    if own && !set.nodes().is_empty() {
        out.extend_from_slice(b"\".\":{}");
    }
    for (at, node) in set.nodes().iter().enumerate() {
        if at > 0 || own {
            out.push(b',');
        }
        key(out, &node.element);
        out.push(b':');
        level(out, &node.below, node.member);
    }
    out.push(b'}');
}

fn key(out: &mut Vec<u8>, element: &Element) {
    let start = out.len();
    match element {
        Element::Field(name) => {
            write_string(out, name);
            // The quote goes in front of what tells the kind.
            out.splice(start..=start, *b"\"f:");
        }
        Element::Key(keys) => {
            let mut text = b"k:{".to_vec();
            for (at, (name, value)) in keys.iter().enumerate() {
                if at > 0 {
                    text.push(b',');
                }
                write_string(&mut text, name);
                text.push(b':');
                write_value(&mut text, value);
            }
            text.push(b'}');
            write_string(out, &String::from_utf8_lossy(&text));
        }
        Element::Value(value) => {
            let mut text = b"v:".to_vec();
            write_value(&mut text, value);
            write_string(out, &String::from_utf8_lossy(&text));
        }
        Element::Index(at) => write_string(out, &format!("i:{at}")),
    }
}

fn write_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::String(text) => write_string(out, text),
        other => out.extend_from_slice(other.to_string().as_bytes()),
    }
}

/// Reads a set.
pub fn read(bytes: &[u8]) -> Result<Set, DecodeError> {
    let text = String::from_utf8_lossy(bytes);
    let mut reader = Reader::new(&text);
    let (set, _) = node(&mut reader, 0)?;
    reader.end()?;
    Ok(set)
}

/// What is below a node, and whether the node itself is a member.
fn node(reader: &mut Reader<'_>, depth: usize) -> Result<(Set, bool), DecodeError> {
    if depth > MAX_DEPTH {
        return Err(too_deep());
    }
    match reader.peek()? {
        Token::Object => {}
        Token::Null => {
            reader.null()?;
            return Ok((Set::default(), true));
        }
        _ => return Err(DecodeError::Value("a set of fields is made of objects".to_string())),
    }
    reader.open();
    let (mut set, mut own, mut first) = (Set::default(), false, true);
    while let Some(key) = reader.key(&mut first)? {
        if key == "." {
            own = true;
            reader.skip()?;
            continue;
        }
        let Some(element) = element(&key)? else {
            reader.skip()?;
            continue;
        };
        let (below, member) = node(reader, depth + 1)?;
        set.push(element, member, below);
    }
    set.settle();
    let own = own || set.nodes().is_empty();
    Ok((set, own))
}

/// Whether the text names a member of the set; what cannot be read names none. Nothing is made of what the set
/// has not.
pub(super) fn meets(bytes: &[u8], set: &Set) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return read(bytes).is_ok_and(|s| s.meets(set)) };
    !set.nodes().is_empty() && node_meets(&mut Reader::new(text), (set, false), 0).unwrap_or(false)
}

fn node_meets(
    reader: &mut Reader<'_>,
    (set, member): (&Set, bool),
    depth: usize,
) -> Result<bool, DecodeError> {
    if depth > MAX_DEPTH {
        return Err(too_deep());
    }
    if reader.peek()? == Token::Null {
        reader.null()?;
        return Ok(member);
    }
    reader.open();
    let (mut own, mut below, mut first) = (false, false, true);
    while let Some(key) = reader.key(&mut first)? {
        if key == "." {
            own = true;
            reader.skip()?;
            continue;
        }
        below = true;
        let node = match key.strip_prefix("f:") {
            Some(name) => set.field(name),
            None if set.nodes().last().is_some_and(|n| !matches!(n.element, Element::Field(_))) => {
                element(&key)?.and_then(|element| set.node(&element))
            }
            None => None,
        };
        match node {
            None => {
                reader.skip()?;
            }
            Some(node) if node_meets(reader, (&node.below, node.member), depth + 1)? => return Ok(true),
            Some(_) => {}
        }
    }
    Ok(member && (own || !below))
}

/// The step of a key; `None` for one of a kind that a later version may know.
fn element(key: &str) -> Result<Option<Element>, DecodeError> {
    let bad = |why: String| DecodeError::Value(format!("parsing key as path element: {why}"));
    let Some((kind, rest)) = key.split_at_checked(2) else {
        return Err(bad("key must be 2 characters long:".to_string()));
    };
    if !kind.ends_with(':') {
        return Err(bad(format!("missing colon: {key}")));
    }
    let json = || serde_json::from_str::<Value>(rest).map_err(|e| bad(e.to_string()));
    Ok(Some(match kind {
        "f:" => Element::Field(Name::Owned(rest.to_string())),
        "v:" => Element::Value(json()?),
        "i:" => Element::Index(rest.parse().map_err(|e: std::num::ParseIntError| bad(e.to_string()))?),
        "k:" => match json()? {
            // A map's keys are sorted already.
            Value::Object(map) => Element::Key(map.into_iter().map(|(k, v)| (Name::Owned(k), v)).collect()),
            _ => return Err(bad(format!("keys must be an object: {key}"))),
        },
        _ => return Ok(None),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_read_and_written_alike() {
        for text in [
            "{}",
            r#"{"f:a":{},"f:b":{"f:c":{}}}"#,
            r#"{"f:a":{".":{},"f:b":{}},"f:x.y/z":{}}"#,
            r#"{"f:l":{"k:{\"containerPort\":80,\"protocol\":\"TCP\"}":{".":{},"f:x":{}}}}"#,
            r#"{"f:s":{"v:1":{},"v:\"a\\\"b\"":{},"v:true":{}},"f:t":{"i:3":{}}}"#,
        ] {
            let set = read(text.as_bytes()).expect(text);
            assert_eq!(String::from_utf8_lossy(&write(&set)), text);
        }
    }

    #[test]
    fn a_text_meets_what_its_set_does() {
        let texts = [
            r#"{"f:a":{},"f:b":{"f:c":{}}}"#,
            r#"{"f:a":{".":{},"f:b":{}},"f:x":{"f:y":{}}}"#,
            r#"{"f:b":{".":{}}}"#,
            r#"{"f:l":{"k:{\"name\":\"a\"}":{".":{},"f:x":{}}}}"#,
            r#"{"f:l":{"k:{\"name\":\"a\"}":{"f:x":{}},"v:1":null}}"#,
            r#"{"f:l":{"k:{\"name\":\"b\"}":{}}}"#,
            r#"{"f:l":{"v:1":{}}}"#,
            "{}",
        ];
        for text in texts {
            let set = read(text.as_bytes()).expect(text);
            for other in texts {
                let wanted = set.meets(&read(other.as_bytes()).expect(other));
                assert_eq!(meets(other.as_bytes(), &set), wanted, "{other} and {text}");
            }
        }
    }

    #[test]
    fn what_is_odd_is_put_in_order_or_refused() {
        for (text, want) in [
            (r#"{"f:b":{},"f:a":{}}"#, r#"{"f:a":{},"f:b":{}}"#),
            (r#"{"f:a":{},"x:later":{"f:b":{}}}"#, r#"{"f:a":{}}"#),
            (r#"{"f:a":{"f:b":{}},"f:a":{"f:c":{}}}"#, r#"{"f:a":{"f:c":{}}}"#),
            (r#"{"f:a":null}"#, r#"{"f:a":{}}"#),
            ("null", "{}"),
            (r#"{".":{}}"#, "{}"),
        ] {
            let set = read(text.as_bytes()).expect(text);
            assert_eq!(String::from_utf8_lossy(&write(&set)), want);
        }
        for bad in ["", "[]", "1", "{\"f\":{}}", "{\"fa\":{}}", "{\"k:1\":{}}", "{\"i:x\":{}}", "{\"f:a\":1}"]
        {
            assert!(read(bad.as_bytes()).is_err(), "{bad}");
        }
        let deep = format!("{}{{}}{}", "{\"f:a\":".repeat(5000), "}".repeat(5000));
        assert!(read(deep.as_bytes()).is_err());
    }
}
