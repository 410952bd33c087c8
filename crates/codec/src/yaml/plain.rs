//! JSON that is YAML of the same meaning, word for word: what clients send where YAML is asked for is nearly always
//! such, and read as JSON in a tenth of the time.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// The largest body that is read so: a larger one is measured while it is read.
const LARGEST: usize = 256 * 1024;
/// The longest key, in bytes; YAML has a limit.
const LONGEST_KEY: usize = 512;

/// The value of such JSON; `None` where only YAML's rules tell, or it is an error to them. Keys that stand twice,
/// numbers that are not whole and texts beyond ASCII are left to those.
pub fn plain_json(bytes: &[u8]) -> Option<Value> {
    if bytes.len() > LARGEST || bytes.first() != Some(&b'{') || !is_plain(bytes) {
        return None;
    }
    serde_json::from_slice(bytes).ok().map(|Plain(value)| value)
}

/// Whether it has no bytes and escapes but those that mean the same in both.
fn is_plain(bytes: &[u8]) -> bool {
    let mut rest = bytes.iter();
    while let Some(byte) = rest.next() {
        let known = match byte {
            b'\\' => rest.next().is_some_and(|escaped| b"\"\\nrt".contains(escaped)),
            b'\n' | b' '..=b'~' => true,
            _ => false,
        };
        if !known {
            return false;
        }
    }
    true
}

struct Plain(Value);

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Reader).map(Plain)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("plain JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut out = Vec::new();
        while let Some(Plain(item)) = items.next_element()? {
            out.push(item);
        }
        Ok(Value::Array(out))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut out = Map::new();
        while let Some((key, Plain(value))) = fields.next_entry::<String, Plain>()? {
            // `<<` merges, in YAML.
            if key.len() > LONGEST_KEY || key == "<<" || out.insert(key, value).is_some() {
                return Err(Error::custom("not plain"));
            }
        }
        Ok(Value::Object(out))
    }
}

#[cfg(test)]
mod tests {
    use super::super::to_json;
    use super::*;
    use crate::Problems;

    #[test]
    fn what_is_plain_means_the_same_in_yaml() {
        for (text, plain) in [
            (r#"{"a":1,"b":[true,null,-7,{"c":"yes"}],"d":"0644","e":{},"f":[]}"#, true),
            ("{\"a\": \"line\\nline\\t\\\"quoted\\\" \\\\\",\n  \"b\": 18446744073709551615}\n", true),
            (r#"{"a":"x: y # no comment","b":"- z","c":"<<","d":""}"#, true),
            (r#"{"a":-9223372036854775808,"b":0}"#, true),
            (r#"{"a":1.5}"#, false),
            (r#"{"a":1e3}"#, false),
            (r#"{"a":-0}"#, false),
            (r#"{"a":18446744073709551616}"#, false),
            (r#"{"a":1,"a":2}"#, false),
            (r#"{"<<":{"a":1}}"#, false),
            (r#"{"a":"é"}"#, false),
            (r#"{"a":"\u00e9"}"#, false),
            (r#"{"a":"\/"}"#, false),
            ("{\"a\":\t1}", false),
            ("{\"a\":1} # comment", false),
            ("{a: 1}", false),
            ("{'a': 1}", false),
            ("a: 1", false),
            ("[1]", false),
            ("", false),
        ] {
            let read = plain_json(text.as_bytes());
            assert_eq!(read.is_some(), plain, "{text}");
            let Some(read) = read else { continue };
            let mut problems = Problems::strict();
            let json = to_json(text.as_bytes(), &mut problems).expect("YAML");
            let value: Value = serde_json::from_slice(&json).expect("JSON");
            assert_eq!((read, problems.found().len()), (value, 0), "{text}");
        }
        let long = format!("{{\"{}\":1}}", "k".repeat(LONGEST_KEY + 1));
        assert!(plain_json(long.as_bytes()).is_none());
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(200), "]".repeat(200));
        assert!(plain_json(deep.as_bytes()).is_none());
        let large = format!("{{\"a\":\"{}\"}}", "k".repeat(LARGEST));
        assert!(plain_json(large.as_bytes()).is_none());
    }
}
