//! Texts: CEL's standard functions and the extensions.

use super::{Called, Maybe, index, no_overload};
use crate::error::EvalError;
use crate::eval::Work;
use crate::value::{List, Value};

pub fn call<'a>(function: &str, args: &[Value<'a>], work: &mut Work) -> Maybe<'a> {
    if !matches!(
        function,
        "contains"
            | "startsWith"
            | "endsWith"
            | "charAt"
            | "indexOf"
            | "lastIndexOf"
            | "lowerAscii"
            | "upperAscii"
            | "replace"
            | "split"
            | "join"
            | "substring"
            | "trim"
            | "strings.quote"
            | "format"
            | "jsonpatch.escapeKey"
    ) {
        return None;
    }
    if function == "join" {
        return Some(join(args));
    }
    let Some(text) = args.first().and_then(Value::as_str) else {
        return match function {
            "contains" | "startsWith" | "endsWith" => Some(Err(EvalError::no_overload())),
            "indexOf" | "lastIndexOf" => None,
            _ => Some(Err(no_overload(function, args))),
        };
    };
    if let Err(error) = work.add(text.len() / 8) {
        return Some(Err(error));
    }
    Some(on_text(function, text, args))
}

fn on_text<'a>(function: &str, text: &str, args: &[Value<'a>]) -> Called<'a> {
    match (function, &args[1..]) {
        ("contains", [Value::String(other)]) => Ok(Value::Bool(text.contains(&**other))),
        ("startsWith", [Value::String(other)]) => Ok(Value::Bool(text.starts_with(&**other))),
        ("endsWith", [Value::String(other)]) => Ok(Value::Bool(text.ends_with(&**other))),
        ("contains" | "startsWith" | "endsWith", _) => Err(EvalError::no_overload()),
        ("charAt", [Value::Int(at)]) => char_at(text, *at),
        ("indexOf", [Value::String(part)]) => Ok(Value::Int(index_of(text, part, 0))),
        ("indexOf", [Value::String(part), Value::Int(from)]) => {
            match index(*from).filter(|from| part.is_empty() || *from <= text.chars().count()) {
                Some(from) if part.is_empty() => Ok(Value::Int(from as i64)),
                Some(from) => Ok(Value::Int(index_of(text, part, from))),
                None if *from < 0 => Err(EvalError::new(format!("index out of range: {from}"))),
                None => Ok(Value::Int(-1)),
            }
        }
        ("lastIndexOf", [Value::String(part)]) => Ok(Value::Int(last_index_of(text, part, usize::MAX))),
        ("lastIndexOf", [Value::String(part), Value::Int(to)]) => match index(*to) {
            Some(to) if part.is_empty() => Ok(Value::Int(to as i64)),
            Some(to) if to >= text.chars().count() => Ok(Value::Int(-1)),
            Some(to) => Ok(Value::Int(last_index_of(text, part, to))),
            None => Err(EvalError::new(format!("index out of range: {to}"))),
        },
        ("lowerAscii", []) => Ok(Value::owned(text.to_ascii_lowercase())),
        ("upperAscii", []) => Ok(Value::owned(text.to_ascii_uppercase())),
        ("replace", [Value::String(from), Value::String(to)]) => replace(text, from, to, -1),
        ("replace", [Value::String(from), Value::String(to), Value::Int(most)]) => {
            replace(text, from, to, *most)
        }
        ("split", [Value::String(at)]) => Ok(split(text, at, -1)),
        ("split", [Value::String(at), Value::Int(most)]) => Ok(split(text, at, *most)),
        ("substring", [Value::Int(from)]) => substring(text, *from, None),
        ("substring", [Value::Int(from), Value::Int(to)]) => substring(text, *from, Some(*to)),
        ("trim", []) => Ok(Value::owned(text.trim())),
        ("strings.quote", []) => Ok(Value::owned(quote(text))),
        ("format", [Value::List(list)]) => super::format::format(text, list).map(Value::owned),
        ("jsonpatch.escapeKey", []) => Ok(Value::owned(text.replace('~', "~0").replace('/', "~1"))),
        _ => Err(no_overload(function, args)),
    }
}

fn out_of_range(at: i64) -> EvalError {
    EvalError::new(format!("index out of range: {at}"))
}

