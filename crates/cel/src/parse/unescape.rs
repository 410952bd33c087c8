//! The escapes of strings and bytes.

/// The contents of a literal that is not raw. In bytes, `\x` and octal escapes are single bytes; in strings,
/// code points.
pub fn unescape(text: &str, bytes: bool) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(text.len());
    let mut characters = text.chars();
    let mut buffer = [0; 4];
    while let Some(c) = characters.next() {
        if c != '\\' {
            out.extend_from_slice(c.encode_utf8(&mut buffer).as_bytes());
            continue;
        }
        let escape = characters.next().ok_or("unable to unescape string, found '\\' as last character")?;
        let simple = match escape {
            'a' => Some('\x07'),
            'b' => Some('\x08'),
            'f' => Some('\x0c'),
            'n' => Some('\n'),
            'r' => Some('\r'),
            't' => Some('\t'),
            'v' => Some('\x0b'),
            '\\' | '\'' | '"' | '`' | '?' => Some(escape),
            _ => None,
        };
        if let Some(simple) = simple {
            out.push(simple as u8);
            continue;
        }
        let (radix, digits, initial) = match escape {
            'x' | 'X' => (16, 2, 0),
            'u' if !bytes => (16, 4, 0),
            'U' if !bytes => (16, 8, 0),
            'u' | 'U' => return Err("unable to unescape string".to_owned()),
            '0'..='3' => (8, 2, escape as u32 - '0' as u32),
            _ => return Err("unable to unescape string".to_owned()),
        };
        let mut value = initial;
        for _ in 0..digits {
            let digit = characters.next().and_then(|c| c.to_digit(radix));
            value = value * radix + digit.ok_or("unable to unescape string")?;
        }
        if bytes {
            out.push(u8::try_from(value).map_err(|_| "unable to unescape octal sequence in bytes")?);
        } else {
            let c = char::from_u32(value).ok_or("unable to unescape string")?;
            out.extend_from_slice(c.encode_utf8(&mut buffer).as_bytes());
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::unescape;

    #[test]
    fn escapes_are_cels() {
        type Case<'a> = (&'a str, bool, Result<&'a [u8], ()>);
        let cases: [Case<'_>; 8] = [
            (r"a\nb", false, Ok(b"a\nb")),
            (r"\x41\101", false, Ok(b"AA")),
            (r"\u00e4", false, Ok("ä".as_bytes())),
            (r"\xff", false, Ok("ÿ".as_bytes())),
            (r"\xff\377", true, Ok(b"\xff\xff")),
            (r"\ud800", false, Err(())),
            (r"\q", false, Err(())),
            (r"\`\?", false, Ok(b"`?")),
        ];
        for (text, bytes, expected) in cases {
            assert_eq!(unescape(text, bytes).map_err(|_| ()).as_deref(), expected.as_deref(), "{text}");
        }
    }
}
