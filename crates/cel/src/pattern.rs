//! Regular expressions as Go writes them. Matching takes time linear in pattern and text.

use regex::{Regex, RegexBuilder};

/// The most memory that a compiled pattern may take.
const LARGEST: usize = 4 << 20;

/// A regular expression in Go's (RE2's) syntax.
#[derive(Clone, Debug)]
pub struct Pattern(Regex);

impl Pattern {
    /// Compiles the pattern.
    ///
    /// # Errors
    /// In Go's manner, what is wrong with it.
    pub fn new(pattern: &str) -> Result<Self, String> {
        let refused = || format!("error parsing regexp: invalid pattern: `{pattern}`");
        let translated = translate(pattern).map_err(|what| format!("error parsing regexp: {what}"))?;
        let compiled = RegexBuilder::new(&translated).size_limit(LARGEST).dfa_size_limit(LARGEST).build();
        match compiled {
            Ok(regex) => Ok(Pattern(regex)),
            Err(regex::Error::CompiledTooBig(_)) => {
                Err("error parsing regexp: expression too large".to_owned())
            }
            Err(_) => Err(refused()),
        }
    }

    /// Whether it matches somewhere in the text.
    pub fn is_match(&self, text: &str) -> bool {
        self.0.is_match(text)
    }

    /// The first match.
    pub fn find<'t>(&self, text: &'t str) -> Option<&'t str> {
        self.0.find(text).map(|found| found.as_str())
    }

    /// All matches that do not overlap.
    pub fn find_all<'t>(&self, text: &'t str) -> impl Iterator<Item = &'t str> {
        self.0.find_iter(text).map(|found| found.as_str())
    }
}

/// Go's syntax in that of the crate: Perl's classes mean ASCII, `\Q...\E` quotes, brackets within classes and
/// braces that are no repetition are themselves.
fn translate(pattern: &str) -> Result<String, String> {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut rest = pattern;
    while let Some(c) = rest.chars().next() {
        match c {
            '\\' => rest = escape(rest, &mut out, false)?,
            '[' => rest = class(rest, &mut out)?,
            '{' if !is_repetition(rest) => {
                out.push_str("\\{");
                rest = &rest[1..];
            }
            '(' if rest.starts_with("(?") => {
                let flags: String =
                    rest[2..].chars().take_while(|c| c.is_ascii_alphabetic() || *c == '-').collect();
                let named = rest.starts_with("(?P<") || rest.starts_with("(?<");
                // `x` is no flag of Go's, `R` and `u` are the crate's own.
                if !named && flags.chars().any(|c| !matches!(c, 'i' | 'm' | 's' | 'U' | '-')) {
                    let shown: String = rest.chars().take(3 + flags.len()).collect();
                    return Err(format!("invalid or unsupported Perl syntax: `{shown}`"));
                }
                if rest.starts_with("(?=")
                    || rest.starts_with("(?!")
                    || rest.starts_with("(?<=")
                    || rest.starts_with("(?<!")
                {
                    let shown: String = rest.chars().take(3).collect();
                    return Err(format!("invalid or unsupported Perl syntax: `{shown}`"));
                }
                out.push_str("(?");
                rest = &rest[2..];
            }
            '}' | ']' => {
                // A closing brace of a repetition was copied with it.
                out.push('\\');
                out.push(c);
                rest = &rest[1..];
            }
            '{' => {
                let end = rest.find('}').map_or(rest.len(), |end| end + 1);
                out.push_str(&rest[..end]);
                rest = &rest[end..];
            }
            c => {
                out.push(c);
                rest = &rest[c.len_utf8()..];
            }
        }
    }
    Ok(out)
}

/// Whether a brace begins `{2}`, `{2,}` or `{2,3}`.
fn is_repetition(rest: &str) -> bool {
    let Some((inner, _)) = rest[1..].split_once('}') else { return false };
    let (low, high) = inner.split_once(',').unwrap_or((inner, "0"));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    !low.is_empty() && digits(low) && digits(high)
}

