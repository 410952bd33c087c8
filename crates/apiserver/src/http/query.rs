//! Query strings, read as upstream reads them (apimachinery `runtime.ParameterCodec`).

use corten_semantics::{ApiError, ApiResult};

/// The parameters of a request, decoded, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Reads the text after `?`. A broken escape is kept as it stands.
    pub fn parse(text: &str) -> Self {
        let pairs = text.split('&').filter(|p| !p.is_empty()).map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(key, true), decode(value, true))
        });
        Query(pairs.collect())
    }

    /// The first value of a parameter; `None` when it is not there.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str())
    }

    /// Every value of a parameter.
    pub fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(k, _)| k == key).map(|(_, v)| v.as_str())
    }

    /// The first value as text; empty when it is not there.
    pub fn text(&self, key: &str) -> String {
        self.get(key).unwrap_or_default().to_string()
    }

    /// A parameter that is there, and neither `0` nor `false`, is true.
    pub fn flag(&self, key: &str) -> bool {
        self.flag_if_set(key).unwrap_or(false)
    }

    /// The same; `None` when the parameter is not there.
    pub fn flag_if_set(&self, key: &str) -> Option<bool> {
        self.get(key).map(|v| v != "0" && !v.eq_ignore_ascii_case("false"))
    }

    /// A whole number; 400 with Go's words when it is none.
    pub fn integer(&self, key: &str) -> ApiResult<Option<i64>> {
        let Some(text) = self.get(key) else { return Ok(None) };
        text.parse().map(Some).map_err(|e: std::num::ParseIntError| {
            use std::num::IntErrorKind::{NegOverflow, PosOverflow};
            let why = match e.kind() {
                PosOverflow | NegOverflow => "value out of range",
                _ => "invalid syntax",
            };
            ApiError::bad_request(format!("strconv.ParseInt: parsing {text:?}: {why}"))
        })
    }

    /// The parameters without `key`, encoded again.
    pub fn without(&self, key: &str) -> String {
        encode(self.0.iter().filter(|(k, _)| k != key).map(|(k, v)| (k.as_str(), v.as_str())))
    }
}

/// Writes parameters as a query string.
pub fn encode<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let pairs: Vec<String> =
        pairs.into_iter().map(|(k, v)| format!("{}={}", escape(k, ""), escape(v, ""))).collect();
    pairs.join("&")
}

/// Escapes everything but letters, digits, `-_.~` and the characters of `keep`.
pub fn escape(text: &str, keep: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for &byte in text.as_bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) || keep.as_bytes().contains(&byte) {
            out.push(byte as char);
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// Undoes escapes; `plus` reads `+` as a space.
pub fn decode(text: &str, plus: bool) -> String {
    if !text.bytes().any(|b| b == b'%' || (plus && b == b'+')) {
        return text.to_string();
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escaped = (bytes[at] == b'%').then(|| bytes.get(at + 1..at + 3)).flatten().and_then(byte_of);
        match (bytes[at], escaped) {
            (_, Some(byte)) => {
                out.push(byte);
                at += 3;
                continue;
            }
            (b'+', None) if plus => out.push(b' '),
            (other, None) => out.push(other),
        }
        at += 1;
    }
    String::from_utf8(out).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
}

fn byte_of(digits: &[u8]) -> Option<u8> {
    let digit = |d: u8| (d as char).to_digit(16);
    Some((digit(*digits.first()?)? * 16 + digit(*digits.get(1)?)?) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded() {
        let q = Query::parse("labelSelector=a%3Db%2Cc&watch&x=1+2&dryRun=All&dryRun=%zz&limit=500");
        assert_eq!(q.get("labelSelector"), Some("a=b,c"));
        assert_eq!((q.flag("watch"), q.flag("absent"), q.get("x")), (true, false, Some("1 2")));
        assert_eq!(q.all("dryRun").collect::<Vec<_>>(), ["All", "%zz"]);
        assert_eq!(q.integer("limit").expect("a number"), Some(500));
        let error = q.integer("labelSelector").expect_err("no number");
        assert_eq!(error.to_string(), "strconv.ParseInt: parsing \"a=b,c\": invalid syntax");
        assert_eq!(Query::parse("a=%2F&b=2").without("b"), "a=%2F");
    }

    #[test]
    fn flags_are_upstreams() {
        for (text, want) in [
            ("w=1", true),
            ("w=", true),
            ("w=false", false),
            ("w=FALSE", false),
            ("w=0", false),
            ("w=x", true),
        ] {
            assert_eq!(Query::parse(text).flag("w"), want, "{text}");
        }
    }
}
