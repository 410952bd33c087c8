//! Looking for duplicate keys where no schema says what a body holds.

use super::path::{Path, Step};
use super::reader::{MAX_DEPTH, Reader, Token, too_deep};
use crate::{DecodeError, Problems};
use std::borrow::Cow;
use std::collections::HashMap;

/// An array or object that is open.
struct Open<'a> {
    /// The keys of an object, and how often each was seen.
    keys: Option<HashMap<Cow<'a, str>, usize>>,
    items: usize,
    first: bool,
}

/// Tells the duplicate keys of any JSON: custom resources, and what is kept as text.
pub fn find_duplicates(bytes: &[u8], problems: &mut Problems) -> Result<(), DecodeError> {
    let text = String::from_utf8_lossy(bytes);
    let mut reader = Reader::new(&text);
    let mut path = Path::default();
    let mut open: Vec<Open<'_>> = Vec::new();
    loop {
        match reader.peek()? {
            token @ (Token::Array | Token::Object) => {
                if open.len() >= MAX_DEPTH {
                    return Err(too_deep());
                }
                reader.open();
                let keys = (token == Token::Object).then(HashMap::new);
                open.push(Open { keys, items: 0, first: true });
            }
            _ => {
                reader.skip()?;
                path.0.pop();
            }
        }
        // On to the next value, closing what ends before it.
        while let Some(inmost) = open.last_mut() {
            let step = match &mut inmost.keys {
                Some(keys) => reader.key(&mut inmost.first)?.map(|key| {
                    let seen = keys.entry(key.clone()).or_default();
                    *seen += 1;
                    // Told once, for the path may be long.
                    if *seen == 2 && problems.looks() {
                        problems.duplicate(&path.strict(&key));
                    }
                    Step::Key(key)
                }),
                None => reader.item(&mut inmost.first)?.then_some(Step::Index(inmost.items)),
            };
            inmost.items += 1;
            if let Some(step) = step {
                path.0.push(step);
                break;
            }
            open.pop();
            path.0.pop();
        }
        if open.is_empty() {
            return reader.end();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_given_twice_are_found_at_any_depth() {
        for (text, want) in [
            ("{\"a\":1,\"b\":{\"a\":1}}", vec![]),
            (
                "{\"a\":{\"b\":[{},{\"c\":1,\"c\":2}]},\"a\":0}",
                vec!["duplicate field \"a.b[1].c\"", "duplicate field \"a\""],
            ),
            ("[{\"a\":1,\"a\":1}]", vec!["duplicate field \"[0].a\""]),
            ("1", vec![]),
            ("{\"a\":[[],{}],\"b\":1,\"b\":2}", vec!["duplicate field \"b\""]),
        ] {
            let mut problems = Problems::strict();
            find_duplicates(text.as_bytes(), &mut problems).expect(text);
            assert_eq!(problems.found(), want, "{text}");
        }
        for bad in ["", "{", "{} 1", "[1,]", &"[".repeat(20_000)] {
            assert!(find_duplicates(bad.as_bytes(), &mut Problems::strict()).is_err());
        }
    }
}
