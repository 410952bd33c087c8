//! Kubernetes' library of URLs, read as Go reads them.

use super::{Maybe, no_overload};
use crate::error::EvalError;
use crate::extension::Extension;
use crate::value::Value;
use std::rc::Rc;

/// A URL with a scheme, or an absolute path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    scheme: String,
    user: String,
    host: String,
    /// As it was written, or escaped where that was needed.
    path: String,
    query: String,
    fragment: String,
}

pub fn call<'a>(function: &str, args: &[Value<'a>]) -> Maybe<'a> {
    Some(match (function, args) {
        ("url", [Value::String(text)]) => match Url::parse(text) {
            Ok(url) => Ok(Value::Extension(Extension::Url(Rc::new(url)))),
            Err(why) => Err(EvalError::new(format!("URL parse error during conversion from string: {why}"))),
        },
        ("isURL", [Value::String(text)]) => Ok(Value::Bool(Url::parse(text).is_ok())),
        (_, [Value::Extension(Extension::Url(url))]) => Ok(match function {
            "getScheme" => Value::owned(url.scheme.as_str()),
            "getHost" => Value::owned(url.host.as_str()),
            "getHostname" => Value::owned(url.name_and_port().0),
            "getPort" => Value::owned(url.name_and_port().1),
            "getEscapedPath" => Value::owned(url.path.as_str()),
            "getQuery" => url.query(),
            _ => return None,
        }),
        (
            "url" | "isURL" | "getScheme" | "getHost" | "getHostname" | "getPort" | "getEscapedPath"
            | "getQuery",
            _,
        ) => Err(no_overload(function, args)),
        _ => return None,
    })
}

impl Url {
    /// Reads a URL.
    ///
    /// # Errors
    /// In Go's words.
    pub fn parse(text: &str) -> Result<Url, String> {
        parse(text).map_err(|why| format!("parse {text:?}: {why}"))
    }

    fn name_and_port(&self) -> (&str, &str) {
        if let Some(rest) = self.host.strip_prefix('[') {
            let (name, rest) = rest.split_once(']').unwrap_or((rest, ""));
            return (name, rest.strip_prefix(':').unwrap_or(""));
        }
        self.host.split_once(':').unwrap_or((&self.host, ""))
    }

    fn query<'a>(&self) -> Value<'a> {
        let mut keys: Vec<(String, Vec<Value<'a>>)> = Vec::new();
        for pair in self.query.split('&').filter(|pair| !pair.is_empty() && !pair.contains(';')) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (Some(key), Some(value)) = (unescaped(key, true), unescaped(value, true)) else { continue };
            let value = Value::owned(value);
            match keys.iter_mut().find(|(known, _)| *known == key) {
                Some((_, values)) => values.push(value),
                None => keys.push((key, vec![value])),
            }
        }
        Value::map(keys.into_iter().map(|(key, values)| (Value::owned(key), Value::list(values))))
    }
}

fn parse(text: &str) -> Result<Url, String> {
    if text.bytes().any(|byte| byte < 0x20 || byte == 0x7f) {
        return Err("net/url: invalid control character in URL".to_owned());
    }
    if text.is_empty() {
        return Err("empty url".to_owned());
    }
    let (text, fragment) = text.split_once('#').unwrap_or((text, ""));
    let (scheme, rest) = scheme(text)?;
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let mut url = Url {
        scheme: scheme.to_lowercase(),
        user: String::new(),
        host: String::new(),
        path: String::new(),
        query: query.to_owned(),
        fragment: fragment.to_owned(),
    };
    if !rest.starts_with('/') {
        // What follows a scheme without a slash is opaque: there is no path.
        return if scheme.is_empty() { Err("invalid URI for request".to_owned()) } else { Ok(url) };
    }
    let mut path = rest;
    if let Some(authority) = rest.strip_prefix("//").filter(|_| !scheme.is_empty()) {
        let end = authority.find('/').unwrap_or(authority.len());
        path = &authority[end..];
        let (user, host) = authority[..end].rsplit_once('@').unwrap_or(("", &authority[..end]));
        url.user = user.to_owned();
        url.host = host_of(host)?;
    }
    url.path = escaped_path(path)?;
    Ok(url)
}

/// The scheme and what follows it.
fn scheme(text: &str) -> Result<(&str, &str), String> {
    for (at, c) in text.char_indices() {
        match c {
            'a'..='z' | 'A'..='Z' => {}
            '0'..='9' | '+' | '-' | '.' if at > 0 => {}
            '0'..='9' | '+' | '-' | '.' => break,
            ':' if at == 0 => return Err("missing protocol scheme".to_owned()),
            ':' => return Ok((&text[..at], &text[at + 1..])),
            _ => break,
        }
    }
    Ok(("", text))
}

fn host_of(host: &str) -> Result<String, String> {
    let port = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').ok_or("missing ']' in host")?.1,
        None => host.rfind(':').map_or("", |at| &host[at..]),
    };
    let digits = port.strip_prefix(':').unwrap_or(port);
    if !port.is_empty() && (!port.starts_with(':') || !digits.bytes().all(|byte| byte.is_ascii_digit())) {
        return Err(format!("invalid port {port:?} after host"));
    }
    if let Some(wrong) = host.chars().find(|c| matches!(c, ' ' | '^' | '`' | '{' | '}' | '|' | '\\')) {
        return Err(format!("invalid character {:?} in host name", wrong.to_string()));
    }
    if host.contains('%') {
        return match host.find('%').and_then(|at| host.get(at..at + 3)) {
            Some(escape) => Err(format!("invalid URL escape {escape:?}")),
            None => Err("invalid URL escape \"%\"".to_owned()),
        };
    }
    Ok(host.to_owned())
}

/// The text without escapes; `None` when one is broken.
fn unescaped(text: &str, plus: bool) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                bytes.push((digit()? * 16 + digit()?) as u8);
            }
            b'+' if plus => bytes.push(b' '),
            byte => bytes.push(byte),
        }
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The path as it is, if it is escaped well, or escaped.
fn escaped_path(path: &str) -> Result<String, String> {
    let decoded = unescaped(path, false).ok_or_else(|| {
        let at = path.find('%').unwrap_or_default();
        let shown: String = path[at..].chars().take(3).collect();
        format!("invalid URL escape {shown:?}")
    })?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~$&+,/:;=@".contains(&byte);
    if path.bytes().all(|byte| plain(byte) || b"!'()*[]%".contains(&byte)) {
        return Ok(path.to_owned());
    }
    let mut escaped = String::with_capacity(decoded.len() + 8);
    for byte in decoded.bytes() {
        if plain(byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    Ok(escaped)
}