/// One escape, in a class or outside; what is left after it.
fn escape<'p>(rest: &'p str, out: &mut String, within: bool) -> Result<&'p str, String> {
    let Some(c) = rest[1..].chars().next() else {
        return Err("trailing backslash at end of expression: ``".to_owned());
    };
    let after = &rest[1 + c.len_utf8()..];
    let text = match (c, within) {
        ('d', true) => "0-9",
        ('w', true) => "0-9A-Za-z_",
        ('s', true) => "\\t\\n\\f\\r ",
        ('d', false) => "[0-9]",
        ('w', false) => "[0-9A-Za-z_]",
        ('s', false) => "[\\t\\n\\f\\r ]",
        ('D', _) => "[^0-9]",
        ('W', _) => "[^0-9A-Za-z_]",
        ('S', _) => "[^\\t\\n\\f\\r ]",
        ('b', false) => "(?-u:\\b)",
        ('B', false) => "(?-u:\\B)",
        ('Q', false) => {
            let (quoted, after) = after.split_once("\\E").unwrap_or((after, ""));
            out.push_str(&regex::escape(quoted));
            return Ok(after);
        }
        ('0'..='7', _) => {
            // Octal: a nought and two digits, or three digits.
            let digits: String = rest[1..].chars().take(3).take_while(|c| c.is_digit(8)).collect();
            if c != '0' && digits.len() < 3 {
                return Err(format!("invalid escape sequence: `\\{c}`"));
            }
            let code = u32::from_str_radix(&digits, 8).unwrap_or_default();
            out.push_str(&format!("\\x{{{code:x}}}"));
            return Ok(&rest[1 + digits.len()..]);
        }
        ('A' | 'z', false) | ('a' | 'f' | 'n' | 'r' | 't' | 'v' | 'x' | 'p' | 'P', _) => {
            out.push('\\');
            out.push(c);
            let braces = matches!(c, 'x' | 'p' | 'P') && after.starts_with('{');
            let end = after.find('}').filter(|_| braces).map_or(0, |end| end + 1);
            out.push_str(&after[..end]);
            return Ok(&after[end..]);
        }
        (c, _) if c.is_ascii_punctuation() => {
            out.push('\\');
            out.push(c);
            return Ok(after);
        }
        (c, _) => return Err(format!("invalid escape sequence: `\\{c}`")),
    };
    out.push_str(text);
    Ok(after)
}

/// A class in brackets; what is left after it.
fn class<'p>(rest: &'p str, out: &mut String) -> Result<&'p str, String> {
    let missing = || format!("missing closing ]: `{rest}`");
    out.push('[');
    let mut inner = &rest[1..];
    if let Some(after) = inner.strip_prefix('^') {
        out.push('^');
        inner = after;
    }
    let mut first = true;
    loop {
        let c = inner.chars().next().ok_or_else(missing)?;
        match c {
            ']' if !first => {
                out.push(']');
                return Ok(&inner[1..]);
            }
            '[' if inner.starts_with("[:") && inner.contains(":]") => {
                let end = inner.find(":]").map_or(inner.len(), |end| end + 2);
                out.push_str(&inner[..end]);
                inner = &inner[end..];
            }
            '\\' => inner = escape(inner, out, true)?,
            '[' | ']' | '&' | '~' => {
                out.push('\\');
                out.push(c);
                inner = &inner[1..];
            }
            // Two of them would be a difference of classes.
            '-' if inner.starts_with("--") => {
                out.push_str("\\-");
                inner = &inner[1..];
            }
            c => {
                out.push(c);
                inner = &inner[c.len_utf8()..];
            }
        }
        first = false;
    }
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[test]
    fn patterns_are_gos() {
        let cases = [
            (r"^\d+$", "12", true),
            (r"^\d+$", "٣", false),
            (r"^\w+$", "aé", false),
            (r"^[\w-]+$", "a-b", true),
            (r"^[^\s]+$", "a b", false),
            (r"a{2}", "aa", true),
            (r"a{,2}", "a{,2}", true),
            (r"{", "{", true),
            (r"\Qa.b\E", "a.b", true),
            (r"\Qa.b\E", "axb", false),
            (r"^[[a]$", "[", true),
            (r"^[]a]$", "]", true),
            (r"^[a&&b]+$", "&", true),
            (r"^[[:alpha:]]$", "x", true),
            (r"\bfoo\b", "a foo b", true),
            (r"(?i)AB", "ab", true),
            (r"\p{Greek}", "α", true),
            (r"\101", "A", true),
            (r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", "a-b", true),
        ];
        for (pattern, text, expected) in cases {
            let compiled = Pattern::new(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"));
            assert_eq!(compiled.is_match(text), expected, "{pattern} on {text}");
        }
    }

    #[test]
    fn what_go_refuses_is_refused() {
        for pattern in ["[", "(", "*", r"\8", r"(?=a)", r"(?x)a", r"\", "(?P<a>x", "[z-a]"] {
            assert!(Pattern::new(pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn patterns_that_grow_are_refused() {
        assert!(Pattern::new(&format!("{}a{}", "(".repeat(50), "{50})".repeat(50))).is_err());
    }
}