fn char_at<'a>(text: &str, at: i64) -> Called<'a> {
    let place = index(at).ok_or_else(|| out_of_range(at))?;
    match text.chars().nth(place) {
        Some(c) => Ok(Value::owned(c.to_string())),
        None if place == text.chars().count() => Ok(Value::text("")),
        None => Err(out_of_range(at)),
    }
}

/// Where the part stands, in characters, from so many on; -1 if nowhere.
fn index_of(text: &str, part: &str, from: usize) -> i64 {
    let start = byte_at(text, from);
    match text[start..].find(part) {
        Some(at) => (from + text[start..start + at].chars().count()) as i64,
        None => -1,
    }
}

/// Where the part stands last, beginning at most at so many characters.
fn last_index_of(text: &str, part: &str, to: usize) -> i64 {
    let end = byte_at(text, to).saturating_add(part.len()).min(text.len());
    let end = (end..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
    match text[..end].rfind(part) {
        Some(at) => text[..at].chars().count() as i64,
        None => -1,
    }
}

/// Where a character begins, in bytes.
fn byte_at(text: &str, character: usize) -> usize {
    text.char_indices().nth(character).map_or(text.len(), |(at, _)| at)
}

fn substring<'a>(text: &str, from: i64, to: Option<i64>) -> Called<'a> {
    let length = text.chars().count();
    let start = index(from).filter(|from| *from <= length).ok_or_else(|| out_of_range(from))?;
    let end = match to {
        Some(to) => index(to).filter(|to| *to <= length).ok_or_else(|| out_of_range(to))?,
        None => length,
    };
    if start > end {
        return Err(EvalError::new(format!("invalid substring range. start: {start}, end: {end}")));
    }
    Ok(Value::owned(&text[byte_at(text, start)..byte_at(text, end)]))
}

/// The most bytes that a replacement may make.
const LONGEST: usize = 64 << 20;

fn replace<'a>(text: &str, from: &str, to: &str, most: i64) -> Called<'a> {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let count = if from.is_empty() { text.len() + 1 } else { text.len() / from.len() };
    if count.min(most).saturating_mul(to.len()) > LONGEST {
        return Err(EvalError::CallLimit);
    }
    Ok(Value::owned(text.replacen(from, to, most)))
}

fn split<'a>(text: &str, at: &str, most: i64) -> Value<'a> {
    let part = |part: &str| Value::owned(part);
    let items = match (most, at.is_empty()) {
        (0, _) => Vec::new(),
        (most, true) => {
            let most = usize::try_from(most).unwrap_or(usize::MAX);
            let mut items = Vec::new();
            let mut rest = text;
            while let Some(c) = rest.chars().next() {
                if items.len() + 1 >= most {
                    break;
                }
                items.push(part(&rest[..c.len_utf8()]));
                rest = &rest[c.len_utf8()..];
            }
            if !rest.is_empty() {
                items.push(part(rest));
            }
            items
        }
        (most, false) if most > 0 => text.splitn(most as usize, at).map(part).collect(),
        (_, false) => text.split(at).map(part).collect(),
    };
    Value::list(items)
}

fn join<'a>(args: &[Value<'a>]) -> Called<'a> {
    let (list, separator): (&List<'a>, &str) = match args {
        [Value::List(list)] => (list, ""),
        [Value::List(list), Value::String(separator)] => (list, separator),
        _ => return Err(no_overload("join", args)),
    };
    let mut joined = String::new();
    for (number, item) in list.items()?.iter().enumerate() {
        let Some(text) = item.as_str() else { return Err(no_overload("join", args)) };
        if number > 0 {
            joined.push_str(separator);
        }
        joined.push_str(text);
        if joined.len() > LONGEST {
            return Err(EvalError::CallLimit);
        }
    }
    Ok(Value::owned(joined))
}

/// In double quotes, with escapes.
pub fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '\x07' => quoted.push_str("\\a"),
            '\x08' => quoted.push_str("\\b"),
            '\x0c' => quoted.push_str("\\f"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\x0b' => quoted.push_str("\\v"),
            '\\' => quoted.push_str("\\\\"),
            '"' => quoted.push_str("\\\""),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
