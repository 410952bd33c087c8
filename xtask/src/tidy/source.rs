//! Rules on one Rust file: its length, its functions' lengths, its name, its opening, and words that do not
//! belong into it.

use super::Finding;
use super::blank::blank;
use std::ops::Range;

const FILE_LINES: usize = 800;
const FUNCTION_LINES: usize = 100;
const VAGUE_NAMES: [&str; 4] = ["utils", "common", "helpers", "manager"];
/// Where the kernel's interfaces are; the pod's supervisor has its own, for it must stay small.
const UNSAFE: [&str; 2] = ["crates/sys/", "crates/pod/src/kernel/"];
const UNFINISHED: [&str; 2] = ["todo", "unimplemented"];

/// What is wrong with the file `path` (relative to the repository) that holds `text`.
pub fn check(path: &str, text: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut report =
        |line: usize, text: String| found.push(Finding { path: path.to_owned(), line: line + 1, text });

    if let Some(name) = VAGUE_NAMES.into_iter().find(|name| has_segment(path, name)) {
        report(0, format!("a module named `{name}` says nothing; name it after what it holds"));
    }
    if path.ends_with("src/lib.rs") && !text.starts_with("//! ") {
        report(0, "a crate opens with a `//!` paragraph on its place".to_owned());
    }
    if text.starts_with("// @generated") {
        return found;
    }
    let tokens = tokens(&blank(text));
    let all_tests = is_test(path);
    let tests = test_modules(&tokens);
    let rt = path.starts_with("crates/rt/");
    let in_tests = |line: usize| all_tests || tests.iter().any(|lines| lines.contains(&line));

    let lines = (0..text.lines().count()).filter(|line| !in_tests(*line)).count();
    if lines > FILE_LINES {
        report(FILE_LINES, format!("{lines} lines, {FILE_LINES} allowed; divide it by idea"));
    }
    for (name, lines) in functions(&tokens) {
        if lines.len() > FUNCTION_LINES && !in_tests(lines.start) {
            let length = lines.len();
            report(lines.start, format!("`{name}` has {length} lines, {FUNCTION_LINES} allowed"));
        }
    }
    for (i, token) in tokens.iter().enumerate() {
        let next = tokens.get(i + 1).map(|next| next.text.as_str());
        match token.text.as_str() {
            "unsafe" if !UNSAFE.iter().any(|home| path.starts_with(home)) => {
                report(token.line, "`unsafe` belongs into crate `sys`".to_owned());
            }
            word if UNFINISHED.contains(&word) && next == Some("!") => {
                report(token.line, format!("`{word}!` is unfinished work"));
            }
            "tokio" if spells(&tokens[i..], "tokio::time") && !rt && !in_tests(token.line) => {
                report(token.line, "one clock for all: use corten_rt's Instant, sleep, timeout".to_owned());
            }
            "mod" if next.is_some_and(|name| VAGUE_NAMES.contains(&name)) => {
                report(token.line, "a module's name says what it holds".to_owned());
            }
            _ => {}
        }
    }
    found
}

fn has_segment(path: &str, name: &str) -> bool {
    path.split('/').any(|segment| segment.strip_suffix(".rs").unwrap_or(segment) == name)
}

fn is_test(path: &str) -> bool {
    path.split('/')
        .any(|segment| matches!(segment, "tests" | "benches" | "examples") || segment.ends_with("tests.rs"))
}

/// A word or one sign, with its line from 0.
struct Token {
    text: String,
    line: usize,
}

fn tokens(code: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    for (line, text) in code.lines().enumerate() {
        let mut rest = text.trim_start();
        while let Some(first) = rest.chars().next() {
            let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            let (token, after) = rest.split_at(word.max(if word == 0 { first.len_utf8() } else { 0 }));
            tokens.push(Token { text: token.to_owned(), line });
            rest = after.trim_start();
        }
    }
    tokens
}

/// Whether `tokens` begin with the path `spelling`.
fn spells(tokens: &[Token], spelling: &str) -> bool {
    let mut rest = spelling;
    for token in tokens {
        match rest.strip_prefix(token.text.as_str()) {
            Some("") => return true,
            Some(after) => rest = after,
            None => return false,
        }
    }
    false
}

/// The lines of every `#[cfg(test)] mod name { ... }`.
fn test_modules(tokens: &[Token]) -> Vec<Range<usize>> {
    let texts: Vec<&str> = tokens.iter().map(|token| token.text.as_str()).collect();
    let mut found = Vec::new();
    for (i, window) in texts.windows(10).enumerate() {
        if window[..8] == ["#", "[", "cfg", "(", "test", ")", "]", "mod"] && window[9] == "{" {
            found.push(tokens[i].line..block_end(tokens, i + 9) + 1);
        }
    }
    found
}

