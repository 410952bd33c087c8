//! Regular expressions of schemas. They are Go's, whose classes know ASCII only; compiled ones are large, so
//! few are kept.

use regex::Regex;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// How many compiled patterns are kept, and how large one may become, in bytes.
const KEPT: usize = 64;
const LARGEST: usize = 1 << 20;

/// Whether the pattern is one; the error is a text about what is wrong.
pub fn check_pattern(pattern: &str) -> Result<(), String> {
    compile(pattern).map(drop)
}

/// Whether the pattern is found in the text.
pub fn matches(pattern: &str, text: &str) -> Result<bool, String> {
    compile(pattern).map(|regex| regex.is_match(text))
}

fn compile(pattern: &str) -> Result<Arc<Regex>, String> {
    static KNOWN: OnceLock<Mutex<HashMap<String, Arc<Regex>>>> = OnceLock::new();
    let known = KNOWN.get_or_init(Mutex::default);
    let lock = || known.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(found) = lock().get(pattern) {
        return Ok(found.clone());
    }
    let regex = regex::RegexBuilder::new(&translated(pattern)).size_limit(LARGEST).build();
    let regex = Arc::new(regex.map_err(|e| explain(pattern, &e))?);
    let mut known = lock();
    if known.len() >= KEPT {
        known.clear();
    }
    known.insert(pattern.to_string(), regex.clone());
    Ok(regex)
}

/// In Go `\d`, `\w`, `\s` and `\b` mean ASCII, and `\z` the end; `\Q...\E` quotes.
fn translated(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut in_class = false;
    let mut rest = pattern.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\\' => match rest.next() {
                Some('d') => out.push_str(if in_class { "0-9" } else { "[0-9]" }),
                Some('D') => out.push_str("[^0-9]"),
                Some('w') => out.push_str(if in_class { "0-9A-Za-z_" } else { "[0-9A-Za-z_]" }),
                Some('W') => out.push_str("[^0-9A-Za-z_]"),
                Some('s') => out.push_str(if in_class { r"\t\n\f\r " } else { r"[\t\n\f\r ]" }),
                Some('S') => out.push_str(r"[^\t\n\f\r ]"),
                Some('b') if !in_class => out.push_str(r"(?-u:\b)"),
                Some('B') if !in_class => out.push_str(r"(?-u:\B)"),
                Some('Q') => quoted(&mut rest, &mut out),
                Some(other) => out.extend(['\\', other]),
                None => out.push('\\'),
            },
            '[' if in_class && rest.peek() == Some(&':') => {
                // A class by name: `[:alpha:]`.
                out.push('[');
                while let Some(c) = rest.next() {
                    out.push(c);
                    if c == ':' && rest.peek() == Some(&']') {
                        out.extend(rest.next());
                        break;
                    }
                }
            }
            // Go takes these as they are within a class; here they would mean something.
            '[' | '&' | '~' if in_class => out.extend(['\\', c]),
            '[' => {
                in_class = true;
                out.push(c);
                for first in ['^', ']'] {
                    if rest.next_if_eq(&first).is_some() {
                        out.push_str(if first == ']' { r"\]" } else { "^" });
                    }
                }
            }
            ']' => {
                in_class = false;
                out.push(c);
            }
            _ => out.push(c),
        }
    }
    out
}

/// What stands between `\Q` and `\E`, taken literally.
fn quoted(rest: &mut std::iter::Peekable<std::str::Chars<'_>>, out: &mut String) {
    let mut text = String::new();
    while let Some(c) = rest.next() {
        if c == '\\' && rest.next_if_eq(&'E').is_some() {
            break;
        }
        text.push(c);
    }
    out.push_str(&regex::escape(&text));
}

/// What is wrong, in words like Go's.
fn explain(pattern: &str, error: &regex::Error) -> String {
    match error {
        regex::Error::CompiledTooBig(_) => format!("error parsing regexp: expression too large: `{pattern}`"),
        regex::Error::Syntax(text) => {
            let last = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
            let why = match last {
                "unclosed group" => "missing closing )".to_string(),
                "unopened group" => "unexpected )".to_string(),
                "unclosed character class" => "missing closing ]".to_string(),
                "repetition operator missing expression" => {
                    "missing argument to repetition operator".to_string()
                }
                other if other.contains("look-around") => "invalid or unsupported Perl syntax".to_string(),
                other if other.contains("unrecognized escape") => "invalid escape sequence".to_string(),
                other if other.contains("invalid character class range") => {
                    "invalid character class range".to_string()
                }
                other => other.to_string(),
            };
            format!("error parsing regexp: {why}: `{pattern}`")
        }
        other => format!("error parsing regexp: {other}: `{pattern}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_what_they_mean_to_go() {
        for (pattern, text, want) in [
            (r"^\d+$", "12", true),
            (r"^\d+$", "\u{663}", false),
            (r"^[\w.]+$", "a_1.b", true),
            (r"^\w$", "ä", false),
            (r"^[a[]$", "[", true),
            (r"^[[:alpha:]]+$", "ab", true),
            (r"^[^]]$", "a", true),
            (r"^\Qa.b\E$", "a.b", true),
            (r"^\Qa.b\E$", "axb", false),
            (r"a\z", "ba", true),
            (r"^.$", "ä", true),
            (r"(?i)^ABC$", "abc", true),
            (r"^[a-z&&b]$", "&", true),
        ] {
            assert_eq!(matches(pattern, text), Ok(want), "{pattern} {text}");
        }
        for (bad, why) in [
            ("(", "error parsing regexp: missing closing ): `(`"),
            ("a**(?=b)", "error parsing regexp: invalid or unsupported Perl syntax: `a**(?=b)`"),
        ] {
            assert_eq!(check_pattern(bad), Err(why.to_string()));
        }
    }
}
