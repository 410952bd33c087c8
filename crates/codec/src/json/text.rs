//! Strings and numbers as JSON text.

/// What a byte in a string means: 0 itself, 1 an escape, 2 perhaps the start of a line separator.
static ESCAPES: [u8; 256] = {
    let mut table = [0; 256];
    let mut b = 0;
    while b < 0x20 {
        table[b] = 1;
        b += 1;
    }
    table[b'"' as usize] = 1;
    table[b'\\' as usize] = 1;
    table[0xE2] = 2;
    table
};

/// Appends `text` between quotes. The two line separators of Unicode are escaped, as Go does, for scripts.
pub(crate) fn write_string(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    out.reserve(bytes.len() + 2);
    out.push(b'"');
    let mut written = 0;
    let mut at = 0;
    while let Some(found) = bytes[at..].iter().position(|b| ESCAPES[*b as usize] != 0) {
        at += found;
        let separator = bytes[at] == 0xE2;
        if separator && !(bytes[at + 1] == 0x80 && matches!(bytes[at + 2], 0xA8 | 0xA9)) {
            at += 3;
            continue;
        }
        out.extend_from_slice(&bytes[written..at]);
        if separator {
            out.extend_from_slice(if bytes[at + 2] == 0xA8 { b"\\u2028" } else { b"\\u2029" });
            at += 3;
        } else {
            escape(out, bytes[at]);
            at += 1;
        }
        written = at;
    }
    out.extend_from_slice(&bytes[written..]);
    out.push(b'"');
}

fn escape(out: &mut Vec<u8>, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let letter = match byte {
        b'"' | b'\\' => byte,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x8 => b'b',
        0xC => b'f',
        _ => {
            out.extend_from_slice(b"\\u00");
            out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', letter]);
}

/// Appends a number as Go writes it: plain, or with an exponent when very large or small. What is no number
/// becomes `null`.
pub(crate) fn write_float(out: &mut Vec<u8>, value: f64) {
    let size = value.abs();
    let text = if !value.is_finite() {
        "null".to_string()
    } else if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = format!("{value:e}");
        if size >= 1e21 { text.replace('e', "e+") } else { text }
    } else {
        format!("{value}")
    };
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_and_numbers_are_written_as_go_writes_them() {
        for (text, want) in [
            ("plain", "\"plain\""),
            ("a\"b\\c\nd\u{1}é", "\"a\\\"b\\\\c\\nd\\u0001é\""),
            ("x\u{2028}y…\u{2029}", "\"x\\u2028y…\\u2029\""),
            ("<&>", "\"<&>\""),
        ] {
            let mut out = Vec::new();
            write_string(&mut out, text);
            assert_eq!(String::from_utf8_lossy(&out), want);
        }
        for (value, want) in [
            (1.0, "1"),
            (0.5, "0.5"),
            (1e21, "1e+21"),
            (1e20, "100000000000000000000"),
            (1e-7, "1e-7"),
            (-0.25, "-0.25"),
        ] {
            let mut out = Vec::new();
            write_float(&mut out, value);
            assert_eq!(String::from_utf8_lossy(&out), want);
        }
    }
}