/// Every function with a body: its name and its lines, from `fn` to the closing brace.
fn functions(tokens: &[Token]) -> Vec<(String, Range<usize>)> {
    let mut found = Vec::new();
    for (i, pair) in tokens.windows(2).enumerate() {
        let named = pair[1].text.starts_with(|c: char| c.is_alphabetic() || c == '_');
        if pair[0].text != "fn" || !named {
            continue;
        }
        if let Some(open) = body(tokens, i) {
            found.push((pair[1].text.clone(), pair[0].line..block_end(tokens, open) + 1));
        }
    }
    found
}

/// Where the body of the function that begins at `start` opens, if it has one.
fn body(tokens: &[Token], start: usize) -> Option<usize> {
    let mut depth = 0;
    for (i, token) in tokens.iter().enumerate().skip(start) {
        match token.text.as_str() {
            "(" | "[" => depth += 1,
            ")" | "]" => depth -= 1,
            ";" if depth == 0 => return None,
            "{" if depth == 0 => return Some(i),
            _ => {}
        }
    }
    None
}

/// The line of the brace that closes the one at `open`.
fn block_end(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0;
    for token in &tokens[open..] {
        match token.text.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ => continue,
        }
        if depth == 0 {
            return token.line;
        }
    }
    tokens.last().map_or(0, |token| token.line)
}

#[cfg(test)]
mod tests {
    use super::{FILE_LINES, FUNCTION_LINES, check};

    /// A function of `lines` lines.
    fn function(lines: usize) -> String {
        format!("fn long(a: [u8; 3]) -> u8 {{\n{}}}\n", "    step();\n".repeat(lines - 2))
    }

    fn lines_found(path: &str, text: &str) -> Vec<usize> {
        check(path, text).into_iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn what_is_found() {
        let file = "crates/store/src/writer.rs";
        let test_module = |body: &str| format!("struct A;\n#[cfg(test)]\nmod tests {{\n{body}}}\n");
        let cases = [
            ("a plain file", file, "fn f() {}\n".to_owned(), vec![]),
            ("unsafe", file, "fn f() {\n    unsafe { g() }\n}\n".to_owned(), vec![2]),
            ("unsafe in sys", "crates/sys/src/a.rs", "unsafe fn f() {}\n".to_owned(), vec![]),
            ("the lint's name", file, "#![deny(unsafe_code)]\n".to_owned(), vec![]),
            ("unsafe in a comment", file, "// unsafe\nconst A: &str = \"unsafe\";\n".to_owned(), vec![]),
            ("unfinished", file, format!("fn f() {{\n    {}!()\n}}\n", "todo"), vec![2]),
            ("a word, not the macro", file, "fn f(todo: u8) {}\n".to_owned(), vec![]),
            ("a clock of its own", file, "use tokio::time::Instant;\n".to_owned(), vec![1]),
            ("the clock's place", "crates/rt/src/a.rs", "use tokio::time::Instant;\n".to_owned(), vec![]),
            ("another part of tokio", file, "use tokio::net;\n".to_owned(), vec![]),
            ("vague file", "crates/store/src/utils.rs", String::new(), vec![1]),
            ("vague folder", "crates/store/src/common/a.rs", String::new(), vec![1]),
            ("vague inline module", file, "mod helpers {}\n".to_owned(), vec![1]),
            ("a name that only contains it", "crates/store/src/commonly.rs", String::new(), vec![]),
            ("no opening", "crates/store/src/lib.rs", "mod a;\n".to_owned(), vec![1]),
            ("an opening", "crates/store/src/lib.rs", "//! The store.\nmod a;\n".to_owned(), vec![]),
            ("function at the limit", file, function(FUNCTION_LINES), vec![]),
            ("function above it", file, format!("\n{}", function(FUNCTION_LINES + 1)), vec![2]),
            ("long test", file, test_module(&function(FUNCTION_LINES + 1)), vec![]),
            ("long test file", "crates/store/tests/a.rs", function(FUNCTION_LINES + 1), vec![]),
            ("file at the limit", file, "struct A;\n".repeat(FILE_LINES), vec![]),
            ("file above it", file, "struct A;\n".repeat(FILE_LINES + 1), vec![FILE_LINES + 1]),
            ("much test", file, test_module(&"struct A;\n".repeat(FILE_LINES)), vec![]),
            ("generated", file, format!("// @generated\n{}", "struct A;\n".repeat(FILE_LINES)), vec![]),
        ];
        for (name, path, text, expected) in cases {
            assert_eq!(lines_found(path, &text), expected, "{name}");
        }
    }

    #[test]
    fn declarations_without_body_end() {
        let text =
            format!("trait T {{\n    fn f(&self);\n}}\nstruct S {{\n{}}}\n", "    a: u8,\n".repeat(200));
        assert_eq!(lines_found("crates/store/src/a.rs", &text), Vec::<usize>::new());
    }
}
