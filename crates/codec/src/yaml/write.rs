//! From JSON to YAML in upstream's style: keys sorted, lists not indented, texts of many lines as blocks.

use super::scalar::{Scalar, resolve};
use serde_json::Value;

/// Appends a document.
pub(super) fn document(out: &mut String, value: &Value) {
    match value {
        Value::Object(map) if !map.is_empty() => block(out, value, 0, true),
        Value::Array(list) if !list.is_empty() => block(out, value, 0, true),
        _ => {
            // A text's lines are indented even where it is all there is.
            scalar(out, value, 2);
            out.push('\n');
        }
    }
}

/// A map or list with something in it. `open` means that the first line is begun already.
fn block(out: &mut String, value: &Value, indent: usize, open: bool) {
    let mut begun = open;
    let mut begin = |out: &mut String| {
        if !std::mem::take(&mut begun) {
            out.extend(std::iter::repeat_n(' ', indent));
        }
    };
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| *key);
            for (key, value) in entries {
                begin(out);
                if !is_simple_key(key) {
                    out.push_str("? ");
                    text(out, key, Some(indent + 2));
                    out.push('\n');
                    out.extend(std::iter::repeat_n(' ', indent));
                    out.push_str(": ");
                    nested(out, value, indent + 2);
                    continue;
                }
                text(out, key, None);
                out.push(':');
                match value {
                    Value::Object(map) if !map.is_empty() => {
                        out.push('\n');
                        block(out, value, indent + 2, false);
                    }
                    Value::Array(list) if !list.is_empty() => {
                        out.push('\n');
                        block(out, value, indent, false);
                    }
                    _ => {
                        out.push(' ');
                        nested(out, value, indent + 2);
                    }
                }
            }
        }
        Value::Array(list) => {
            for item in list {
                begin(out);
                out.push_str("- ");
                nested(out, item, indent + 2);
            }
        }
        _ => {}
    }
}

/// What begins on a line that is begun already, and its line's end.
fn nested(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Object(map) if !map.is_empty() => block(out, value, indent, true),
        Value::Array(list) if !list.is_empty() => block(out, value, indent, true),
        _ => {
            scalar(out, value, indent);
            out.push('\n');
        }
    }
}

/// Whether a key may stand before its colon: readers look no further than 1,024 characters for it, and upstream's
/// library says of those beyond 128 bytes or one line that they are keys.
fn is_simple_key(key: &str) -> bool {
    key.len() <= 128 && !key.contains('\n')
}

/// What stands on the line of its key; the lines of a block are indented by `indent`.
fn scalar(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Value::Number(n) => out.push_str(&n.to_string()),
        Value::String(s) => text(out, s, Some(indent)),
        Value::Array(_) => out.push_str("[]"),
        Value::Object(_) => out.push_str("{}"),
    }
}

/// A text in the plainest style that means it; a block needs an `indent`.
fn text(out: &mut String, s: &str, indent: Option<usize>) {
    let special = s.chars().any(|c| c != '\n' && !is_printable(c));
    match indent {
        Some(indent) if s.contains('\n') && !special && !s.ends_with(' ') && !s.contains(" \n") => {
            literal(out, s, indent);
        }
        _ if special || s.contains('\n') || is_other(s) => {
            double_quoted(out, s);
        }
        _ if needs_quotes(s) => {
            out.push('\'');
            out.push_str(&s.replace('\'', "''"));
            out.push('\'');
        }
        _ => out.push_str(s),
    }
}

/// Whether a text would be taken for structure.
fn needs_quotes(s: &str) -> bool {
    let b = s.as_bytes();
    let alone = |at: usize| b.get(at + 1).is_none_or(|next| *next == b' ');
    s.starts_with(' ')
        || s.ends_with(' ')
        || s.starts_with("---")
        || s.starts_with("...")
        || b.first().is_some_and(|c| b"#,[]{}&*!|>'\"%@`".contains(c))
        || (b.first().is_some_and(|c| b"?:-".contains(c)) && alone(0))
        || b.iter().enumerate().skip(1).any(|(at, c)| match c {
            b':' => alone(at),
            b'#' => b[at - 1] == b' ',
            _ => false,
        })
}

/// Whether a text without quotes would be something other than a text to some reader.
fn is_other(s: &str) -> bool {
    !matches!(resolve(s), Scalar::String(_)) || is_base_60(s) || is_date(s)
}

/// `2026-01-02` and what may follow: a `T` or a space, and a time.
fn is_date(s: &str) -> bool {
    let mut parts = s.splitn(3, '-');
    let (Some(year), Some(month), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let number = |text: &str, most: usize| {
        !text.is_empty() && text.len() <= most && text.bytes().all(|b| b.is_ascii_digit())
    };
    let (day, time) = rest.split_at(rest.find(['T', 't', ' ']).unwrap_or(rest.len()));
    let time = time.trim_start_matches(['T', 't', ' ']);
    year.len() == 4
        && number(year, 4)
        && number(month, 2)
        && number(day, 2)
        && time.bytes().all(|b| b.is_ascii_digit() || b":.Zz+-".contains(&b))
}

/// `1:30`, which YAML 1.1 takes for a number.
fn is_base_60(s: &str) -> bool {
    let rest = s.strip_prefix(['-', '+']).unwrap_or(s);
    rest.starts_with(|c: char| c.is_ascii_digit())
        && rest.contains(':')
        && rest.bytes().all(|b| b.is_ascii_digit() || b":_.".contains(&b))
}

fn is_printable(c: char) -> bool {
    matches!(c, ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
        && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}')
}

fn literal(out: &mut String, s: &str, indent: usize) {
    out.push('|');
    if s.starts_with([' ', '\n']) {
        out.push('2');
    }
    match s.strip_suffix('\n') {
        None => out.push('-'),
        Some(rest) if rest.is_empty() || rest.ends_with('\n') => out.push('+'),
        Some(_) => {}
    }
    for line in s.strip_suffix('\n').unwrap_or(s).split('\n') {
        out.push('\n');
        if !line.is_empty() {
            out.extend(std::iter::repeat_n(' ', indent));
            out.push_str(line);
        }
    }
}

fn double_quoted(out: &mut String, s: &str) {
    out.push('"');
    for c in s.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if is_printable(c) => out.push(c),
            c if (c as u32) < 0x100 => out.push_str(&format!("\\x{:02X}", c as u32)),
            c if (c as u32) < 0x10000 => out.push_str(&format!("\\u{:04X}", c as u32)),
            c => out.push_str(&format!("\\U{:08X}", c as u32)),
        }
    }
    out.push('"');
}
