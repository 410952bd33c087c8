//! Quoted texts, with the escapes of Go's strings.

use std::str::Chars;

/// What stands between two quotes; `None` when an escape is wrong.
pub(super) fn unquoted(text: &str, quote: char) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '\\' => escape(&mut rest, quote, &mut out)?,
            c if c == quote => return None,
            c => push(c, &mut out),
        }
    }
    Some(String::from_utf8_lossy(&out).into_owned())
}

fn escape(rest: &mut Chars<'_>, quote: char, out: &mut Vec<u8>) -> Option<()> {
    match rest.next()? {
        'a' => out.push(7),
        'b' => out.push(8),
        'f' => out.push(12),
        'n' => out.push(b'\n'),
        'r' => out.push(b'\r'),
        't' => out.push(b'\t'),
        'v' => out.push(11),
        'x' => out.push(u8::try_from(number(rest, 2, 16)?).ok()?),
        'u' => push(char::from_u32(number(rest, 4, 16)?)?, out),
        'U' => push(char::from_u32(number(rest, 8, 16)?)?, out),
        first @ '0'..='7' => {
            let high = first.to_digit(8)? * 64;
            out.push(u8::try_from(high + number(rest, 2, 8)?).ok()?);
        }
        c if c == '\\' || c == quote => push(c, out),
        _ => return None,
    }
    Some(())
}

fn number(rest: &mut Chars<'_>, digits: usize, radix: u32) -> Option<u32> {
    (0..digits)
        .try_fold(0u32, |number, _| number.checked_mul(radix)?.checked_add(rest.next()?.to_digit(radix)?))
}

fn push(c: char, out: &mut Vec<u8>) {
    out.extend(c.encode_utf8(&mut [0; 4]).bytes());
}

#[cfg(test)]
mod tests {
    use super::unquoted;

    #[test]
    fn escapes_are_gos() {
        for (text, want) in [
            ("plain é", Some("plain é")),
            (r"a\nb\\\t", Some("a\nb\\\t")),
            (r"\x41\101\u00e9\U0001F600\xc3\xa9", Some("AAé😀é")),
            (r"it\'s", Some("it's")),
            (r#"\""#, None),
            (r"\q", None),
            (r"\x4", None),
            (r"\400", None),
            (r"\ud800", None),
            ("'", None),
            (r"\", None),
        ] {
            assert_eq!(unquoted(text, '\'').as_deref(), want, "{text}");
        }
    }
}
