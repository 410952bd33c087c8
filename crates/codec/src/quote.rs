//! Text between quotes, as Go's `strconv.Quote` writes it into error messages.

/// `text` between double quotes.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        if c == '"' { out.push_str("\\\"") } else { push(&mut out, c) }
    }
    out.push('"');
    out
}

/// A byte between single quotes, as a character of Latin-1.
pub(crate) fn quoted_byte(byte: u8) -> String {
    let mut out = String::from('\'');
    match char::from(byte) {
        '\'' => out.push_str("\\'"),
        c => push(&mut out, c),
    }
    out.push('\'');
    out
}

fn push(out: &mut String, c: char) {
    match c {
        '\\' => out.push_str("\\\\"),
        '\u{7}' => out.push_str("\\a"),
        '\u{8}' => out.push_str("\\b"),
        '\u{c}' => out.push_str("\\f"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\u{b}' => out.push_str("\\v"),
        c if c < ' ' || c == '\u{7f}' => out.push_str(&format!("\\x{:02x}", c as u32)),
        c if c.is_control() || matches!(c, '\u{a0}' | '\u{ad}' | '\u{2028}' | '\u{2029}' | '\u{feff}') => {
            out.push_str(&format!("\\u{:04x}", c as u32));
        }
        c => out.push(c),
    }
}
